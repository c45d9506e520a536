/*
 * lookup.c - one lookup: the cluster says which server to read, and when it is done.
 */
#include "lookup.h"

#include "access_log.h"
#include "answer.h"
#include "host-sample/base/container_of.h"
#include "host-sample/base/entropy.h"
#include "host-sample/base/json_string.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/probes.h"
#include "host-sample/base/unix_time.h"
#include "host-sample/http/client_address.h"
#include "host-sample/http/exchange.h"
#include "host-sample/snapshots/read.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ERROR_BYTES 256u

/* Of an answer that was kept, when it is not needed any more. */
#define MAX_SPARE_BYTES 4096u

/* A client that ends its side with its request waits for the answer; later it has left. */
#define LEAVES_AFTER_NS UINT64_C(100000000)

struct lookup {
    TAILQ_ENTRY(lookup) entry; /* while spare, or held */
    struct lookups *lookups;
    uint64_t tag; /* its index in lookups->all */
    struct http_exchange *exchange;
    uint64_t read_id;
    uint64_t action_id; /* of the read under way */
    uint64_t started_ns;
    uint64_t asked_ns; /* when the read under way was handed in */
    uint64_t now_ns;   /* time of the event that is handled */
    uint64_t deadline_ns;
    struct pg_server *links; /* that are read */
    uint32_t server;         /* whose they are, in the cluster */
    bool open;
    bool held;    /* not begun yet */
    bool first;   /* nothing has been read yet */
    bool lean;    /* the read under way asks the lean statement */
    bool watched; /* it is noticed if the client leaves */
    bool alien;   /* the last read: its database can hold no id like that */
    struct pg_statement statement;
    const char *values[3];
    int lengths[3];
    struct lookup_request request;
    struct snapshot_question question;
    struct snapshot_head head;            /* of the answer that has come; its text lies there */
    const struct snapshot_result *result; /* of the answer that is handled; else NULL */
    int lacking;                          /* waitpoints, in the last answer */
    struct byte_buffer kept; /* the last answer, written, if the lookup has gone on after it */
    char client[HTTP_CLIENT_BYTES]; /* for the access log */
    char error[MAX_ERROR_BYTES];    /* of the last failure, "" if none */
};

static void copy_error(struct lookup *lookup, const char *error) {
    (void)snprintf(lookup->error, sizeof lookup->error, "%s", error);
}

/* ---- beginning and ending -------------------------------------------------------------------- */

bool lookups_init(struct lookups *lookups, struct lookup_service *service, struct servers *servers,
                  uint64_t *random) {
    lookups->service = service;
    lookups->servers = servers;
    lookups->random = random;
    lookups->answers.random = random;
    TAILQ_INIT(&lookups->spare);
    TAILQ_INIT(&lookups->held);
    lookups->all = calloc(servers->options.max_reads, sizeof(struct lookup *));
    return lookups->all != NULL;
}

void lookups_configure(struct lookups *lookups, const struct host_config *config) {
    lookups->config = config;
    busy_poll_set_limit(&lookups->poll, config->listen.busy_poll_us * UINT64_C(1000));
}

void lookups_free(struct lookups *lookups) {
    for (uint32_t i = 0; i < lookups->count; i++) {
        byte_buffer_free(&lookups->all[i]->kept);
        free(lookups->all[i]);
    }
    free(lookups->all);
    byte_buffer_free(&lookups->answers.scratch);
}

/* Whether it goes in a group, as current reads do. */
static bool asks_replica(const struct lookup *lookup) {
    return lookup->statement.question != NULL && lookup->question.as_replica;
}

static void submit(struct lookup *lookup) {
    lookup->lookups->reads++;
    lookup->lookups->asking += asks_replica(lookup);
    lookup->asked_ns = lookup->now_ns;
    pg_server_submit(lookup->links, &lookup->statement);
}

static void is_not_read_any_more(struct lookup *lookup) {
    lookup->lookups->reads--;
    lookup->lookups->asking -= asks_replica(lookup);
}

/* The answer, if one is under way, is no longer wanted. */
static void forget_answer(struct lookup *lookup) {
    if (pg_statement_is_submitted(&lookup->statement)) {
        is_not_read_any_more(lookup);
        pg_statement_forget(&lookup->statement);
    }
}

