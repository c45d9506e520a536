/*
 * destination.c - see destination.h.
 */
#include "destination.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIMEOUT_MAX_S = 3600 };

void pg_keywords_add(struct pg_keywords *list, const char *keyword, const char *value) {
    if (value != NULL && list->count + 1 < PG_KEYWORDS_MAX) {
        list->keywords[list->count] = keyword;
        list->values[list->count] = value;
        list->count++;
        list->keywords[list->count] = NULL;
        list->values[list->count] = NULL;
    }
}

/* ---- options ---- */

/* Lists that no other list is as long as. */
#define TEN_COMMAS  ",,,,,,,,,,"
#define LONG_LIST   TEN_COMMAS TEN_COMMAS TEN_COMMAS TEN_COMMAS TEN_COMMAS TEN_COMMAS
#define LONGER_LIST LONG_LIST LONG_LIST LONG_LIST

/* libpq tells the options that it puts together from string, service and environment only of a
 * connection, and making one would look up names and read the password file. So it is given lists
 * of hosts or ports that do not match, which it refuses before it does anything else. NULL: out of
 * memory. */
static PQconninfoOption *effective_options(const struct pg_keywords *keywords, const char *one,
                                           const char *other) {
    struct pg_keywords list = *keywords;
    pg_keywords_add(&list, one, LONG_LIST);
    pg_keywords_add(&list, other, LONGER_LIST);
    PGconn *conn = PQconnectStartParams(list.keywords, list.values, 0);
    PQconninfoOption *options = PQconninfo(conn);
    PQfinish(conn);
    return options;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword) {
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0) {
        options++;
    }
    return options->keyword != NULL && options->val != NULL ? options->val : "";
}

