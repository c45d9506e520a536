/*
 * traffic.c - see traffic.h.
 */
#include "traffic.h"

#include "failure.h"
#include "group.h"
#include "host-sample/base/monotonic.h"
#include "result.h"
#include "setup.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RESENDS_IN_COMPANY = 1, /* of a statement that a neighbour's error has aborted */
    RESENDS_MAX = 10,       /* never reached where a sync ends a batch; a limit all the same */
    DOUBTED_MS = 1000,      /* between two sessions that are given up for a doubt */
    BEFORE_BYTES = 512      /* an answer to a question, its NUL included; longer is a failure */
};

/* ---- out ---- */

enum { NOT_PREPARED = -1 };

/* The number of a question that links may prepare. */
static int number_of(struct pg_shared *shared, const char *question) {
    uint32_t number = 0;
    while (number < PG_QUESTIONS_MAX && number < shared->question_count &&
           shared->questions[number].text != question) {
        number++;
    }
    if (number == PG_QUESTIONS_MAX || !shared->options.use_prepared) {
        return NOT_PREPARED;
    }
    if (number == shared->question_count) {
        struct pg_question *added = &shared->questions[shared->question_count++];
        added->text = question;
        pg_prepared_name(added->name, "question", question);
    }
    return (int)number;
}

static bool is_prepared(const struct pg_traffic *traffic, int number) {
    return (traffic->prepared_questions >> number & 1) != 0;
}

