/*
 * conninfo_check.c - see conninfo_check.h.
 */
#include "conninfo_check.h"

#include "conninfo_options.h"
#include "strict-ini/strict_ini.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the form -------------------------------------------------------------------------------- */

/* The keyword nearest to the word that libpq's message quotes, or NULL. */
static const char *nearest_keyword(const char *message) {
    static const char *const keywords[] = {"host",
                                           "hostaddr",
                                           "port",
                                           "dbname",
                                           "user",
                                           "password",
                                           "passfile",
                                           "service",
                                           "connect_timeout",
                                           "application_name",
                                           "options",
                                           "sslmode",
                                           "sslrootcert",
                                           "sslcert",
                                           "sslkey",
                                           "sslcrl",
                                           "gssencmode",
                                           "keepalives",
                                           "target_session_attrs",
                                           "channel_binding",
                                           NULL};
    char word[64];
    const char *quote = strchr(message, '"');
    const size_t length = quote != NULL ? strcspn(quote + 1, "\"") : 0;
    if (length == 0 || length >= sizeof word) {
        return NULL;
    }
    memcpy(word, quote + 1, length);
    word[length] = '\0';
    return ini_nearest(word, keywords);
}

/* libpq's complaints begin so, whatever they go on to quote. */
static const char *form_error(const char *message) {
    static const struct {
        const char *begins;
        const char *says;
    } known[] = {
        {"missing \"=\" after", "a word without '=' behind it"},
        {"invalid connection option", "a keyword that libpq does not know"},
        {"unterminated quoted string", "a quote that is not closed"},
        {"invalid URI query parameter", "a keyword in the URI that libpq does not know"},
        {"missing key/value separator", "a parameter of the URI without '='"},
        {"extra key/value separator", "a parameter of the URI with two '='; one is written %3D"},
        {"invalid percent-encoded token", "a '%' in the URI that no two hex digits follow; a '%' "
                                          "itself is written %25"},
        {"forbidden value %00", "a %00 in the URI"},
        {"end of string reached when looking for matching \"]\"",
         "a '[' in the URI without its ']'"},
        {"IPv6 host address may not be empty", "an empty address in the URI"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strncmp(message, known[i].begins, strlen(known[i].begins)) == 0) {
            return known[i].says;
        }
    }
    return "libpq cannot take it apart";
}

/* Connection strings of other clients, Prisma's for one, name the tables' schema. */
static bool is_about_schema(const char *message) {
    return strstr(message, "\"schema\"") != NULL;
}

static void say_form(const char *conninfo, const char *message, char *why, size_t why_length) {
    const bool unknown = strncmp(message, "invalid ", 8) == 0;
    const bool schema = unknown && is_about_schema(message);
    const char *near = unknown && !schema ? nearest_keyword(message) : NULL;
    const bool comment = strstr(conninfo, " #") != NULL;
    (void)snprintf(why, why_length,
                   "%s; %s%s%s%s%saccepted: libpq's keyword = value pairs or a "
                   "postgresql:// URI; a value with spaces stands in single quotes",
                   form_error(message), near != NULL ? "did you mean " : "",
                   near != NULL ? near : "", near != NULL ? "? " : "",
                   schema ? "the schema of the tables is the key schema of [tables]; " : "",
                   comment ? "a comment must stand on a line of its own; " : "");
}

/* A password with a raw '@' or '/' in it would be taken for a host's name, a port or a database,
 * and be shown to everybody who reads about those. */
static bool has_stray_at(const char *conninfo) {
    const char *rest = strstr(conninfo, "://");
    if (rest == NULL || (strncmp(conninfo, "postgresql://", 13) != 0 &&
                         strncmp(conninfo, "postgres://", 11) != 0)) {
        return false;
    }
    rest += 3;
    const size_t authority = strcspn(rest, "@/");
    rest += authority + (rest[authority] == '@' ? 1 : 0);
    const char *at = strchr(rest, '@');
    return at != NULL && at < rest + strcspn(rest, "?");
}

/* ---- the values ------------------------------------------------------------------------------ */

static unsigned count_items(const char *list) {
    unsigned items = 1;
    for (; *list != '\0'; list++) {
        items += *list == ',';
    }
    return items;
}