/* The exchange must be answered or gone. */
static void release(struct lookup *lookup) {
    struct lookups *lookups = lookup->lookups;
    forget_answer(lookup);
    byte_buffer_reset(&lookup->kept, MAX_SPARE_BYTES);
    lookup->open = false;
    lookup->action_id = 0;
    counter_subtract_shared(&lookups->service->under_way, 1);
    TAILQ_INSERT_HEAD(&lookups->spare, lookup, entry);
}

static void log_abandoned(const struct lookup *lookup) {
    const struct access access = {
        .what = "snapshots since",
        .run_id = lookup->request.run.text,
        .snapshot_id = lookup->request.snapshot.text,
        .trace = &lookup->request.trace,
        .client = lookup->client,
        .status = ACCESS_CLIENT_LEFT,
        .began_ns = lookup->started_ns,
    };
    access_log_write(lookup->lookups, &access);
}

void lookup_abandon(struct lookup *lookup) {
    log_abandoned(lookup);
    counter_add(&lookup->lookups->counters.gone, 1);
    if (lookup->held) {
        TAILQ_REMOVE(&lookup->lookups->held, lookup, entry);
    } else {
        servers_forget(lookup->lookups->servers, lookup->read_id);
    }
    release(lookup);
}

/* A session in UTF-8 sends nothing else; one that a pooler has left in another encoding may. */
static bool put_answer(struct byte_buffer *out, const struct snapshot_result *result) {
    return snapshot_answer_write(out, result, unix_now_ms()) &&
           json_is_utf8(out->data, out->length);
}

/* Writes the answer of the last read into the thread's scratch buffer. */
static bool write_answer(struct lookup *lookup) {
    struct byte_buffer *body = &lookup->lookups->answers.scratch;
    byte_buffer_reset(body, SIZE_MAX);
    if (lookup->result == NULL) {
        byte_buffer_append(body, lookup->kept.data, lookup->kept.length);
        return lookup->kept.length > 0 && !body->failed;
    }
    return put_answer(body, lookup->result);
}

static void keep_answer(struct lookup *lookup, int32_t outcome) {
    byte_buffer_reset(&lookup->kept, MAX_SPARE_BYTES);
    if ((outcome == RP_FOUND || outcome == RP_PARTIAL) &&
        !put_answer(&lookup->kept, lookup->result)) {
        byte_buffer_reset(&lookup->kept, 0);
    }
}

/* Records how the lookup ended, and releases it. */
static void end_lookup(struct lookup *lookup, const struct rp_action *done, int32_t log_level,
                       const char *message) {
    const struct lookup_end end = {
        .lookup = lookup,
        .request = &lookup->request,
        .verdict = done->verdict,
        .served_by = done->served_by,
        .log_level = log_level,
        .message = message,
        .failed_during = done->failed_during,
        .error = lookup->error,
        .began_ns = lookup->started_ns,
        .took_us = (monotonic_ns() - lookup->started_ns) / 1000,
    };
    lookup_record(lookup->lookups, &end);
    release(lookup);
}

/* Why it failed: what a server said last, else what the cluster or the links know. */
static void explain_failure(struct lookup *lookup, const struct rp_action *done) {
    char why[MAX_ERROR_BYTES / 2];
    if (done->verdict != RP_VERDICT_FAILED || lookup->error[0] != '\0') {
        return;
    }
    servers_last_error(lookup->lookups->servers, why, sizeof why);
    (void)snprintf(lookup->error, sizeof lookup->error, "%.120s%s%s",
                   done->reason != NULL ? done->reason : "",
                   done->reason != NULL && why[0] != '\0' ? "; " : "", why);
}

/* Every hit has these, so they are put together without printf. */
static char *put_header(char *at, char *end, const char *name, const char *value) {
    const char *const parts[] = {name, value, "\r\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const size_t length = strlen(parts[i]);
        if (length >= (size_t)(end - at)) {
            break;
        }
        memcpy(at, parts[i], length + 1);
        at += length;
    }
    return at;
}

/* Where the server that answered was. That a database can hold no such id is an error, which brings
 * no position; and as it was so at any time, where the server was last heard to be will do, unless
 * the caller knows of a later one. */
