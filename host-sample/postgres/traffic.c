/*
 * traffic.c - see traffic.h.
 */
#include "traffic.h"

#include "group.h"
#include "host-sample/base/monotonic.h"
#include "questions.h"
#include "setup.h"

#include <stdio.h>
#include <string.h>

enum {
    RESENDS_IN_COMPANY = 1, /* of a statement that a neighbour's error has aborted */
    RESENDS_MAX = 10        /* never reached where a sync ends a batch; a limit all the same */
};

/* Cancelled by statement_timeout, the host's or one that a pooler or a role sets, or by an
 * operator. */
static const char QUERY_CANCELED[] = "57014";

/* ---- out ---- */

static bool send_position(struct pg_traffic *traffic) {
    const struct pg_server_options *options = &traffic->shared->options;
    PGconn *conn = traffic->pipeline.conn;
    int sent =
        options->use_prepared
            ? PQsendQueryPrepared(conn, pg_position_name, 0, NULL, NULL, NULL, 1)
            : PQsendQueryParams(conn, pg_position_sql(options->role, options->insert_position), 0,
                                NULL, NULL, NULL, NULL, 1);
    return sent == 1;
}

static bool send_read(struct pg_traffic *traffic, const struct pg_statement *first) {
    const struct pg_server_options *options = &traffic->shared->options;
    const struct pg_prepared *prepared =
        &options->prepared[traffic->variant * options->prepared_count + (size_t)first->prepared];
    PGconn *conn = traffic->pipeline.conn;
    if (first->next_in_group != NULL) {
        return pg_group_send(conn, prepared, options->use_prepared, first,
                             &traffic->shared->scratch);
    }
    int sent = options->use_prepared
                   ? PQsendQueryPrepared(conn, prepared->name, prepared->parameter_count,
                                         first->values, first->lengths, NULL, 1)
                   : PQsendQueryParams(conn, prepared->sql, prepared->parameter_count, NULL,
                                       first->values, first->lengths, NULL, 1);
    return sent == 1;
}

/* From now on the statements belong to the request. */
static void occupy(struct pg_traffic *traffic, struct pg_request *request,
                   struct pg_statement *first) {
    struct pg_tally *tally = &traffic->shared->tally;
    request->statement = first;
    request->position_first = first->kind != PG_READ;
    for (struct pg_statement *one = first; one != NULL; one = one->next_in_group) {
        one->group = &request->statement;
        request->statements++;
    }
    if (request->statements > 1) {
        request->sent_ms = monotonic_ms();
    }
    traffic->statements += request->statements;
    counter_add(&tally->in_flight, request->statements);
    counter_add(&tally->executions, request->queries);
    if (first->resends == 0) {
        counter_add(&tally->statements, request->statements);
        counter_add(&tally->reads, first->kind != PG_POSITION ? request->statements : 0);
    }
}

bool pg_traffic_send(struct pg_traffic *traffic, struct pg_statement *first) {
    /* Errors abort the rest of a batch, and only of a batch: a statement alone between two syncs
     * gets its answer, whatever happens to the others. */
    const bool alone = first->alone;
    bool sent = !alone || !traffic->pipeline.unsynced || pg_traffic_sync(traffic);
    bool reads = first->kind != PG_POSITION;
    bool asks_position = first->kind != PG_READ;
    occupy(traffic,
           pg_pipeline_append(&traffic->pipeline, PG_REQUEST_STATEMENT,
                              (uint8_t)(asks_position + reads)),
           first);
    /* The position first: it qualifies the read only if it was read before the read's snapshot. */
    return sent && (!asks_position || send_position(traffic)) &&
           (!reads || send_read(traffic, first)) && (!alone || pg_traffic_sync(traffic));
}

bool pg_traffic_sync(struct pg_traffic *traffic) {
    counter_add(&traffic->shared->tally.batches, 1);
    return pg_pipeline_sync(&traffic->pipeline);
}

/* ---- in ---- */

bool pg_traffic_is_false_primary(const struct pg_traffic *traffic) {
    return traffic->shared->options.role == PG_PRIMARY &&
           (traffic->in_hot_standby || traffic->identity.in_recovery);
}

/* Positions of another system or another timeline mean nothing here, however great they are. The
 * primary's own links are compared with what the primary last said on any link. */
static bool position_counts(const struct pg_traffic *traffic) {
    return pg_identity_agrees(&traffic->identity, traffic->shared->reference);
}

/* Cancelled after a good part of one statement's time: whatever the reads waited for, a lock
 * perhaps, each of them would wait for it again, one after the other. */
