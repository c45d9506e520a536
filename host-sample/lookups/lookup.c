/*
 * lookup.c - one lookup: the cluster says which server to read, and when it is done.
 */
#include "lookup.h"

#include "access_log.h"
#include "answer.h"
#include "ending.h"
#include "host-sample/base/container_of.h"
#include "host-sample/base/entropy.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/probes.h"
#include "host-sample/http/exchange.h"
#include "lookup_state.h"
#include "outcome.h"
#include "record.h"

#include <stdlib.h>

/* A client that ends its side with its request waits for the answer; later it has left. */
#define LEAVES_AFTER_NS UINT64_C(100000000)

/* ---- ending ---------------------------------------------------------------------------------- */

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

/* The exchange is gone, or what is left is to answer it. */
static void release(struct lookup *lookup) {
    struct lookups *lookups = lookup->lookups;
    forget_answer(lookup);
    byte_buffer_reset(&lookup->kept, LOOKUP_SPARE_BYTES);
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
    if (lookup->held.held) {
        held_remove(&lookup->lookups->held, &lookup->held);
    } else {
        servers_forget(lookup->lookups->servers, lookup->read_id);
    }
    release(lookup);
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
        outcome = outcome_of_rows(found, &result, lookup->error, sizeof lookup->error);
    } else {
        lookup->alien = reply->failure == PG_NO_SUCH_TEXT;
        outcome = outcome_of_failure(reply, lookup->error, sizeof lookup->error);
    }
    servers_answer(lookups->servers, lookup->action_id, outcome, reply->before, after,
                   lookup->now_ns);
    while (lookup->open && servers_step(lookups->servers, lookup->now_ns)) {
    }
    if (lookup->open) {
        ending_keep_answer(lookup, outcome);
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
    const bool lean = lookup->first && snapshot_question_is_ascii(&lookup->question) &&
                      statement_choice_is_lean(&lookups->choice);
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

static void record_end(struct lookup *lookup, const struct ending *ending,
                       const char *failed_during) {
    const struct lookup_end end = {
        .lookup = lookup,
        .request = &lookup->request,
        .verdict = ending->verdict,
        .served_by = ending->served_by,
        .log_level = ending->log_level,
        .message = ending->message,
        .failed_during = failed_during,
        .error = lookup->error,
        .began_ns = lookup->started_ns,
        .took_us = (monotonic_ns() - lookup->started_ns) / 1000,
    };
    lookup_record(lookup->lookups, &end);
}

/* The answer comes last: whoever has it may ask for the next lookup at once, of any thread, and
 * max_lookups must have room for it. */
static void read_is_over(void *context, const struct rp_action *action) {
    struct lookups *lookups = context;
    struct lookup *lookup = lookups->all[action->tag];
    struct http_exchange *exchange = lookup->exchange;
    struct ending ending;
    ending_decide(&ending, lookup, action);
    record_end(lookup, &ending, action->failed_during);
    release(lookup);
    ending_send(&ending, &lookups->answers, exchange);
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
    lookup_record_refused(lookups->service);
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

static void begin_held(struct held_lookup *held) {
    struct lookup *lookup = container_of(held, struct lookup, held);
    lookup->now_ns = monotonic_ns();
    (void)begin(lookup);
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
    http_exchange_set_user(exchange, lookup);
    if (!lookups->held.going) {
        held_add(&lookups->held, &lookup->held, held_until(lookup));
        return 0;
    }
    return begin(lookup);
}

/* ---- a thread's lookups ---------------------------------------------------------------------- */

bool lookups_init(struct lookups *lookups, struct lookup_service *service, struct servers *servers,
                  uint64_t *random) {
    lookups->service = service;
    lookups->servers = servers;
    lookups->random = random;
    lookups->answers.random = random;
    TAILQ_INIT(&lookups->spare);
    held_init(&lookups->held, &servers->wake_ups, begin_held);
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

void lookups_go(struct lookups *lookups) {
    held_go(&lookups->held);
}
