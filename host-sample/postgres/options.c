/*
 * options.c - see options.h.
 */
#include "options.h"

#include "connect.h"

#include <stdio.h>

enum { LINKS_MAX = 64, STATEMENT_TIMEOUT_MAX_MS = 3600000, CONNECT_TIMEOUT_MAX_S = 600 };

static bool check_prepared(const struct pg_server_options *options, char *err, size_t err_length) {
    const size_t sets = options->variant_sql != NULL ? options->variant_count : 1;
    for (size_t i = 0; i < sets * options->prepared_count; i++) {
        const struct pg_prepared *prepared = &options->prepared[i];
        if (prepared->parameter_count < 0 || prepared->parameter_count > PG_PARAMETERS_MAX) {
            (void)snprintf(err, err_length, "prepared statement %s: %d parameters, not 0 to %d",
                           prepared->name, prepared->parameter_count, PG_PARAMETERS_MAX);
            return false;
        }
        if (prepared->group_sql != NULL &&
            (prepared->group_name == NULL || prepared->parameter_count == 0)) {
            (void)snprintf(err, err_length,
                           "prepared statement %s: its form for a group needs a %s", prepared->name,
                           prepared->group_name == NULL ? "name" : "parameter");
            return false;
        }
    }
    return true;
}

bool pg_server_options_check(const struct pg_server_options *options, char *err,
                             size_t err_length) {
    if (options->links < 1 || options->links > LINKS_MAX) {
        (void)snprintf(err, err_length, "links: 1 to %d", LINKS_MAX);
    } else if (options->statement_timeout_ms < 1 ||
               options->statement_timeout_ms > STATEMENT_TIMEOUT_MAX_MS) {
        (void)snprintf(err, err_length, "statement_timeout_ms: 1 to %d", STATEMENT_TIMEOUT_MAX_MS);
    } else if (options->connect_timeout_s < 1 ||
               options->connect_timeout_s > CONNECT_TIMEOUT_MAX_S) {
        (void)snprintf(err, err_length, "connect_timeout_s: 1 to %d", CONNECT_TIMEOUT_MAX_S);
    } else if (options->setting_count > PG_SETTINGS_MAX) {
        (void)snprintf(err, err_length, "more than %d settings", PG_SETTINGS_MAX);
    } else if (options->prepared_count > PG_PREPARED_MAX) {
        (void)snprintf(err, err_length, "more than %d prepared statements", PG_PREPARED_MAX);
    } else {
        return check_prepared(options, err, err_length) &&
               pg_conninfo_is_valid(options->conninfo, err, err_length);
    }
    return false;
}