static bool has_had_its_time(const struct pg_traffic *traffic, const struct pg_request *request) {
    const char *sqlstate = PQresultErrorField(request->result, PG_DIAG_SQLSTATE);
    return sqlstate != NULL && strcmp(sqlstate, QUERY_CANCELED) == 0 &&
           monotonic_ms() - request->sent_ms >= traffic->shared->options.statement_timeout_ms / 2;
}

/* A group has failed as a whole, perhaps because of one read, or its rows cannot be trusted: each
 * of its reads is to be asked alone. */
static bool is_groups_failure(const struct pg_traffic *traffic, const struct pg_request *request) {
    if (request->statements < 2) {
        return false;
    }
    return request->failed ? !has_had_its_time(traffic, request)
                           : request->result != NULL &&
                                 !pg_group_is_result(request->result, request->statements);
}

/* A neighbour's error has kept them from being run. */
static bool is_neighbours_failure(const struct pg_request *request) {
    return !request->failed && request->aborted && request->statement->resends < RESENDS_MAX;
}

static struct pg_reply reply_of(const struct pg_traffic *traffic,
                                const struct pg_request *request) {
    struct pg_reply reply = {.status = PG_REPLY_FAILED, .rows.result = request->result};
    if (request->failed) {
        const char *sqlstate = PQresultErrorField(request->result, PG_DIAG_SQLSTATE);
        (void)snprintf(reply.sqlstate, sizeof(reply.sqlstate), "%s",
                       sqlstate != NULL ? sqlstate : "");
    } else if (request->aborted) {
        reply.error = "aborted repeatedly by errors of other statements";
    } else if (pg_traffic_is_false_primary(traffic)) {
        reply.error = PG_FALSE_PRIMARY;
    } else {
        reply.status = PG_REPLY_ROWS;
        reply.rows = result_rows_all(request->result);
        reply.position = position_counts(traffic) ? request->position : 0;
    }
    return reply;
}

/* From now on the statements share the result. */
static void reply_to(struct pg_traffic *traffic, const struct pg_request *request) {
    struct pg_reply reply = reply_of(traffic, request);
    struct pg_statement *next;
    int at = 0;
    if (reply.status == PG_REPLY_ROWS && request->result != NULL) {
        pg_queue_note_size(&traffic->shared->queue, request->statement->prepared,
                           request->statements, PQresultMemorySize(request->result));
    }
    for (struct pg_statement *one = request->statement; one != NULL; one = next) {
        next = one->next_in_group;
        if (reply.status == PG_REPLY_ROWS && request->statements > 1) {
            reply.rows = pg_group_rows(request->result, one->number, &at);
        }
        pg_queue_answer(&traffic->shared->queue, one, &reply);
    }
}

static void send_again(struct pg_traffic *traffic, const struct pg_request *request, bool alone) {
    struct pg_statement *next;
    for (struct pg_statement *one = request->statement; one != NULL; one = next) {
        next = one->next_in_group;
        one->alone = alone || one->resends >= RESENDS_IN_COMPANY;
        pg_queue_send_again(&traffic->shared->queue, one);
    }
    PQclear(request->result);
}

void pg_traffic_answer(struct pg_traffic *traffic, struct pg_request *request) {
    traffic->statements -= request->statements;
    counter_subtract(&traffic->shared->tally.in_flight, request->statements);
    if (request->statement == NULL) {
        PQclear(request->result);
    } else if (is_neighbours_failure(request)) {
        send_again(traffic, request, false);
    } else if (is_groups_failure(traffic, request)) {
        send_again(traffic, request, true);
    } else {
        reply_to(traffic, request);
    }
}

void pg_traffic_fail_all(struct pg_traffic *traffic, const char *error) {
    for (uint32_t place = 0; place < traffic->pipeline.in_flight; place++) {
        struct pg_request *request = pg_pipeline_request(&traffic->pipeline, place);
        struct pg_statement *next;
        for (struct pg_statement *one = request->statement; one != NULL; one = next) {
            const struct pg_reply reply = {.status = PG_REPLY_FAILED, .error = error};
            next = one->next_in_group;
            pg_queue_answer(&traffic->shared->queue, one, &reply);
        }
    }
    counter_subtract(&traffic->shared->tally.in_flight, traffic->statements);
    traffic->statements = 0;
}

void pg_traffic_forget_all(struct pg_traffic *traffic) {
    for (uint32_t place = 0; place < traffic->pipeline.in_flight; place++) {
        struct pg_request *request = pg_pipeline_request(&traffic->pipeline, place);
        while (request->statement != NULL) {
            pg_statement_forget(request->statement);
        }
    }
}
