/*
 * setup.c - see setup.h.
 */
#include "setup.h"

#include "questions.h"
#include "result.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

const char pg_position_name[] = "wal_position";

static bool send_query(struct pg_pipeline *pipeline, enum pg_request_purpose purpose,
                       const char *sql) {
    return pg_pipeline_append(pipeline, purpose, 1) != NULL &&
           PQsendQueryParams(pipeline->conn, sql, 0, NULL, NULL, NULL, NULL, 1) == 1;
}

static bool prepare(struct pg_pipeline *pipeline, const char *name, const char *sql,
                    int parameters) {
    return pg_pipeline_append(pipeline, PG_REQUEST_SETTING, 1) != NULL &&
           PQsendPrepare(pipeline->conn, name, sql, parameters, NULL) == 1;
}

bool pg_setup_refuses(const PGconn *conn, const struct pg_server_options *options, char *why,
                      size_t why_length) {
    const bool refused = PQserverVersion(conn) < options->min_version;
    if (refused) {
        (void)snprintf(why, why_length, "the server is older than PostgreSQL %d",
                       options->min_version / 10000);
    }
    return refused;
}

static bool send_settings(struct pg_pipeline *pipeline, const struct pg_server_options *options) {
    /* READ COMMITTED is not a preference. A replica's answer is qualified by the replay position
     * that an earlier statement of the same batch has read, and the statements of a batch share a
     * transaction: only where each statement takes a snapshot of its own is the read's snapshot
     * later than the position. Under REPEATABLE READ both would use a snapshot taken before the
     * position was read, and "reached and still missing" would prove nothing. */
    static const char isolation[] = "SET default_transaction_isolation = 'read committed'";
    char timed[2][80];
    (void)snprintf(timed[0], sizeof(timed[0]), "SET statement_timeout = %" PRIu32,
                   options->statement_timeout_ms);
    /* No link ever holds a transaction open, and neither must a pooler or a mistake. */
    (void)snprintf(timed[1], sizeof(timed[1]), "SET idle_in_transaction_session_timeout = %" PRIu32,
                   options->statement_timeout_ms);
    bool sent = send_query(pipeline, PG_REQUEST_SETTING, timed[0]) &&
                send_query(pipeline, PG_REQUEST_SETTING, timed[1]) &&
                send_query(pipeline, PG_REQUEST_SETTING, isolation);
    for (size_t i = 0; sent && i < options->setting_count; i++) {
        sent = send_query(pipeline, PG_REQUEST_SETTING, options->settings[i]);
    }
    return sent;
}

static bool send_prepared(struct pg_pipeline *pipeline, const struct pg_server_options *options,
                          size_t variant) {
    bool sent = prepare(pipeline, pg_position_name,
                        pg_position_sql(options->role, options->insert_position), 0);
    for (size_t i = 0; sent && i < options->prepared_count; i++) {
        const struct pg_prepared *prepared =
            &options->prepared[variant * options->prepared_count + i];
        sent = prepare(pipeline, prepared->name, prepared->sql, prepared->parameter_count) &&
               (prepared->group_sql == NULL ||
                prepare(pipeline, prepared->group_name, prepared->group_sql,
                        prepared->parameter_count));
    }
    return sent && pg_pipeline_sync(pipeline);
}

bool pg_setup_send(struct pg_pipeline *pipeline, const struct pg_server_options *options) {
    return send_settings(pipeline, options) && pg_pipeline_sync(pipeline) &&
           (options->variant_sql == NULL ||
            (send_query(pipeline, PG_REQUEST_VARIANT, options->variant_sql) &&
             pg_pipeline_sync(pipeline)));
}

bool pg_setup_take_variant(const struct pg_request *request,
                           const struct pg_server_options *options, size_t *variant) {
    uint64_t value;
    if (request->failed || !pg_single_value(request->result, &value) ||
        value >= options->variant_count) {
        return false;
    }
    *variant = value;
    return true;
}

bool pg_setup_finish(struct pg_pipeline *pipeline, const struct pg_server_options *options,
                     size_t variant) {
    return (!options->use_prepared || send_prepared(pipeline, options, variant)) &&
           pg_identity_ask(pipeline);
}

bool pg_identity_ask(struct pg_pipeline *pipeline) {
    return send_query(pipeline, PG_REQUEST_RECOVERY, pg_recovery_sql) &&
           pg_pipeline_sync(pipeline) && send_query(pipeline, PG_REQUEST_SYSTEM, pg_system_sql) &&
           pg_pipeline_sync(pipeline) &&
           send_query(pipeline, PG_REQUEST_TIMELINE, pg_timeline_sql) && pg_pipeline_sync(pipeline);
}

void pg_identity_take(struct pg_identity *identity, const struct pg_request *request) {
    uint64_t value;
    if (request->failed || !pg_single_value(request->result, &value)) {
        return;
    }
    if (request->purpose == PG_REQUEST_RECOVERY) {
        identity->in_recovery = value != 0;
        identity->known = true;
    } else if (request->purpose == PG_REQUEST_SYSTEM) {
        identity->system_identifier = value;
    } else if (request->purpose == PG_REQUEST_TIMELINE) {
        identity->timeline = (uint32_t)value;
    }
}
