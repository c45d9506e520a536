/*
 * load.c - see load.h.
 */
#include "load.h"

#include "conninfo.h"
#include "conninfo_check.h"
#include "places.h"
#include "strict-ini/error_text.h"
#include "strict-ini/utf8.h"
#include "tokens.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const yes_no[] = {"no", "yes", NULL};
static const char *const expectations[] = {"any", "primary", "replica", NULL};
static const char *const address_words[] = {"one", "all", NULL};
static const char *const states[] = {"off", "on", "drain", NULL};
static const char *const positions[] = {"unset", "flush", "insert", NULL};

#define AT(member)        offsetof(struct host_config, member)
#define OF_SERVER(member) offsetof(struct server_config, member)
/* The last arguments are the members that the type has besides. */
#define KEY(type_, name_, offset_, fallback_, unit_, help_, ...)                                   \
    {.name = (name_),                                                                              \
     .type = (type_),                                                                              \
     .fallback = (fallback_),                                                                      \
     .unit = (unit_),                                                                              \
     .offset = (offset_),                                                                          \
     .help = (help_),                                                                              \
     __VA_ARGS__}
#define TEXT(name_, offset_, min_, fallback_, help_)                                               \
    KEY(INI_TEXT, name_, offset_, fallback_, "", help_, .min = (min_), .max = INI_MAX_VALUE_BYTES, \
        .open = true)
/* Its value may be a secret, or be taken for one. */
#define SECRET(name_, offset_, min_, fallback_, verbatim_, help_)                                  \
    KEY(INI_TEXT, name_, offset_, fallback_, "", help_, .min = (min_), .max = INI_MAX_VALUE_BYTES, \
        .verbatim = (verbatim_))
#define NUMBER(name_, offset_, min_, max_, fallback_, unit_, help_)                                \
    KEY(INI_NUMBER, name_, offset_, fallback_, unit_, help_, .min = (min_), .max = (max_),         \
        .open = true)
#define CHOICE(name_, offset_, choices_, fallback_, help_)                                         \
    KEY(INI_CHOICE, name_, offset_, fallback_, "", help_, .choices = (choices_), .open = true)

static const struct ini_key listen_keys[] = {
    TEXT("address", AT(listen.address), 1, "127.0.0.1", "IPv4 or IPv6 address to listen on."),
    NUMBER("port", AT(listen.port), 0, 65535, "8080", "", "TCP port; 0 takes any free one."),
    NUMBER("threads", AT(listen.threads), 1, 64, "1", "",
           "Event loops, each with its own links to each server."),
    NUMBER("busy_poll_us", AT(listen.busy_poll_us), 0, 1000, "100", "us",
           "How long at most to poll for an answer, of the only lookup in the host or of current "
           "reads; adapts, and sleeps where that is faster; 0 turns it off."),
};

static const struct ini_key admin_keys[] = {
    TEXT("address", AT(admin.address), 1, "127.0.0.1",
         "IPv4 or IPv6 address of the listener for operators; without the section there is none."),
    NUMBER("port", AT(admin.port), 0, 65535, "8081", "", "Its TCP port; 0 takes any free one."),
};

static const struct ini_key auth_keys[] = {
    SECRET("token", AT(auth.token), 0, "", false,
           "What clients of the worker route must send as bearer token; empty lets nobody in. May "
           "stand twice, the old one and the new, while one replaces the other."),
    SECRET("token_file", AT(auth.token_file), 0, "", false,
           "A file whose first line is the token; a second line is another, as if token stood "
           "twice."),
    SECRET("deployment_id", AT(auth.deployment_id), 0, "", false,
           "What clients of the workload route must send; empty switches that route off."),
};

/* A name may begin or end with a quote: check_schema. */
static const struct ini_key table_keys[] = {
    KEY(INI_TEXT, "schema", AT(tables.schema), "", "",
        "The schema of the tables, as it is spelt, whatever the search_path; empty reads the "
        "tables that each connection's search_path leads to.",
        .min = 0, .max = HOST_SCHEMA_BYTES, .open = true, .verbatim = true),
};

#define SERVER_KEYS                                                                                \
    SECRET("conninfo", OF_SERVER(conninfo), 1, NULL, true, "How libpq reaches the server."),       \
        NUMBER("links", OF_SERVER(links), 1, 64, "2", "", "Links for each thread."),               \
        CHOICE("prepared", OF_SERVER(prepared), yes_no, "yes",                                     \
               "Whether statements are prepared; no for poolers that cannot."),                    \
        CHOICE("addresses", OF_SERVER(addresses), address_words, "one",                            \
               "Whether a name with several addresses is one server, or all are servers of "       \
               "their own, looked up again every 10 s."),                                          \
        CHOICE("state", OF_SERVER(state), states, "on",                                            \
               "Whether it is used: off, not at all; drain, it is asked how it is, but no read "   \
               "begins there.")