static uint32_t count_of(const char *list) {
    uint32_t count = 1;
    for (; *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

/* The number-th of a list; of a list of one, that. NULL: out of memory. */
static char *element_of(const char *list, uint32_t number) {
    for (; number > 0 && strchr(list, ',') != NULL; number--) {
        list = strchr(list, ',') + 1;
    }
    return strndup(list, strcspn(list, ","));
}

/* By libpq's rules. 0: the lists do not match; then it is left to libpq to say so. */
static uint32_t host_count_of(const struct pg_destination *destination) {
    const uint32_t hosts = count_of(destination->hosts);
    const uint32_t hostaddrs = count_of(destination->hostaddrs);
    const uint32_t ports = count_of(destination->ports);
    const uint32_t count = destination->hostaddrs[0] != '\0' ? hostaddrs : hosts;
    const bool match = (destination->hostaddrs[0] == '\0' || destination->hosts[0] == '\0' ||
                        hosts == hostaddrs) &&
                       (ports == 1 || ports == count);
    return match ? count : 0;
}

/* ---- the password file ---- */

static void find_password_file(const PQconninfoOption *options, char *path, size_t size) {
    const char *given = value_of(options, "passfile");
    const char *home = getenv("HOME");
    struct passwd entry, *found = NULL;
    char buffer[1024];
    if (given[0] != '\0') {
        (void)snprintf(path, size, "%s", given);
        return;
    }
    if ((home == NULL || home[0] == '\0') &&
        getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL) {
        home = found->pw_dir;
    }
    (void)snprintf(path, size, "%s/.pgpass", home != NULL ? home : "");
}

static void check_password_file(const PQconninfoOption *options, char *warning, size_t size) {
    char path[512];
    struct stat file;
    warning[0] = '\0';
    find_password_file(options, path, sizeof(path));
    if (value_of(options, "password")[0] != '\0' || stat(path, &file) != 0) {
        return;
    }
    if (!S_ISREG(file.st_mode)) {
        (void)snprintf(warning, size,
                       "password file \"%.150s\" is not used: it is not a plain file", path);
    } else if ((file.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)snprintf(warning, size,
                       "password file \"%.150s\" is not used: it is open to group or others;"
                       " permissions should be u=rw (0600) or less",
                       path);
    }
}

/* ---- a destination ---- */

bool pg_destination_read(struct pg_destination *destination, const struct pg_keywords *keywords,
                         uint32_t timeout_s) {
    PQconninfoOption *but_ports = effective_options(keywords, "port", "port");
    PQconninfoOption *but_hosts = effective_options(keywords, "host", "hostaddr");
    *destination = (struct pg_destination){.timeout_s = timeout_s, .host_count = 1};
    if (but_ports != NULL && but_hosts != NULL) {
        const long seconds = strtol(value_of(but_ports, "connect_timeout"), NULL, 10);
        destination->hosts = strdup(value_of(but_ports, "host"));
        destination->hostaddrs = strdup(value_of(but_ports, "hostaddr"));
        destination->ports = strdup(value_of(but_hosts, "port"));
        if (seconds > 0 && seconds <= TIMEOUT_MAX_S) {
            destination->timeout_s = (uint32_t)seconds;
        }
        destination->prefers_standby =
            strcmp(value_of(but_ports, "target_session_attrs"), "prefer-standby") == 0;
        check_password_file(but_ports, destination->warning, sizeof(destination->warning));
    }
    PQconninfoFree(but_ports);
    PQconninfoFree(but_hosts);
    if (destination->hosts == NULL || destination->hostaddrs == NULL ||
        destination->ports == NULL) {
        return false;
    }
    destination->host_count = host_count_of(destination);
    if (destination->host_count == 0) {
        destination->hosts[0] = destination->hostaddrs[0] = destination->ports[0] = '\0';
        destination->host_count = 1;
    }
    return true;
}

void pg_destination_free(struct pg_destination *destination) {
    free(destination->hosts);
    free(destination->hostaddrs);
    free(destination->ports);
}

/* ---- a host ---- */

/* Not a socket's directory, nor a default. */
static bool has_name(const struct pg_host *host) {
    return host->hostaddr[0] == '\0' && host->host[0] != '\0' && host->host[0] != '/' &&
           host->host[0] != '@';
}

static bool look_up(struct pg_host *host, char *err, size_t err_length) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const int result = getaddrinfo(host->host, NULL, &hints, &host->found);
    if (result != 0) {
        host->found = NULL;
        (void)snprintf(err, err_length, "could not translate host name \"%.150s\" to address: %s",
                       host->host, gai_strerror(result));
        return false;
    }
    host->address_count = 0;
    for (const struct addrinfo *one = host->found; one != NULL; one = one->ai_next) {
        host->address_count++;
    }
    return true;
}

bool pg_host_find(struct pg_host *host, const struct pg_destination *destination, uint32_t number,
                  char *err, size_t err_length) {
    *host = (struct pg_host){.address_count = 1};
    host->host = element_of(destination->hosts, number);
    host->hostaddr = element_of(destination->hostaddrs, number);
    host->port = element_of(destination->ports, number);
    if (host->host == NULL || host->hostaddr == NULL || host->port == NULL) {
        (void)snprintf(err, err_length, "out of memory");
        return false;
    }
    return !has_name(host) || look_up(host, err, err_length);
}

void pg_host_free(struct pg_host *host) {
    if (host->found != NULL) {
        freeaddrinfo(host->found);
    }
    free(host->host);
    free(host->hostaddr);
    free(host->port);
}

void pg_host_add(const struct pg_host *host, uint32_t address, struct pg_keywords *list,
                 char buffer[PG_ADDRESS_BYTES]) {
    const struct addrinfo *one = host->found;
    pg_keywords_add(list, "host", host->host);
    pg_keywords_add(list, "port", host->port);
    while (one != NULL && address > 0) {
        one = one->ai_next;
        address--;
    }
    if (one == NULL) {
        pg_keywords_add(list, "hostaddr", host->hostaddr);
    } else if (getnameinfo(one->ai_addr, one->ai_addrlen, buffer, PG_ADDRESS_BYTES, NULL, 0,
                           NI_NUMERICHOST) == 0) {
        pg_keywords_add(list, "hostaddr", buffer);
    }
}