static uint64_t position_of(const struct lookup *lookup, const struct rp_action *done) {
    const struct servers *servers = lookup->lookups->servers;
    struct rp_server_info info = {.struct_size = sizeof info};
    if (done->position != 0 || !lookup->alien) {
        return done->position;
    }
    (void)servers->calls->server(servers->cluster, lookup->server, &info);
    return info.position >= lookup->request.position ? info.position : 0;
}

/* x-read-served-by and x-read-position, of what a lookup has found out. */
static void put_headers(const struct lookup *lookup, const struct rp_action *done, char *headers,
                        size_t length) {
    const char *served_by = lookup_served_by(done->served_by);
    char position[RP_POSITION_BYTES];
    char *const end = headers + length;
    headers[0] = '\0';
    if (served_by == NULL) {
        return;
    }
    headers = put_header(headers, end, "x-read-served-by: ", served_by);
    const uint64_t at = position_of(lookup, done);
    if (at != 0) {
        lookup->lookups->servers->calls->position_print(at, position);
        (void)put_header(headers, end, "x-read-position: ", position);
    }
}

static void fail_to_write(struct lookup *lookup, const struct rp_action *done) {
    static const char message[] =
        "the answer could not be written: out of memory, too long for any client, not UTF-8, or a "
        "result of unknown shape";
    struct rp_action failed = *done;
    struct answers *answers = &lookup->lookups->answers;
    struct http_exchange *exchange = lookup->exchange;
    failed.verdict = RP_VERDICT_FAILED;
    failed.served_by = RP_SERVED_BY_NONE;
    end_lookup(lookup, &failed, RP_LOG_ERROR, message);
    answer_error(answers, exchange, lookup_status(RP_VERDICT_FAILED), message, NULL);
}

/* The log's message of a found answer that nobody has whole: the primary gave it, or a replica that
 * was asked where it is. Where the caller's position was the reason to ask, replica_only may have
 * given it, and somebody may have more. */
static const char *tell_lacking(const struct lookup *lookup, const struct rp_action *done,
                                char *text, size_t length, int32_t *log_level) {
    const bool may_lag = done->served_by == RP_SERVED_BY_REPLICA && lookup->request.position != 0;
    if (lookup->lacking == 0 || lookup->statement.question == NULL) {
        return done->message;
    }
    if (*log_level == RP_LOG_NONE) {
        *log_level = RP_LOG_WARN;
    }
    (void)snprintf(text, length, "%s; the answer lacks %d completed waitpoint%s%s", done->message,
                   lookup->lacking, lookup->lacking == 1 ? "" : "s",
                   may_lag ? "" : " that nobody has");
    return text;
}

static void answer_found(struct lookup *lookup, const struct rp_action *done) {
    struct answers *answers = &lookup->lookups->answers;
    struct http_exchange *exchange = lookup->exchange;
    int32_t log_level = done->log_level;
    char headers[96];
    char text[192];
    if (!write_answer(lookup)) {
        fail_to_write(lookup, done);
        return;
    }
    const char *message = tell_lacking(lookup, done, text, sizeof text, &log_level);
    put_headers(lookup, done, headers, sizeof headers);
    end_lookup(lookup, done, log_level, message);
    answer_scratch(answers, exchange, lookup_status(done->verdict), "application/json", headers);
}