/* [primary], [replica], [replica.NAME]: what is expected of them is in the name. */
static const struct ini_key named_server_keys[] = {
    SERVER_KEYS,
    KEY(INI_CHOICE, "position", OF_SERVER(position), "unset", "",
        "Of 1.0.0, and without effect: every commit is covered.", .choices = positions,
        .open = true, .gone = true),
};

static const struct ini_key server_keys[] = {
    SERVER_KEYS,
    CHOICE("expect", OF_SERVER(expect), expectations, "any",
           "The role that it should have; roles are observed, and one that has another role is "
           "out, with an error in the log."),
};

static const struct ini_key plugin_keys[] = {
    TEXT("path", AT(plugin.path), 1, NULL, "The plugin, a shared object."),
    TEXT("config", AT(plugin.config), 1, NULL, "The plugin's INI file."),
    TEXT("section", AT(plugin.section), 1, "snapshots_since",
         "The section of it that lookups follow."),
};

static const struct ini_key limit_keys[] = {
    NUMBER("max_lookups", AT(limits.max_lookups), 1, 1000000, "1024", "",
           "Lookups under way at once, in all threads; more are answered 429."),
    NUMBER("lookup_timeout_ms", AT(limits.lookup_timeout_ms), 1, 9000, "5000", "ms",
           "A lookup is answered within this time, with an error if need be."),
    NUMBER("max_connections", AT(limits.max_connections), 1, 1000000, "16384", "",
           "Connections at once, in all threads; more are closed."),
    NUMBER("drain_ms", AT(limits.drain_ms), 0, 60000, "0", "ms",
           "How long after SIGTERM new connections are still served, for whoever watches /readyz."),
    NUMBER("poll_ms", AT(limits.poll_ms), 100, 5000, "1000", "ms",
           "How often each server is asked who and where it is; at least every 250 ms while no "
           "primary answers."),
};

static const struct ini_key log_keys[] = {
    CHOICE("access", AT(log.access), yes_no, "no",
           "Whether every request is logged, with its status and time."),
};

#define COUNT(keys) (sizeof(keys) / sizeof((keys)[0]))
#define MAX_KEYS    64 /* in all sections together */

/* Every section but the servers, which may be many. */
static const struct {
    const char *name;
    const struct ini_key *keys;
    size_t key_count;
    bool required;
} sections[] = {
    {"listen", listen_keys, COUNT(listen_keys), false},
    {"admin", admin_keys, COUNT(admin_keys), false},
    {"auth", auth_keys, COUNT(auth_keys), false},
    {"tables", table_keys, COUNT(table_keys), false},
    {"plugin", plugin_keys, COUNT(plugin_keys), true},
    {"limits", limit_keys, COUNT(limit_keys), false},
    {"log", log_keys, COUNT(log_keys), false},
};

static bool has_name_behind(const char *section, const char *word) {
    const size_t length = strlen(word);
    return strncmp(section, word, length) == 0 && section[length] == '.' &&
           section[length + 1] != '\0';
}

/* Whether a section is a server's, and what is expected of it by its name alone. */
static bool is_server(const char *name, int32_t *expect) {
    if (strcmp(name, "primary") == 0) {
        *expect = HOST_EXPECT_PRIMARY;
    } else if (strcmp(name, "replica") == 0 || has_name_behind(name, "replica")) {
        *expect = HOST_EXPECT_REPLICA;
    } else {
        *expect = HOST_EXPECT_ANY;
        return has_name_behind(name, "server");
    }
    return true;
}

/* Where the configuration is: its paths begin there if they are relative, wherever the host was
 * started. */
static void folder_of(char folder[PATH_MAX], const char *config_path) {
    const char *slash = strrchr(config_path, '/');
    (void)snprintf(folder, PATH_MAX, "%.*s", slash != NULL ? (int)(slash - config_path) : 1,
                   slash != NULL ? config_path : ".");
}

/* Whether memory was short since errno was 0: then what was found wrong with a conninfo may not be.
 * An allocation that fails says so there, and what only looks at a string leaves it alone. */
static bool ran_out_of_memory(struct ini_errors *errors) {
    const bool short_of_it = errno == ENOMEM;
    errors->out_of_memory = errors->out_of_memory || short_of_it;
    return short_of_it;
}