/* The question, its answer in text; and before it, if need be, its PREPARE. */
static bool send_question(struct pg_traffic *traffic, const char *question, int number) {
    PGconn *conn = traffic->pipeline.conn;
    if (number == NOT_PREPARED) {
        return PQsendQueryParams(conn, question, 0, NULL, NULL, NULL, NULL, 0) == 1;
    }
    const char *name = traffic->shared->questions[number].name;
    if (!is_prepared(traffic, number)) {
        if (PQsendPrepare(conn, name, question, 0, NULL) != 1) {
            return false;
        }
        traffic->prepared_questions |= UINT32_C(1) << number;
    }
    return PQsendQueryPrepared(conn, name, 0, NULL, NULL, NULL, 0) == 1;
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

static bool reads(const struct pg_statement *statement) {
    return statement->kind == PG_READ;
}

/* From now on the statements belong to the request. */
static void occupy(struct pg_traffic *traffic, struct pg_request *request,
                   struct pg_statement *first) {
    struct pg_tally *tally = &traffic->shared->tally;
    request->statement = first;
    request->asks = first->question != NULL;
    request->reads = reads(first);
    for (struct pg_statement *one = first; one != NULL; one = one->next_in_group) {
        one->group = &request->statement;
        request->statements++;
    }
    if (request->statements > 1) {
        request->sent_ms = monotonic_ms();
    }
    traffic->statements += request->statements;
    counter_add(&tally->in_flight, request->statements);
    counter_add(&tally->executions, (uint64_t)request->asks + request->reads);
    if (first->resends == 0) {
        counter_add(&tally->statements, request->statements);
        counter_add(&tally->reads, request->reads ? request->statements : 0);
    }
}

bool pg_traffic_send(struct pg_traffic *traffic, struct pg_statement *first) {
    /* Errors abort the rest of a batch, and only of a batch: a statement alone between two syncs
     * gets its answer, whatever happens to the others. */
    const bool alone = first->alone;
    const bool has_question = first->question != NULL;
    const int number = has_question ? number_of(traffic->shared, first->question) : NOT_PREPARED;
    const bool prepares = number != NOT_PREPARED && !is_prepared(traffic, number);
    bool sent = !alone || !traffic->pipeline.unsynced || pg_traffic_sync(traffic);
    struct pg_request *request =
        pg_pipeline_append(&traffic->pipeline, PG_REQUEST_STATEMENT,
                           (uint8_t)(prepares + has_question + reads(first)));
    request->preparing = (int8_t)(prepares ? number : NOT_PREPARED);
    occupy(traffic, request, first);
    /* The question first: it qualifies the read only if it was answered before the read's snapshot.
     */
    return sent && (!has_question || send_question(traffic, first->question, number)) &&
           (!reads(first) || send_read(traffic, first)) && (!alone || pg_traffic_sync(traffic));
}

bool pg_traffic_sync(struct pg_traffic *traffic) {
    counter_add(&traffic->shared->tally.batches, 1);
    return pg_pipeline_sync(&traffic->pipeline);
}

/* ---- in ---- */

/* Cancelled after a good part of one statement's time: whatever the reads waited for, a lock
 * perhaps, each of them would wait for it again, one after the other. */
static bool has_had_its_time(const struct pg_traffic *traffic, const struct pg_request *request) {
    return pg_error_is_cancellation(request->result) &&
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

/* One row of one column, in text, and not too long. */
static bool is_answer_to_question(const PGresult *result) {
    return PQntuples(result) == 1 && PQnfields(result) == 1 && PQfformat(result, 0) == 0 &&
           PQgetlength(result, 0, 0) < BEFORE_BYTES;
}

static struct result_rows rows_of(const struct pg_request *request,
                                  const struct pg_statement *statement, int *at) {
    return request->statements > 1 ? pg_group_rows(request->result, statement->number, at)
                                   : result_rows_all(request->result);
}

/* As many as the server says at the end, if it does: none was lost or doubled on the way. */
static bool has_all_its_rows(PGresult *result) {
    const char *told = PQcmdTuples(result);
    return told[0] == '\0' || strtol(told, NULL, 10) == PQntuples(result);
}

/* Gives each read its rows. Whether what came is the answer to what was asked: a link whose answers
 * are shifted, by an error that a pooler put in, gives those of the neighbours. */
static bool take_answer(const struct pg_request *request) {
    int at = 0;
    if ((request->asks && !is_answer_to_question(request->before)) ||
        (request->reads && !has_all_its_rows(request->result))) {
        return false;
    }
    for (struct pg_statement *one = request->statement; request->reads && one != NULL;
         one = one->next_in_group) {
        one->reply.rows = rows_of(request, one, &at);
        if (one->is_answer != NULL && !one->is_answer(one, &one->reply.rows)) {
            return false;
        }
    }
    return true;
}

/* Once a link's session was doubted, those that take its place are left alone for a second: where
 * no session can do it, or only for one row that is broken, a read costs no session. */
static bool may_be_outdated(const struct pg_traffic *traffic, const struct pg_request *request) {
    return request->read_failed &&
           (!traffic->doubted || monotonic_ms() - traffic->since_ms >= DOUBTED_MS) &&
           (traffic->shared->options.use_prepared ? pg_error_doubts_session(request->result)
                                                  : pg_error_doubts_bare_session(request->result));
}

/* Whether the answer says that the link is not to be used any more. */
static bool voids_link(struct pg_traffic *traffic, const struct pg_request *request) {
    if (!pg_setup_speaks_utf8(traffic->pipeline.conn)) {
        (void)snprintf(traffic->why_void, sizeof(traffic->why_void),
                       "the session has another client_encoding by now than UTF8");
        return true;
    }
    if (request->failed) {
        if (!pg_error_voids_session(request->result) && !may_be_outdated(traffic, request)) {
            return false;
        }
        pg_error_explain(request->result, traffic->why_void, sizeof(traffic->why_void));
        return true;
    }
    if (request->aborted || take_answer(request)) {
        return false;
    }
    (void)snprintf(traffic->why_void, sizeof(traffic->why_void),
                   "the answer to another question came, or not all of it");
    return true;
}

static struct pg_reply failed_reply(const struct pg_traffic *traffic,
                                    const struct pg_request *request) {
    const char *encoding = PQparameterStatus(traffic->pipeline.conn, "server_encoding");
    struct pg_reply reply = {.status = PG_REPLY_FAILED,
                             .failure = pg_failure_of(request->result, encoding),
                             .rows.result = request->result};
    (void)snprintf(reply.sqlstate, sizeof(reply.sqlstate), "%s",
                   pg_error_sqlstate(request->result));
    return reply;
}

static struct pg_reply reply_of(const struct pg_traffic *traffic,
                                const struct pg_request *request) {
    struct pg_reply reply = {.status = PG_REPLY_FAILED, .rows.result = request->result};
    if (request->failed) {
        reply = failed_reply(traffic, request);
    } else if (request->aborted) {
        reply.error = "aborted repeatedly by errors of other statements";
    } else if (traffic->why_void[0] != '\0') {
        reply.error = traffic->why_void;
    } else {
        reply.status = PG_REPLY_ROWS;
    }
    reply.question = request->before;
    if (request->asks && request->before != NULL && is_answer_to_question(request->before) &&
        !PQgetisnull(request->before, 0, 0)) {
        reply.before = PQgetvalue(request->before, 0, 0);
    }
    return reply;
}

/* From now on the statements share the results. */
static void reply_to(struct pg_traffic *traffic, const struct pg_request *request) {
    struct pg_reply reply = reply_of(traffic, request);
    struct pg_statement *next;
    if (reply.status == PG_REPLY_ROWS && request->reads) {
        pg_queue_note_size(&traffic->shared->queue, request->statement->prepared,
                           request->statements, PQresultMemorySize(request->result));
    }
    for (struct pg_statement *one = request->statement; one != NULL; one = next) {
        next = one->next_in_group;
        if (reply.status == PG_REPLY_ROWS && request->reads) {
            reply.rows = one->reply.rows;
        }
        pg_queue_answer(&traffic->shared->queue, one, &reply);
    }
}

static void drop_results(struct pg_request *request) {
    PQclear(request->result);
    PQclear(request->before);
    request->result = request->before = NULL;
}

static void send_again(struct pg_traffic *traffic, struct pg_request *request, bool alone) {
    struct pg_statement *next;
    for (struct pg_statement *one = request->statement; one != NULL; one = next) {
        next = one->next_in_group;
        one->alone = alone || one->resends >= RESENDS_IN_COMPANY;
        pg_queue_send_again(&traffic->shared->queue, one);
    }
    drop_results(request);
}

/* Every link of the server may be in the same state, and after them a new one once. */
static bool may_try_another_link(const struct pg_traffic *traffic,
                                 const struct pg_request *request) {
    uint32_t most = 0;
    for (struct pg_statement *one = request->statement; one != NULL; one = one->next_in_group) {
        one->renewals++;
        most = one->renewals > most ? one->renewals : most;
    }
    return most <= traffic->shared->options.links + 1;
}

bool pg_traffic_answer(struct pg_traffic *traffic, struct pg_request *request) {
    bool is_void = false;
    traffic->statements -= request->statements;
    counter_subtract(&traffic->shared->tally.in_flight, request->statements);
    if (request->preparing >= 0) {
        traffic->prepared_questions &= ~(UINT32_C(1) << request->preparing);
    }
    if (request->statement == NULL) {
        drop_results(request);
    } else if (is_neighbours_failure(request)) {
        send_again(traffic, request, false);
    } else if (is_groups_failure(traffic, request) &&
               !(request->failed && voids_link(traffic, request))) {
        send_again(traffic, request, true);
    } else {
        is_void = voids_link(traffic, request);
        traffic->doubted = traffic->doubted ||
                           (is_void && request->failed && pg_error_doubts_session(request->result));
        if (is_void && may_try_another_link(traffic, request)) {
            send_again(traffic, request, false);
        } else {
            reply_to(traffic, request);
        }
    }
    return !is_void;
}

static void empty(struct pg_traffic *traffic) {
    counter_subtract(&traffic->shared->tally.in_flight, traffic->statements);
    traffic->statements = 0;
}

/* A standby that has to replay what a statement stands in the way of cancels that; or, if it comes
 * to look between two messages of a batch, ends the connection. A question is not asked again. */
static enum pg_failure failure_of_loss(const struct pg_traffic *traffic,
                                       const struct pg_statement *statement) {
    return traffic->pipeline.conflicted && reads(statement) ? PG_CONFLICT : PG_SERVER_GONE;
}

void pg_traffic_fail_all(struct pg_traffic *traffic, const char *error) {
    for (uint32_t place = 0; place < traffic->pipeline.in_flight; place++) {
        struct pg_request *request = pg_pipeline_request(&traffic->pipeline, place);
        struct pg_statement *next;
        for (struct pg_statement *one = request->statement; one != NULL; one = next) {
            const struct pg_reply reply = {.status = PG_REPLY_FAILED,
                                           .failure = failure_of_loss(traffic, one),
                                           .error = error};
            next = one->next_in_group;
            pg_queue_answer(&traffic->shared->queue, one, &reply);
        }
    }
    empty(traffic);
}

void pg_traffic_send_all_again(struct pg_traffic *traffic) {
    for (uint32_t place = 0; place < traffic->pipeline.in_flight; place++) {
        struct pg_request *request = pg_pipeline_request(&traffic->pipeline, place);
        send_again(traffic, request, false);
        request->statement = NULL;
    }
    empty(traffic);
}

void pg_traffic_forget_all(struct pg_traffic *traffic) {
    for (uint32_t place = 0; place < traffic->pipeline.in_flight; place++) {
        struct pg_request *request = pg_pipeline_request(&traffic->pipeline, place);
        while (request->statement != NULL) {
            pg_statement_forget(request->statement);
        }
    }
}