static void finish(struct lookup *lookup, const struct rp_action *done) {
    struct answers *answers = &lookup->lookups->answers;
    struct http_exchange *exchange = lookup->exchange;
    const char *message = done->message;
    const uint32_t status = lookup_status(done->verdict);
    char headers[96];
    if (done->verdict == RP_VERDICT_FOUND) {
        answer_found(lookup, done);
        return;
    }
    if (done->verdict == RP_VERDICT_FAILED && monotonic_ns() >= lookup->deadline_ns) {
        counter_add(&lookup->lookups->counters.timeouts, 1);
        message = "not answered within lookup_timeout_ms";
    }
    explain_failure(lookup, done);
    put_headers(lookup, done, headers, sizeof headers);
    end_lookup(lookup, done, done->log_level, message);
    if (done->verdict == RP_VERDICT_SHED) {
        answer_shed(answers, exchange, message);
    } else {
        answer_error(answers, exchange, status,
                     done->verdict == RP_VERDICT_NOT_FOUND ? "Snapshot not found" : message,
                     headers);
    }
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Everything after the first read takes long enough for the client to leave. */
static void watch_client(struct lookup *lookup) {
    if (!lookup->watched) {
        lookup->watched = true;
        PROBE_LOOKUP_WAIT(lookup);
        http_exchange_watch_client(lookup->exchange);
    }
}

void lookup_hang_up(struct lookup *lookup) {
    if (monotonic_ns() - lookup->started_ns > LEAVES_AFTER_NS) {
        lookup->watched = true;
        http_exchange_watch_client(lookup->exchange);
    }
}

/* As a replica, lean or full; as a primary one full statement, always: what the policy or an
 * operator counts as one read of the primary. */
static void use_statement(struct lookup *lookup, int32_t target, bool lean) {
    static const int statements[3][2] = {{SNAPSHOT_FULL, SNAPSHOT_FULL_IN_ENVIRONMENT},
                                         {SNAPSHOT_LEAN, SNAPSHOT_LEAN_IN_ENVIRONMENT},
                                         {SNAPSHOT_PRIMARY, SNAPSHOT_PRIMARY_IN_ENVIRONMENT}};
    const bool primary = target == RP_TARGET_PRIMARY;
    const int kind = primary ? 2 : lean ? 1 : 0;
    lookup->statement.prepared = statements[kind][lookup->request.environment.length > 0];
    lookup->lean = lean && !primary;
    lookup->question.as_replica = !primary;
}

static bool is_answer(struct pg_statement *statement, const struct result_rows *rows) {
    struct lookup *lookup = container_of(statement, struct lookup, statement);
    return snapshot_read_head(&lookup->head, rows, &lookup->question);
}

static int32_t outcome_of_failure(struct lookup *lookup, const struct pg_reply *reply) {
    lookup->alien = reply->failure == PG_NO_SUCH_TEXT;
    if (lookup->alien) {
        return RP_MISSING; /* nothing in this database has an id like that */
    }
    copy_error(lookup, reply->error);
    switch (reply->failure) {
    case PG_CONFLICT:
        return RP_CONFLICT;
    case PG_SERVER_GONE:
        return RP_SERVER_GONE;
    case PG_NOT_SENT:
        return RP_NOT_SENT;
    default:
        return RP_FAILED;
    }
}

static void explain_malformed(struct lookup *lookup) {
    const char *fault = lookup->result->fault;
    if (fault == NULL) {
        copy_error(lookup, "the server sent a result of unknown shape");
        return;
    }
    (void)snprintf(
        lookup->error, sizeof lookup->error,
        "%s has a value that no answer can have: of another type, NULL, or a date outside "
        "of the years 1 to 9999",
        fault);
}

static int32_t outcome_of_answer(struct lookup *lookup, enum snapshot_outcome found) {
    switch (found) {
    case SNAPSHOT_FOUND:
        return RP_FOUND;
    case SNAPSHOT_PARTIAL:
        return RP_PARTIAL;
    case SNAPSHOT_MISSING:
        return RP_MISSING;
    case SNAPSHOT_ROLE_CHANGED:
        copy_error(lookup, "asked as a replica, but the server is not in recovery");
        return RP_ROLE_CHANGED;
    case SNAPSHOT_FOREIGN:
        copy_error(lookup,
                   "rows of another run or environment came (does the type or the collation of "
                   "a column of ids, or the database's encoding, call different ones equal?)");
        return RP_FAILED;
    default:
        explain_malformed(lookup);
        return RP_FAILED;
    }
}

static void read_done(struct pg_statement *statement, struct pg_reply *reply) {
    struct lookup *lookup = container_of(statement, struct lookup, statement);
    struct lookups *lookups = lookup->lookups;
    struct snapshot_result result;
    const char *after = NULL;
    int32_t outcome;
    lookup->now_ns = monotonic_ns();
    lookup->lacking = 0;
    is_not_read_any_more(lookup);
    busy_poll_answered(&lookups->poll, lookup->now_ns);
    if (reply->status == PG_REPLY_ROWS) {
        pg_server_took(lookup->links, PG_TOOK_READ, lookup->now_ns - lookup->asked_ns);
        const enum snapshot_outcome found =
            snapshot_read_rows(&result, reply->rows, &lookup->question, &lookup->head);
        if (lookup->lean && found != SNAPSHOT_MISSING) {
            statement_choice_learn(&lookups->choice, found == SNAPSHOT_NEEDS_FULL);
        }
        if (found == SNAPSHOT_NEEDS_FULL) {
            /* The policy sees one read: only the full statement's result counts. */
            use_statement(lookup, RP_TARGET_REPLICA, false);
            submit(lookup);
            return;
        }
        lookup->result = &result;
        lookup->lacking = found == SNAPSHOT_PARTIAL ? result.lacking : 0;
        after = result.head.after;
        outcome = outcome_of_answer(lookup, found);
    } else {
        outcome = outcome_of_failure(lookup, reply);
    }
    servers_answer(lookups->servers, lookup->action_id, outcome, reply->before, after,
                   lookup->now_ns);
    while (lookup->open && servers_step(lookups->servers, lookup->now_ns)) {
    }
    if (lookup->open) {
        keep_answer(lookup, outcome);
    }
    if (lookup->open && outcome != RP_FOUND) { /* else it just has to be located yet */
        watch_client(lookup);
    }
    lookup->result = NULL;
}

static void begin_read(void *context, const struct rp_action *action, struct pg_server *links,
                       uint64_t now_ns) {
    struct lookups *lookups = context;
    struct lookup *lookup = lookups->all[action->tag];
    /* After the first read the full statement is used at once: then there is usually something new
     * to return. */
    const bool lean = lookup->first && statement_choice_is_lean(&lookups->choice);
    lookup->first = false;
    lookup->action_id = action->id;
    lookup->links = links;
    lookup->server = action->server;
    lookup->alien = false;
    lookup->now_ns = now_ns;
    lookup->error[0] = '\0';
    lookup->statement.question = action->text;
    use_statement(lookup, action->target, lean);
    submit(lookup);
}

static void drop_read(void *context, const struct rp_action *action) {
    struct lookups *lookups = context;
    struct lookup *lookup = lookups->all[action->tag];
    if (lookup->open && lookup->action_id == action->id) {
        forget_answer(lookup);
    }
}

static void read_is_over(void *context, const struct rp_action *action) {
    struct lookups *lookups = context;
    finish(lookups->all[action->tag], action);
}

struct servers_user lookups_user(struct lookups *lookups) {
    return (struct servers_user){
        .read = begin_read, .drop = drop_read, .done = read_is_over, .context = lookups};
}

/* ---- start ----------------------------------------------------------------------------------- */

static struct lookup *take_lookup(struct lookups *lookups) {
    struct lookup *lookup = TAILQ_FIRST(&lookups->spare);
    if (lookup != NULL) {
        TAILQ_REMOVE(&lookups->spare, lookup, entry);
        return lookup;
    }
    lookup = calloc(1, sizeof *lookup);
    if (lookup != NULL) {
        lookup->lookups = lookups;
        lookup->tag = lookups->count;
        lookups->all[lookups->count++] = lookup;
        lookup->statement.kind = PG_READ;
        lookup->statement.values = lookup->values;
        lookup->statement.lengths = lookup->lengths;
        lookup->statement.is_answer = is_answer;
        lookup->statement.done = read_done;
    }
    return lookup;
}

static void set_parameters(struct lookup *lookup, const struct lookup_request *request) {
    lookup->request = *request;
    lookup->values[0] = lookup->request.snapshot.text;
    lookup->values[1] = lookup->request.run.text;
    lookup->values[2] = lookup->request.environment.text;
    lookup->lengths[0] = (int)request->snapshot.length;
    lookup->lengths[1] = (int)request->run.length;
    lookup->lengths[2] = (int)request->environment.length;
    lookup->question.snapshot = (struct text){lookup->values[0], request->snapshot.length};
    lookup->question.run = (struct text){lookup->values[1], request->run.length};
    lookup->question.environment = (struct text){
        request->environment.length > 0 ? lookup->values[2] : NULL, request->environment.length};
}

/* One more lookup, if max_lookups allows. */
static bool admit(struct lookups *lookups) {
    struct lookup_service *service = lookups->service;
    uint64_t before = counter_add_shared(&service->under_way, 1);
    if (before < lookups->config->limits.max_lookups) {
        return true;
    }
    counter_subtract_shared(&service->under_way, 1);
    return false;
}

static uint32_t refuse(struct lookups *lookups, struct http_exchange *exchange) {
    counter_add(&lookups->counters.verdicts[RP_VERDICT_NONE], 1);
    answer_shed(&lookups->answers, exchange, "max_lookups lookups are under way");
    return lookup_status(RP_VERDICT_SHED);
}

/* Returns the status that was answered; 0 if none was. */
static uint32_t begin(struct lookup *lookup) {
    struct lookups *lookups = lookup->lookups;
    struct http_exchange *exchange = lookup->exchange;
    const struct rp_request request = {
        .struct_size = sizeof request,
        .now_ns = lookup->now_ns,
        .deadline_ns = lookup->deadline_ns,
        .entropy = entropy_next(lookups->random),
        .position = lookup->request.position,
    };
    if (servers_start(lookups->servers, lookups->service->policy, &request, lookup->tag,
                      &lookup->read_id) != RP_OK) {
        release(lookup);
        return refuse(lookups, exchange);
    }
    PROBE_LOOKUP_BEGIN(lookup, lookup->request.run.text, lookup->request.snapshot.text);
    while (lookup->open && lookup->first && servers_step(lookups->servers, lookup->now_ns)) {
    }
    return 0;
}

/* The rest of its time it has for its answer. */
static uint64_t held_until(const struct lookup *lookup) {
    return lookup->started_ns + (lookup->deadline_ns - lookup->started_ns) / 5 * 4;
}

static void begin_held(struct lookups *lookups, uint64_t until_ns) {
    struct lookup *lookup;
    while ((lookup = TAILQ_FIRST(&lookups->held)) != NULL && held_until(lookup) <= until_ns) {
        TAILQ_REMOVE(&lookups->held, lookup, entry);
        lookup->held = false;
        lookup->now_ns = monotonic_ns();
        (void)begin(lookup);
    }
    if (lookup != NULL) {
        wake_up_set(&lookups->servers->wake_ups, &lookups->held_for_long, held_until(lookup));
    }
}

static void held_for_long(struct wake_up *wake_up) {
    begin_held(container_of(wake_up, struct lookups, held_for_long), monotonic_ns());
}

static void hold(struct lookup *lookup) {
    struct lookups *lookups = lookup->lookups;
    TAILQ_INSERT_TAIL(&lookups->held, lookup, entry);
    lookups->held_for_long.woken = held_for_long;
    begin_held(lookups, 0);
}

void lookups_go(struct lookups *lookups) {
    lookups->going = true;
    wake_up_clear(&lookups->held_for_long);
    begin_held(lookups, UINT64_MAX);
}

uint32_t lookup_start(struct lookups *lookups, struct http_exchange *exchange,
                      const struct lookup_request *request) {
    struct lookup_service *service = lookups->service;
    if (!admit(lookups)) {
        return refuse(lookups, exchange);
    }
    struct lookup *lookup = take_lookup(lookups);
    if (lookup == NULL) {
        counter_subtract_shared(&service->under_way, 1);
        answer_error(&lookups->answers, exchange, 503, "out of memory", NULL);
        return 503;
    }
    set_parameters(lookup, request);
    lookup->exchange = exchange;
    lookup->client[0] = '\0';
    if (lookups->config->log.access == HOST_YES) {
        http_client_print(http_exchange_socket(exchange), lookup->client);
    }
    lookup->started_ns = lookup->now_ns = monotonic_ns();
    lookup->deadline_ns =
        lookup->started_ns + lookups->config->limits.lookup_timeout_ms * UINT64_C(1000000);
    lookup->open = true;
    lookup->first = true;
    lookup->watched = false;
    lookup->error[0] = '\0';
    lookup->held = !lookups->going;
    http_exchange_set_user(exchange, lookup);
    if (lookup->held) {
        hold(lookup);
        return 0;
    }
    return begin(lookup);
}