static bool is_number_within(const char *text, size_t length, long least, long most) {
    char digits[16];
    if (length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    char *end;
    const long number = strtol(digits, &end, 10);
    return *end == '\0' && number >= least && number <= most;
}

/* One port, or a list with one for each host; an empty one is the default. */
static const char *check_ports(const PQconninfoOption *options) {
    const char *ports = conninfo_value(options, "port");
    const char *hosts = conninfo_value(options, "hostaddr");
    hosts = hosts[0] != '\0' ? hosts : conninfo_value(options, "host");
    const unsigned port_count = count_items(ports);
    for (const char *port = ports; *port != '\0';) {
        const size_t length = strcspn(port, ",");
        if (length > 0 && !is_number_within(port, length, 1, 65535)) {
            return "not a port; accepted: 1 to 65535";
        }
        port += length + (port[length] == ',' ? 1 : 0);
    }
    if (port_count > 1 && port_count != count_items(hosts)) {
        return "a list of another length than that of the hosts; accepted: one port, or one for "
               "each host";
    }
    return NULL;
}

static const char *const ssl_modes[] = {"disable",   "allow",       "prefer", "require",
                                        "verify-ca", "verify-full", NULL};
static const char *const session_attrs[] = {"any",     "read-write",     "read-only", "primary",
                                            "standby", "prefer-standby", NULL};
static const char *const wishes[] = {"disable", "prefer", "require", NULL};
static const char *const noes[] = {"false", "off", "no", "0", NULL};

static const struct {
    const char *keyword;
    const char *const *words;
    const char *accepted;
} worded[] = {
    {"sslmode", ssl_modes, "disable, allow, prefer, require, verify-ca or verify-full"},
    {"target_session_attrs", session_attrs,
     "any, read-write, read-only, primary, standby or prefer-standby"},
    {"gssencmode", wishes, "disable, prefer or require"},
    {"channel_binding", wishes, "disable, prefer or require"},
    {"replication", noes, "false: what streams WAL reads no tables"},
};

static bool check_words(const PQconninfoOption *options, char *why, size_t why_length) {
    for (size_t i = 0; i < COUNT(worded); i++) {
        const char *value = conninfo_value(options, worded[i].keyword);
        if (value[0] != '\0' && !conninfo_is_one_of(value, worded[i].words)) {
            const char *near = ini_nearest(value, worded[i].words);
            (void)snprintf(why, why_length, "%s: unknown; %s%s%saccepted: %s", worded[i].keyword,
                           near != NULL ? "did you mean " : "", near != NULL ? near : "",
                           near != NULL ? "? " : "", worded[i].accepted);
            return false;
        }
    }
    return true;
}

static bool check_numbers(const PQconninfoOption *options, char *why, size_t why_length) {
    static const char *const keywords[] = {"connect_timeout",  "keepalives",
                                           "keepalives_idle",  "keepalives_interval",
                                           "keepalives_count", "tcp_user_timeout"};
    for (size_t i = 0; i < COUNT(keywords); i++) {
        const char *value = conninfo_value(options, keywords[i]);
        if (value[0] != '\0' && !is_number_within(value, strlen(value), -1, 2147483647)) {
            (void)snprintf(why, why_length, "%s: not a number; accepted: a number without a unit",
                           keywords[i]);
            return false;
        }
    }
    return true;
}

/* Typographic quotes are no quotes to libpq, which takes them for a part of the value. */
static bool is_in_typographic_quotes(const char *value) {
    return strncmp(value, "\xe2\x80", 2) == 0 && ini_has_outer_quote(value);
}

static bool check_quotes(const PQconninfoOption *options, char *why, size_t why_length) {
    for (; options->keyword != NULL; options++) {
        if (options->val != NULL && is_in_typographic_quotes(options->val)) {
            (void)snprintf(why, why_length,
                           "%s: its value begins or ends with a quote; accepted: straight single "
                           "quotes around a value that has spaces, and no others",
                           options->keyword);
            return false;
        }
    }
    return true;
}

/* libpq looks a service up before it checks the words. So a wrong word keeps it from connecting,
 * and its message tells whether the service was found. */
bool conninfo_service_is_known(const char *conninfo, char *why, size_t why_length) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *service = options != NULL ? conninfo_value(options, "service") : "";
    const char *file = options != NULL ? conninfo_value(options, "servicefile") : "";
    const char *const keywords[] = {"service", "sslmode", file[0] != '\0' ? "servicefile" : NULL,
                                    NULL};
    const char *const values[] = {service, "none-such", file, NULL};
    bool undefined = false, wrong_file = false;
    if (service[0] != '\0') {
        PGconn *connection = PQconnectStartParams(keywords, values, 0);
        const char *message = connection != NULL ? PQerrorMessage(connection) : "";
        undefined = strncmp(message, "definition of service", 21) == 0;
        wrong_file = strstr(message, "service file") != NULL;
        PQfinish(connection);
    }
    PQconninfoFree(options);
    if (undefined || wrong_file) {
        (void)snprintf(why, why_length, "service: %s; accepted: a service of libpq's service file",
                       undefined ? "no such service"
                                 : "the service file cannot be read, or has an error");
    }
    return !undefined && !wrong_file;
}

static bool check_values(const PQconninfoOption *options, char *why, size_t why_length) {
    const char *wrong = check_ports(options);
    if (wrong != NULL) {
        (void)snprintf(why, why_length, "port: %s", wrong);
        return false;
    }
    return check_words(options, why, why_length) && check_numbers(options, why, why_length) &&
           check_quotes(options, why, why_length);
}

bool conninfo_check(const char *conninfo, char *why, size_t why_length) {
    char *message = NULL;
    /* A straight quote at the end may close the last value's. */
    if (ini_has_outer_quote(conninfo) &&
        (conninfo[0] == '\'' || conninfo[strlen(conninfo) - 1] != '\'')) {
        (void)snprintf(
            why, why_length,
            "it begins or ends with a quote; accepted: a value without quotes around it");
        return false;
    }
    if (has_stray_at(conninfo)) {
        (void)snprintf(why, why_length,
                       "an '@' where libpq would end the password; accepted: within "
                       "a user's name or password %%40, and %%2F for a '/'");
        return false;
    }
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);
    bool good = options != NULL;
    if (good) {
        good = check_values(options, why, why_length);
    } else {
        say_form(conninfo, message != NULL ? message : "", why, why_length);
    }
    PQconninfoFree(options);
    PQfreemem(message);
    return good;
}