/* A conninfo that libpq refuses will never work; better said now than at each attempt. */
static void check_conninfo(const struct ini_document *document, const struct ini_section *section,
                           struct server_config *server, struct ini_errors *errors) {
    char why[512], folder[PATH_MAX], place[PATH_MAX];
    if (server->conninfo[0] == '\0') {
        return;
    }
    folder_of(folder, document->path);
    errno = 0;
    bool good = conninfo_check(server->conninfo, why, sizeof why);
    if (good && !conninfo_resolve_files(server->conninfo, HOST_CONNINFO_BYTES, folder)) {
        good = false;
        (void)snprintf(why, sizeof why,
                       "too long with the file's own folder before the files that it names; "
                       "accepted: absolute paths, or a service of libpq's service file");
    }
    if (!good && ran_out_of_memory(errors)) {
        return;
    }
    if (!good || !conninfo_service_is_known(server->conninfo, why, sizeof why)) {
        ini_place(place, sizeof place, document, section, "conninfo");
        ini_errors_add(errors, "%s: %s", place, why);
    }
}

static void check_addresses(const struct ini_document *document, const struct ini_section *section,
                            const struct server_config *server, struct ini_errors *errors) {
    char host[INI_MAX_VALUE_BYTES + 1], place[PATH_MAX];
    errno = 0;
    if (server->addresses == HOST_ADDRESSES_ALL && server->conninfo[0] != '\0' &&
        !conninfo_host(server->conninfo, host, sizeof host) && !ran_out_of_memory(errors)) {
        ini_place(place, sizeof place, document, section, "addresses");
        ini_errors_add(errors,
                       "%s = all: the conninfo has no name to be looked up; "
                       "accepted: with a conninfo that has one host, and no hostaddr",
                       place);
    }
}

static void read_server(struct host_config *config, const struct ini_document *document,
                        const struct ini_section *section, int32_t expect,
                        struct ini_errors *errors) {
    if (config->server_count == HOST_MAX_SERVERS) {
        ini_errors_add(errors, "%s:%u: [%s]: more than %u servers", document->path, section->line,
                       section->shown, HOST_MAX_SERVERS);
        return;
    }
    struct server_config *server = &config->servers[config->server_count++];
    if (expect == HOST_EXPECT_ANY) {
        ini_read_section(document, section, server_keys, COUNT(server_keys), server, errors);
    } else {
        ini_read_section(document, section, named_server_keys, COUNT(named_server_keys), server,
                         errors);
        server->expect = expect;
    }
    (void)strlcpy(server->name, section->name, sizeof server->name);
    check_conninfo(document, section, server, errors);
    check_addresses(document, section, server, errors);
}

static void unknown_section(const struct ini_document *document, const struct ini_section *section,
                            struct ini_errors *errors) {
    const char *names[COUNT(sections) + 4];
    for (size_t i = 0; i < COUNT(sections); i++) {
        names[i] = sections[i].name;
    }
    names[COUNT(sections)] = "primary";
    names[COUNT(sections) + 1] = "replica";
    names[COUNT(sections) + 2] = "server";
    names[COUNT(sections) + 3] = NULL;
    const char *near = ini_nearest(section->name, names);
    if (near != NULL && strcmp(near, "server") == 0) {
        near = "server.NAME"; /* which is not near to anything */
    }
    ini_errors_add(errors,
                   "%s:%u: [%s]: unknown section; %s%s%saccepted: [listen], [admin], [auth], "
                   "[tables], [server.NAME], [primary], [replica], [replica.NAME], [plugin], "
                   "[limits], [log]",
                   document->path, section->line, section->shown,
                   near != NULL ? "did you mean [" : "", near != NULL ? near : "",
                   near != NULL ? "]? " : "");
}

static bool has_possible_primary(const struct host_config *config) {
    for (uint32_t i = 0; i < config->server_count; i++) {
        if (config->servers[i].expect != HOST_EXPECT_REPLICA) {
            return true;
        }
    }
    return false;
}

static void read_sections(struct host_config *config, const struct ini_document *document,
                          struct ini_errors *errors) {
    for (const struct ini_section *section = document->sections; section != NULL;
         section = section->next) {
        size_t i = 0;
        while (i < COUNT(sections) && strcmp(sections[i].name, section->name) != 0) {
            i++;
        }
        int32_t expect;
        if (is_server(section->name, &expect)) {
            read_server(config, document, section, expect, errors);
        } else if (i == COUNT(sections)) {
            unknown_section(document, section, errors);
        } else {
            ini_read_section(document, section, sections[i].keys, sections[i].key_count, config,
                             errors);
        }
    }
    for (size_t i = 0; i < COUNT(sections); i++) {
        if (ini_find_section(document, sections[i].name) != NULL) {
            continue;
        }
        if (sections[i].required && document->incomplete) {
            continue; /* it may be missing because of an error reported already */
        }
        if (sections[i].required) {
            ini_errors_add(errors,
                           "%s: the section [%s] is missing; it must have the key path and the key "
                           "config",
                           document->path, sections[i].name);
        } else {
            ini_read_defaults(sections[i].keys, sections[i].key_count, config);
        }
    }
    if (!document->incomplete && !has_possible_primary(config)) {
        ini_errors_add(errors,
                       "%s: there is no server that may be the primary; accepted: a section "
                       "[server.NAME] for each server, or [primary] and [replica], each with the "
                       "key conninfo",
                       document->path);
    }
}

