/*
 * setup.c - see setup.h.
 */
#include "setup.h"

#include "result.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

bool pg_setup_speaks_utf8(const PGconn *conn) {
    const char *encoding = PQparameterStatus(conn, "client_encoding");
    return encoding == NULL || strcmp(encoding, "UTF8") == 0;
}

bool pg_setup_refuses(const PGconn *conn, const struct pg_server_options *options, char *why,
                      size_t why_length) {
    if (PQserverVersion(conn) < options->min_version) {
        (void)snprintf(why, why_length, "the server is older than PostgreSQL %d",
                       options->min_version / 10000);
        return true;
    }
    if (!pg_setup_speaks_utf8(conn)) {
        (void)snprintf(why, why_length, "the session's client_encoding is %.20s, not UTF8",
                       PQparameterStatus(conn, "client_encoding"));
        return true;
    }
    return false;
}

static bool send_settings(struct pg_pipeline *pipeline, const struct pg_server_options *options) {
    /* READ COMMITTED is not a preference. A replica's answer is qualified by the question that an
     * earlier statement of the same batch has answered, and the statements of a batch share a
     * transaction: only where each statement takes a snapshot of its own is the read's snapshot
     * later than what the question saw. Under REPEATABLE READ both would use a snapshot taken
     * before the replay position was read, and "reached and still missing" would prove nothing. */
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

/* A balancer that sends each statement to another server would have a read qualified by what some
 * other server said. Where it shows it is refused: by a transaction whose statements meet several
 * servers, or where there are no transactions. How a balancer chooses may depend on the functions
 * that a statement calls, as Pgpool's choice does, so there are two forms of the question. The
 * transaction ends in a batch of its own: an error would keep its end from being run. */
static bool send_who(struct pg_pipeline *pipeline) {
    enum { TIMES = 8 }; /* two servers at random are taken for one once in 32768 times */
    static const char plain[] = "SELECT pg_catalog.pg_postmaster_start_time()";
    static const char as_reads_do[] = "SELECT pg_catalog.pg_postmaster_start_time()"
                                      " WHERE pg_catalog.pg_is_in_recovery() IS NOT NULL";
    bool sent = send_query(pipeline, PG_REQUEST_SETTING, "BEGIN") && pg_pipeline_sync(pipeline);
    for (int i = 0; sent && i < TIMES; i++) {
        sent = send_query(pipeline, PG_REQUEST_WHO, plain) &&
               send_query(pipeline, PG_REQUEST_WHO, as_reads_do);
    }
    return sent && pg_pipeline_sync(pipeline) &&
           send_query(pipeline, PG_REQUEST_SETTING, "COMMIT") && pg_pipeline_sync(pipeline);
}

const char pg_setup_several_servers[] =
    "the statements of one transaction meet several servers: a balancer by statement, such as "
    "Pgpool's, is not supported";

/* Whoever cannot tell who it is proves nothing, and is refused nothing. */
bool pg_setup_is_same_server(const struct pg_request *request, uint64_t *instance) {
    uint64_t value;
    if (request->failed || request->aborted || !pg_single_value(request->result, &value)) {
        return true;
    }
    const bool same = *instance == 0 || *instance == value;
    *instance = value;
    return same;
}

bool pg_setup_send(struct pg_pipeline *pipeline, const struct pg_server_options *options) {
    return send_settings(pipeline, options) && pg_pipeline_sync(pipeline) && send_who(pipeline) &&
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
    *variant = (size_t)value;
    return true;
}

bool pg_setup_finish(struct pg_pipeline *pipeline, const struct pg_server_options *options,
                     size_t variant) {
    bool sent = true;
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
