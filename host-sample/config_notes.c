/*
 * config_notes.c - see config_notes.h.
 */
#include "config_notes.h"

#include "host-sample/config/conninfo.h"
#include "host-sample/postgres/connect.h"

#include <stdlib.h>
#include <string.h>

#define IDENTITY_BYTES (INI_MAX_VALUE_BYTES + 32)

static void note_one_server(const struct host_config *config, struct ini_errors *notes) {
    char identities[HOST_MAX_SERVERS][IDENTITY_BYTES];
    for (uint32_t i = 0; i < config->server_count; i++) {
        const struct server_config *server = &config->servers[i];
        conninfo_identity(server->conninfo, identities[i], sizeof identities[i]);
        uint32_t same = 0;
        while (same < i && strcmp(identities[same], identities[i]) != 0) {
            same++;
        }
        if (same < i && identities[i][0] != '\0') {
            ini_errors_add(notes,
                           "[%s] and [%s] are one server: they have the same host, port and "
                           "database",
                           config->servers[same].name, server->name);
        }
    }
}

static void note_gone_keys(const struct host_config *config, struct ini_errors *notes) {
    for (uint32_t i = 0; i < config->server_count; i++) {
        if (config->servers[i].position != 0) {
            ini_errors_add(notes,
                           "[%s] position has no effect any more: every commit is covered "
                           "without it; the line can go",
                           config->servers[i].name);
        }
    }
}

static void note_files(const struct host_config *config, struct ini_errors *notes) {
    for (uint32_t i = 0; i < config->server_count; i++) {
        const struct server_config *server = &config->servers[i];
        char why[512];
        if (server->conninfo[0] != '\0' &&
            (pg_conninfo_password_file_is_refused(server->conninfo, why, sizeof why) ||
             conninfo_lacks_file(server->conninfo, why, sizeof why))) {
            ini_errors_add(notes, "[%s] %s", server->name, why);
        }
    }
}

/* Only what the file says: a default does not show whether the policy uses it. */
static void note_long_waits(const struct host_config *config, struct ini_errors *notes) {
    static const char *const waits[] = {"max_wait_ms", "replica_retry_max_ms"};
    struct ini_errors unheard;
    ini_errors_init(&unheard, NULL, 0);
    struct ini_document *document = ini_load(config->plugin.config, &unheard);
    const struct ini_section *section =
        document != NULL ? ini_find_section(document, config->plugin.section) : NULL;
    for (size_t i = 0; section != NULL && i < sizeof waits / sizeof waits[0]; i++) {
        const struct ini_entry *entry = ini_find(section, waits[i]);
        if (entry != NULL && strtoul(entry->value, NULL, 10) >= config->limits.lookup_timeout_ms) {
            ini_errors_add(notes,
                           "%s:%u: [%s] %s = %s is not shorter than lookup_timeout_ms = %u: a "
                           "lookup that waits so long has failed before",
                           document->path, entry->line, section->shown, waits[i], entry->value,
                           config->limits.lookup_timeout_ms);
        }
    }
    ini_free(document);
}

static void note_no_token(const struct host_config *config, struct ini_errors *notes) {
    if (config->auth.token[0] == '\0' && config->auth.other_token[0] == '\0') {
        ini_errors_add(notes, "nobody is let in on the worker route: [auth] has no token");
    }
}

void config_notes(const struct host_config *config, struct ini_errors *notes) {
    note_no_token(config, notes);
    note_one_server(config, notes);
    note_gone_keys(config, notes);
    note_files(config, notes);
    note_long_waits(config, notes);
}