/* What may be a name, but is meant as something else. */
static const char *wrong_schema(const char *schema) {
    const size_t length = strlen(schema);
    if (!is_utf8(schema, length)) {
        return "not UTF-8";
    }
    if (length > 1 && schema[0] == schema[length - 1] && strchr("\"'", schema[0]) != NULL) {
        return "a name stands without quotes";
    }
    return strstr(schema, " #") != NULL ? "a comment must stand on a line of its own" : NULL;
}

static void check_schema(const struct host_config *config, const struct ini_document *document,
                         struct ini_errors *errors) {
    const char *schema = config->tables.schema, *wrong = wrong_schema(schema);
    char place[PATH_MAX], shown[INI_SHOWN_CAPACITY] = INI_HIDDEN;
    if (wrong == NULL) {
        return;
    }
    ini_place(place, sizeof place, document, ini_find_section(document, "tables"), "schema");
    if (strchr(schema, '=') == NULL && strstr(schema, "://") == NULL) {
        ini_show(shown, schema, strlen(schema));
    }
    ini_errors_add(errors,
                   "%s = %s: %s; accepted: a schema's name as pg_namespace has it, of up to %u "
                   "bytes",
                   place, shown, wrong, HOST_SCHEMA_BYTES);
}

/* The keys that errors may name, whatever else is in their line. */
static void list_keys(const char *keys[MAX_KEYS + 1]) {
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sections); i++) {
        for (size_t key = 0; key < sections[i].key_count && count < MAX_KEYS; key++) {
            keys[count++] = sections[i].keys[key].name;
        }
    }
    for (size_t key = 0; key < COUNT(server_keys) && count < MAX_KEYS; key++) {
        keys[count++] = server_keys[key].name;
    }
    keys[count] = NULL;
}

static void resolve(char path[PATH_MAX], const char *folder, const char *config_path,
                    const char *key, struct ini_errors *errors) {
    char whole[PATH_MAX];
    if (path[0] == '/' || path[0] == '\0') {
        return;
    }
    const int length = snprintf(whole, sizeof whole, "%s/%s", folder, path);
    if (length < 0 || (size_t)length >= sizeof whole) {
        ini_errors_add(errors, "%s: %s: with the file's own folder the path is too long",
                       config_path, key);
        path[0] = '\0';
    } else {
        (void)strlcpy(path, whole, PATH_MAX);
    }
}

static void resolve_paths(struct host_config *config, const char *config_path,
                          struct ini_errors *errors) {
    char folder[PATH_MAX];
    folder_of(folder, config_path);
    resolve(config->plugin.path, folder, config_path, "[plugin] path", errors);
    resolve(config->plugin.config, folder, config_path, "[plugin] config", errors);
    resolve(config->auth.token_file, folder, config_path, "[auth] token_file", errors);
}

bool host_config_load(struct host_config *config, const char *path, char *err, size_t err_length) {
    struct ini_errors errors;
    ini_errors_init(&errors, err, err_length);
    memset(config, 0, sizeof *config);
    const char *keys[MAX_KEYS + 1];
    list_keys(keys);
    static const char *const twice[] = {"token", NULL};
    struct ini_document *document = ini_load_discreetly(path, keys, twice, &errors);
    if (document != NULL) {
        read_sections(config, document, &errors);
        resolve_paths(config, path, &errors);
        config->admin.present = ini_find_section(document, "admin") != NULL;
        config_check_places(config, document, &errors);
        config_read_tokens(config, document, &errors);
        check_schema(config, document, &errors);
    }
    if (errors.out_of_memory && document != NULL) { /* else it has been said */
        ini_errors_add(&errors, "%s: out of memory", path);
    }
    ini_free(document);
    return errors.count == 0;
}

void host_config_free(struct host_config *config) {
    if (config != NULL) {
        explicit_bzero(config, sizeof *config);
        free(config);
    }
}

void host_config_describe_keys(struct ini_text_sink sink) {
    for (size_t i = 0; i < COUNT(sections); i++) {
        char header[INI_MAX_SECTION_BYTES + 32];
        (void)snprintf(header, sizeof header, "[%s]\n", sections[i].name);
        sink.write(sink.context, header);
        ini_describe_keys(sections[i].keys, sections[i].key_count, sink);
    }
    sink.write(sink.context, "[server.NAME]\n");
    ini_describe_keys(server_keys, COUNT(server_keys), sink);
    sink.write(sink.context, "[primary], [replica], [replica.NAME]\n");
    ini_describe_keys(named_server_keys, COUNT(named_server_keys), sink);
}
