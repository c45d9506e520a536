/*
 * conninfo.c - see conninfo.h.
 */
#include "conninfo.h"

#include "conninfo_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the files ------------------------------------------------------------------------------- */

static bool names_file(const PQconninfoOption *option) {
    static const char *const keywords[] = {
        "passfile",  "sslcert",       "sslkey",      "sslrootcert",   "sslcrl",
        "sslcrldir", "sslkeylogfile", "servicefile", "oauth_ca_file", NULL};
    const char *value = option->val;
    if (value == NULL || value[0] == '\0' || !conninfo_is_one_of(option->keyword, keywords)) {
        return false;
    }
    /* libpq's own words: the system's certificates, and a key that an engine keeps. */
    return strcmp(option->keyword, "sslrootcert") == 0 ? strcmp(value, "system") != 0
           : strcmp(option->keyword, "sslkey") == 0    ? strchr(value, ':') == NULL
                                                       : true;
}

static bool names_relative_file(const PQconninfoOption *options) {
    while (options->keyword != NULL && (!names_file(options) || options->val[0] == '/')) {
        options++;
    }
    return options->keyword != NULL;
}

/* As libpq reads it within single quotes. */
static void write_escaped(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        (void)fprintf(out, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    }
}

static void write_option(FILE *out, const char *keyword, const char *folder, const char *value) {
    (void)fprintf(out, "%s%s='", ftell(out) > 0 ? " " : "", keyword);
    write_escaped(out, folder);
    write_escaped(out, folder[0] != '\0' ? "/" : "");
    write_escaped(out, value);
    (void)fputc('\'', out);
}

/* Writes them as keyword = value pairs, whatever form they were given in: what is appended to a
 * string may become a part of what stands before. folder, hostaddr: NULL for none. */
static bool write_options(char *conninfo, size_t size, const PQconninfoOption *options,
                          const char *folder, const char *hostaddr) {
    char *whole = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&whole, &length);
    if (out == NULL) {
        return false;
    }
    for (; options->keyword != NULL; options++) {
        if (options->val != NULL) {
            const bool relative = names_file(options) && options->val[0] != '/';
            write_option(out, options->keyword, relative && folder != NULL ? folder : "",
                         options->val);
        }
    }
    if (hostaddr != NULL) {
        write_option(out, "hostaddr", "", hostaddr);
    }
    /* The stream's last step, to give back what it does not need, may fail and leave nothing. */
    const bool good = fclose(out) == 0 && whole != NULL && length < size;
    if (good) {
        memcpy(conninfo, whole, length + 1);
    }
    if (whole != NULL) {
        explicit_bzero(whole, length);
    }
    free(whole);
    return good;
}

bool conninfo_resolve_files(char *conninfo, size_t size, const char *folder) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const bool good = options != NULL && (!names_relative_file(options) ||
                                          write_options(conninfo, size, options, folder, NULL));
    PQconninfoFree(options);
    return good;
}

bool conninfo_at_address(char *at_address, size_t size, const char *conninfo, const char *address) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const bool good = options != NULL && write_options(at_address, size, options, NULL, address);
    PQconninfoFree(options);
    return good;
}

bool conninfo_lacks_file(const char *conninfo, char *why, size_t why_length) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    why[0] = '\0';
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         option++) {
        if (names_file(option) && why[0] == '\0' && access(option->val, R_OK) != 0) {
            (void)snprintf(why, why_length, "%s: cannot read \"%.300s\": %s", option->keyword,
                           option->val, strerror(errno));
        }
    }
    PQconninfoFree(options);
    return why[0] != '\0';
}

/* ---- what it names --------------------------------------------------------------------------- */

bool conninfo_host(const char *conninfo, char *host, size_t host_length) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (options == NULL) {
        return false;
    }
    const char *name = conninfo_value(options, "host");
    const bool good = name[0] != '\0' && name[0] != '/' && name[0] != '@' &&
                      strchr(name, ',') == NULL && conninfo_value(options, "hostaddr")[0] == '\0' &&
                      strlen(name) < host_length;
    if (good) {
        (void)snprintf(host, host_length, "%s", name);
    }
    PQconninfoFree(options);
    return good;
}

void conninfo_identity(const char *conninfo, char *identity, size_t identity_length) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    identity[0] = '\0';
    if (options == NULL) {
        return;
    }
    const char *port = conninfo_value(options, "port");
    const char *user = conninfo_value(options, "user");
    const char *database = conninfo_value(options, "dbname");
    const bool service = conninfo_value(options, "service")[0] != '\0';
    /* What a service gives, its name stands for. */
    (void)snprintf(identity, identity_length, "%s|%s|%s|%s|%s", conninfo_value(options, "service"),
                   conninfo_value(options, "host"), conninfo_value(options, "hostaddr"),
                   port[0] != '\0' || service ? port : "5432",
                   database[0] != '\0' || service ? database : user);
    PQconninfoFree(options);
}
