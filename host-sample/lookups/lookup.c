/*
 * lookup.c - follows the steps of one read.
 */
#include "lookup.h"

#include "answer.h"
#include "host-sample/base/container_of.h"
#include "host-sample/base/entropy.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/probes.h"
#include "host-sample/http/exchange.h"
#include "host-sample/snapshots/read.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Lookups kept for reuse in each thread, of about 1 kB each. */
#define MAX_SPARE 256u

#define MAX_ERROR_BYTES 256u

struct lookup {
    TAILQ_ENTRY(lookup) entry;       /* while spare */
    struct deadline deadline;        /* of the whole lookup */
    struct deadline answer_deadline; /* of the replica asked last */
    struct lookups *lookups;
    struct http_exchange *exchange;
    uint64_t started_ns;
    uint64_t now_ns;            /* time of the event that is reported to the policy */
    const struct rp_step *step; /* under way */
    uint32_t offered;           /* bit i: replica i is one of those offered to the policy */
    struct pg_server *server;   /* asked last */
    bool lean;                  /* the read under way asks the lean statement */
    uint64_t asked_ns;          /* when the replica asked last was asked */
    bool failed_over;           /* a replica failed */
    bool missed;                /* a replica missed */
    bool watched;               /* it is noticed if the client leaves */
    struct rp_read read;
    struct pg_statement statement;
    struct locate locate;
    struct position_wait position_wait;
    struct wake_up timer; /* of a wait, or the end of an await */
    const char *values[3];
    int lengths[3];
    struct lookup_request request;
    struct snapshot_question question;
    char error[MAX_ERROR_BYTES]; /* of the last failure, "" if none */
};

static void follow(struct lookup *lookup, const struct rp_step *step,
                   const struct snapshot_result *read);
static void deadline_is_over(void *context, struct deadline_queue *queue,
                             struct deadline *deadline);

static void copy_error(struct lookup *lookup, const char *error) {
    (void)snprintf(lookup->error, sizeof lookup->error, "%s", error);
}

/* ---- beginning and ending -------------------------------------------------------------------- */

bool lookups_init(struct lookups *lookups, struct lookup_service *service, struct event_base *base,
                  struct pg_server *primary, struct pg_server *const *replicas, uint64_t *random) {
    const uint32_t timeout_ms = service->config->limits.lookup_timeout_ms;
    if (!wake_ups_init(&lookups->wake_ups, base)) {
        return false;
    }
    lookups->service = service;
    lookups->primary = primary;
    lookups->replica_count = service->config->replica_count;
    lookups->random = random;
    lookups->answers.random = random;
    lookups->poll.limit_ns = service->config->listen.busy_poll_us * UINT64_C(1000);
    TAILQ_INIT(&lookups->spare);
    locator_init(&lookups->locator, primary, &lookups->counters.locates);
    for (uint32_t i = 0; i < lookups->replica_count; i++) {
        lookups->replicas[i].server = replicas[i];
        position_watcher_init(&lookups->replicas[i].watcher, &lookups->wake_ups, replicas[i],
                              &lookups->counters.position_polls);
    }
    lookups->deadline_queues[LOOKUP_DEADLINE].length_ms = timeout_ms;
    /* A replica that does not answer may cost three quarters of a lookup's time: the rest is for
     * the primary, where the policy falls back to it. */
    lookups->deadline_queues[ANSWER_DEADLINE].length_ms = timeout_ms - timeout_ms / 4;
    deadlines_init(&lookups->deadlines, base, lookups->deadline_queues, DEADLINE_COUNT,
                   deadline_is_over, lookups);
    return true;
}

void lookups_free(struct lookups *lookups) {
    struct lookup *lookup;
    if (lookups->service == NULL) {
        return;
    }
    for (uint32_t i = 0; i < lookups->replica_count; i++) {
        position_watcher_stop(&lookups->replicas[i].watcher);
    }
    deadlines_free(&lookups->deadlines);
    wake_ups_free(&lookups->wake_ups);
    while ((lookup = TAILQ_FIRST(&lookups->spare)) != NULL) {
        TAILQ_REMOVE(&lookups->spare, lookup, entry);
        free(lookup);
    }
    byte_buffer_free(&lookups->answers.scratch);
}

void lookups_flush(struct lookups *lookups) {
    locator_flush(&lookups->locator);
}

static void submit(struct lookup *lookup, struct pg_server *server) {
    lookup->server = server;
    lookup->lookups->reads++;
    lookup->lookups->poll.asked_ns = lookup->now_ns;
    pg_server_submit(server, &lookup->statement);
}

/* The answer to the statement has arrived. */
static void note_answer(struct lookups *lookups, uint64_t now_ns) {
    if (lookups_have_lone_read(lookups)) {
        enum busy_poll_end end = busy_poll_answered(&lookups->poll, now_ns);
        counter_add(&lookups->counters.busy_polls[end], 1);
    }
    lookups->reads--;
}

/* The answer, if one is under way, is no longer wanted. */
static void forget_answer(struct lookup *lookup) {
    if (pg_statement_is_submitted(&lookup->statement)) {
        lookup->lookups->reads--;
        pg_statement_forget(&lookup->statement);
    }
}

/* Cancels everything that is still asked for and releases the lookup. The exchange must be answered
 * or gone. */
static void release(struct lookup *lookup) {
    struct lookups *lookups = lookup->lookups;
    forget_answer(lookup);
    locator_leave(&lookup->locate);
    position_watcher_leave(&lookup->position_wait);
    wake_up_clear(&lookup->timer);
    deadline_clear(&lookup->deadline);
    deadline_clear(&lookup->answer_deadline);
    counter_subtract_shared(&lookups->service->under_way, 1);
    if (lookups->spare_count < MAX_SPARE) {
        lookups->spare_count++;
        TAILQ_INSERT_HEAD(&lookups->spare, lookup, entry);
    } else {
        free(lookup);
    }
}

void lookup_abandon(struct lookup *lookup) {
    counter_add(&lookup->lookups->counters.gone, 1);
    release(lookup);
}

static int64_t unix_now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Writes the answer of the last read into the thread's scratch buffer. */
static bool write_answer(struct lookup *lookup, const struct snapshot_result *read) {
    struct byte_buffer *body = &lookup->lookups->answers.scratch;
    byte_buffer_reset(body, SIZE_MAX);
    return read != NULL && snapshot_answer_write(body, read, unix_now_ms());
}

/* The current part of the read in the policy's words, see rp_step.failed_during. */
static const char *stage_of(const struct lookup *lookup) {
    bool on_primary =
        lookup->step->kind == RP_STEP_READ && lookup->step->target == RP_TARGET_PRIMARY;
    if (on_primary && (lookup->missed || lookup->failed_over)) {
        return "primary_fallback";
    }
    return lookup->missed ? "replica_retry" : NULL;
}

/* Records how the lookup ended, and releases it. */
static void end_lookup(struct lookup *lookup, int32_t verdict, int32_t served_by, int32_t log_level,
                       const char *message, const char *failed_during) {
    const struct lookup_end end = {
        .lookup = lookup,
        .request = &lookup->request,
        .verdict = verdict,
        .served_by = served_by,
        .log_level = log_level,
        .message = message,
        .failed_during = failed_during,
        .error = lookup->error,
        .took_us = (monotonic_ns() - lookup->started_ns) / 1000,
    };
    lookup_record(lookup->lookups, &end);
    release(lookup);
}

/* Ends the lookup as failed, with one of the host's own messages. */
static void fail(struct lookup *lookup, const char *message) {
    struct lookups *lookups = lookup->lookups;
    struct http_exchange *exchange = lookup->exchange;
    end_lookup(lookup, RP_VERDICT_FAILED, RP_SERVED_BY_NONE, RP_LOG_ERROR, message,
               stage_of(lookup));
    answer_error(&lookups->answers, exchange, lookup_status(RP_VERDICT_FAILED), message, NULL);
}

/* The policy has decided. `read` is the last read's result, if the step followed a read. */
static void finish(struct lookup *lookup, const struct rp_step *step,
                   const struct snapshot_result *read) {
    struct lookups *lookups = lookup->lookups;
    struct http_exchange *exchange = lookup->exchange;
    uint32_t status = lookup_status(step->verdict);
    const char *served_by = lookup_served_by(step->served_by);
    char headers[64] = "";
    if (step->verdict == RP_VERDICT_FOUND && !write_answer(lookup, read)) {
        fail(lookup,
             "the answer could not be written: out of memory, or a result of unknown shape");
        return;
    }
    if (served_by != NULL) {
        (void)snprintf(headers, sizeof headers, "x-read-served-by: %s\r\n", served_by);
    }
    end_lookup(lookup, step->verdict, step->served_by, step->log_level, step->message,
               step->failed_during);
    if (step->verdict == RP_VERDICT_FOUND) {
        answer_scratch(&lookups->answers, exchange, status, "application/json", headers);
    } else if (step->verdict == RP_VERDICT_SHED) {
        answer_shed(&lookups->answers, exchange, step->message);
    } else {
        answer_error(&lookups->answers, exchange, status,
                     step->verdict == RP_VERDICT_NOT_FOUND ? "Snapshot not found" : step->message,
                     headers);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* The policy's answer to what became of the step under way. */
static const struct rp_step *next_step(struct lookup *lookup, int32_t outcome, uint64_t position) {
    lookup->failed_over = lookup->failed_over || outcome == RP_FAILED;
    const struct rp_report report = {.struct_size = sizeof report,
                                     .outcome = outcome,
                                     .now_ns = lookup->now_ns,
                                     .position = position};
    /* A step is the plugin's memory or the read's, never the report's. */
    /* cppcheck-suppress returnDanglingLifetime */
    return lookup->lookups->service->plugin->next(&lookup->read, &report);
}

static void report(struct lookup *lookup, int32_t outcome, uint64_t position,
                   const struct snapshot_result *read) {
    follow(lookup, next_step(lookup, outcome, position), read);
}

/* The replica that the policy knows as number `number`: the number-th of those offered. */
static struct lookup_replica *offered_replica(struct lookup *lookup, uint32_t number) {
    uint32_t offered = lookup->offered;
    for (uint32_t i = 0; i < number; i++) {
        offered &= offered - 1;
    }
    return &lookup->lookups->replicas[__builtin_ctz(offered)];
}

/* What a replica's answer or failure says about its next ones. */
static void note_health(struct lookup *lookup, const struct pg_reply *reply) {
    const struct rp_step *step = lookup->step;
    if (step->target != RP_TARGET_REPLICA) {
        return;
    }
    struct replica_health *health = &offered_replica(lookup, step->replica)->health;
    if (reply->status == PG_REPLY_FAILED && reply->failure != PG_NO_SUCH_TEXT) {
        replica_health_failed(health, replica_failure_of(reply->sqlstate), lookup->now_ns,
                              entropy_next(lookup->lookups->random));
    } else {
        replica_health_answered(health, lookup->now_ns);
    }
}

static int32_t outcome_of(struct lookup *lookup, const struct pg_reply *reply,
                          enum snapshot_outcome found) {
    if (reply->status == PG_REPLY_FAILED && reply->failure != PG_NO_SUCH_TEXT) {
        copy_error(lookup, reply->error);
        return RP_FAILED;
    }
    lookup->missed = lookup->missed || found == SNAPSHOT_PARTIAL || found == SNAPSHOT_MISSING;
    switch (found) {
    case SNAPSHOT_FOUND:
        return RP_FOUND;
    case SNAPSHOT_PARTIAL:
        return RP_PARTIAL;
    case SNAPSHOT_MISSING:
        return RP_MISSING;
    case SNAPSHOT_ROLE_CHANGED:
        copy_error(lookup, "asked as a replica, but the server is not in recovery");
        return RP_FAILED;
    case SNAPSHOT_FOREIGN:
        copy_error(lookup, "the server sent the answer to another question");
        return RP_FAILED;
    default:
        copy_error(lookup, "the server sent a result of unknown shape");
        return RP_FAILED;
    }
}

static void use_statement(struct lookup *lookup, bool lean) {
    static const int statements[2][2] = {{SNAPSHOT_FULL, SNAPSHOT_FULL_IN_ENVIRONMENT},
                                         {SNAPSHOT_LEAN, SNAPSHOT_LEAN_IN_ENVIRONMENT}};
    lookup->statement.prepared = statements[lean][lookup->request.environment.length > 0];
    lookup->lean = lean;
    lookup->question.as_replica = true;
}

/* One statement, always: what the policy or an operator counts as one read of the primary. */
static void use_primary_statement(struct lookup *lookup) {
    lookup->statement.prepared =
        lookup->request.environment.length > 0 ? SNAPSHOT_PRIMARY_IN_ENVIRONMENT : SNAPSHOT_PRIMARY;
    lookup->lean = false;
    lookup->question.as_replica = false;
}

static bool is_answer(const struct pg_statement *statement, const struct result_rows *rows) {
    const struct lookup *lookup = container_of(statement, const struct lookup, statement);
    return snapshot_is_answer(rows, &lookup->question);
}

static void read_done(struct pg_statement *statement, struct pg_reply *reply) {
    struct lookup *lookup = container_of(statement, struct lookup, statement);
    struct snapshot_result read;
    enum snapshot_outcome found = SNAPSHOT_MALFORMED;
    lookup->now_ns = monotonic_ns();
    note_answer(lookup->lookups, lookup->now_ns);
    note_health(lookup, reply);
    if (reply->status == PG_REPLY_ROWS) {
        found = snapshot_read(&read, reply->rows, &lookup->question);
    } else if (reply->failure == PG_NO_SUCH_TEXT) {
        found = SNAPSHOT_MISSING; /* nothing in this database has an id like that */
    }
    if (lookup->lean && reply->status == PG_REPLY_ROWS && found != SNAPSHOT_MISSING) {
        statement_choice_learn(&lookup->lookups->choice, found == SNAPSHOT_NEEDS_FULL);
    }
    /* After the first read the full statement is used at once: then there is usually something new
     * to return, and a read that the primary's budget admitted is one statement there. */
    use_statement(lookup, false);
    if (found == SNAPSHOT_NEEDS_FULL) {
        /* The policy sees one read: only the full statement's result counts. */
        lookup->asked_ns = lookup->now_ns;
        submit(lookup, lookup->server);
        return;
    }
    deadline_clear(&lookup->answer_deadline);
    report(lookup, outcome_of(lookup, reply, found), reply->position,
           reply->status == PG_REPLY_ROWS ? &read : NULL);
}

static void located(struct locate *locate, bool known, uint64_t position) {
    struct lookup *lookup = container_of(locate, struct lookup, locate);
    if (!known) {
        copy_error(lookup, pg_server_last_error(lookup->lookups->primary));
    }
    lookup->now_ns = monotonic_ns();
    report(lookup, known ? RP_LOCATED : RP_FAILED, position, NULL);
}

/* The replica asked last has not answered in time: the policy may know another server. */
static void give_up_answer(struct lookup *lookup) {
    struct lookups *lookups = lookup->lookups;
    struct replica_health *health = &offered_replica(lookup, lookup->step->replica)->health;
    lookup->now_ns = monotonic_ns();
    /* It has answered no read since it was asked, and that is a while ago: it may have been asked
     * for the full statement just after it had answered the lean one. */
    bool silent = health->answered_ns <= lookup->asked_ns &&
                  lookup->now_ns - lookup->asked_ns >=
                      lookups->deadline_queues[ANSWER_DEADLINE].length_ms * UINT64_C(500000);
    replica_health_failed(health, silent ? REPLICA_SILENT : REPLICA_FAILED_ONCE, lookup->now_ns,
                          entropy_next(lookups->random));
    forget_answer(lookup);
    use_statement(lookup, false);
    copy_error(lookup, "the replica did not answer within three quarters of lookup_timeout_ms");
    report(lookup, RP_FAILED, 0, NULL);
}

static void deadline_is_over(void *context, struct deadline_queue *queue,
                             struct deadline *deadline) {
    struct lookups *lookups = context;
    if (queue == &lookups->deadline_queues[ANSWER_DEADLINE]) {
        give_up_answer(container_of(deadline, struct lookup, answer_deadline));
        return;
    }
    struct lookup *lookup = container_of(deadline, struct lookup, deadline);
    counter_add(&lookups->counters.timeouts, 1);
    fail(lookup, "not answered within lookup_timeout_ms");
}

static void position_wait_done(struct position_wait *wait, enum position_wait_end end,
                               uint64_t position) {
    struct lookup *lookup = container_of(wait, struct lookup, position_wait);
    wake_up_clear(&lookup->timer);
    lookup->now_ns = monotonic_ns();
    report(lookup, end == POSITION_REACHED ? RP_REACHED : RP_FAILED, position, NULL);
}

static void time_is_up(struct wake_up *timer) {
    struct lookup *lookup = container_of(timer, struct lookup, timer);
    bool awaiting = lookup->step->kind == RP_STEP_AWAIT;
    position_watcher_leave(&lookup->position_wait);
    lookup->now_ns = monotonic_ns();
    report(lookup, awaiting ? RP_NOT_REACHED : RP_WAITED, 0, NULL);
}

/* False if the read was not started: its replica must not be asked just now. */
static bool start_read(struct lookup *lookup, const struct rp_step *step) {
    struct lookups *lookups = lookup->lookups;
    struct pg_server *server = lookups->primary;
    lookup->statement.kind = PG_READ;
    lookup->error[0] = '\0';
    lookup->asked_ns = lookup->now_ns;
    if (step->target == RP_TARGET_PRIMARY) {
        use_primary_statement(lookup);
    } else {
        struct lookup_replica *replica = offered_replica(lookup, step->replica);
        uint64_t timeout_ns =
            lookups->deadline_queues[ANSWER_DEADLINE].length_ms * UINT64_C(1000000);
        if (!replica_health_may_ask(&replica->health, lookup->asked_ns, timeout_ns)) {
            copy_error(lookup, "the replica is not answering; backing off");
            use_statement(lookup, false);
            return false;
        }
        server = replica->server;
        deadline_set(&lookup->answer_deadline, &lookups->deadline_queues[ANSWER_DEADLINE]);
        if ((step->flags & RP_STEP_WITH_POSITION) != 0) {
            lookup->statement.kind = PG_READ_AT_POSITION;
        }
    }
    submit(lookup, server);
    return true;
}

/* Everything after the first read takes long enough for the client to leave. */
static void watch_client(struct lookup *lookup, const struct rp_step *step) {
    if (!lookup->watched && step->kind != RP_STEP_DONE &&
        (lookup->step != NULL || step->kind != RP_STEP_READ)) {
        lookup->watched = true;
        http_exchange_watch_client(lookup->exchange, true);
    }
}

static void start_await(struct lookup *lookup, const struct rp_step *step) {
    lookup->position_wait.target = step->position;
    wake_up_set(&lookup->lookups->wake_ups, &lookup->timer, step->until_ns);
    position_watcher_join(&offered_replica(lookup, step->replica)->watcher, &lookup->position_wait);
}

/* Does what the step says, and what the next one says if that could not be started. May end the
 * lookup, so nothing of it may be touched afterwards. */
static void follow(struct lookup *lookup, const struct rp_step *step,
                   const struct snapshot_result *read) {
    watch_client(lookup, step);
    lookup->step = step;
    while (step->kind == RP_STEP_READ) {
        if (start_read(lookup, step)) {
            return;
        }
        read = NULL;
        step = next_step(lookup, RP_FAILED, 0);
        lookup->step = step;
    }
    if (step->kind != RP_STEP_DONE) {
        PROBE_LOOKUP_WAIT(lookup, step->kind);
    }
    switch (step->kind) {
    case RP_STEP_WAIT:
        wake_up_set(&lookup->lookups->wake_ups, &lookup->timer, step->until_ns);
        break;
    case RP_STEP_LOCATE:
        locator_join(&lookup->lookups->locator, &lookup->locate);
        break;
    case RP_STEP_AWAIT:
        start_await(lookup, step);
        break;
    case RP_STEP_DONE:
        finish(lookup, step, read);
        break;
    default:
        fail(lookup, "the plugin asked for a step that this host does not know");
        break;
    }
}

/* ---- start ----------------------------------------------------------------------------------- */

/* Replicas with a link up and no back-off; failing that, those with a link up; failing
 * that, all of them: then the read fails there, and is not silently shifted to the primary. One
 * that says it is out of recovery is none. */
static uint32_t offered_replicas(const struct lookups *lookups, uint64_t now_ns) {
    uint32_t count = lookups->replica_count;
    uint32_t up = 0;
    uint32_t left_alone = 0;
    uint32_t promoted = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct lookup_replica *replica = &lookups->replicas[i];
        struct pg_identity identity;
        if (pg_server_identity(replica->server, &identity) && !identity.in_recovery) {
            promoted |= 1u << i;
            continue;
        }
        up |= (uint32_t)pg_server_is_up(replica->server) << i;
        if (replica->health.failures > 0) {
            left_alone |= (uint32_t)replica_health_is_left_alone(&replica->health, now_ns) << i;
        }
    }
    if ((up & ~left_alone) != 0) {
        return up & ~left_alone;
    }
    return up != 0 ? up : ((1u << count) - 1) & ~promoted;
}

static struct lookup *take_lookup(struct lookups *lookups) {
    struct lookup *lookup = TAILQ_FIRST(&lookups->spare);
    if (lookup != NULL) {
        TAILQ_REMOVE(&lookups->spare, lookup, entry);
        lookups->spare_count--;
        return lookup;
    }
    lookup = calloc(1, sizeof *lookup);
    if (lookup != NULL) {
        lookup->lookups = lookups;
        lookup->statement.values = lookup->values;
        lookup->statement.lengths = lookup->lengths;
        lookup->statement.is_answer = is_answer;
        lookup->statement.done = read_done;
        lookup->locate.done = located;
        lookup->position_wait.done = position_wait_done;
        lookup->timer.woken = time_is_up;
    }
    return lookup;
}

static void set_parameters(struct lookup *lookup, const struct lookup_request *request) {
    lookup->request = *request;
    use_statement(lookup, statement_choice_is_lean(&lookup->lookups->choice));
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
static bool admit(struct lookup_service *service) {
    uint64_t before = counter_add_shared(&service->under_way, 1);
    if (before < service->config->limits.max_lookups) {
        return true;
    }
    counter_subtract_shared(&service->under_way, 1);
    return false;
}

uint32_t lookup_start(struct lookups *lookups, struct http_exchange *exchange,
                      const struct lookup_request *request) {
    struct lookup_service *service = lookups->service;
    if (!admit(service)) {
        counter_add(&lookups->counters.verdicts[RP_VERDICT_NONE], 1);
        answer_shed(&lookups->answers, exchange, "max_lookups lookups are under way");
        return lookup_status(RP_VERDICT_SHED);
    }
    struct lookup *lookup = take_lookup(lookups);
    if (lookup == NULL) {
        counter_subtract_shared(&service->under_way, 1);
        answer_error(&lookups->answers, exchange, 503, "out of memory", NULL);
        return 503;
    }
    set_parameters(lookup, request);
    lookup->exchange = exchange;
    lookup->started_ns = lookup->now_ns = monotonic_ns();
    lookup->step = NULL;
    lookup->missed = false;
    lookup->failed_over = false;
    lookup->watched = false;
    lookup->error[0] = '\0';
    lookup->offered = offered_replicas(lookups, lookup->started_ns);
    deadline_set(&lookup->deadline, &lookups->deadline_queues[LOOKUP_DEADLINE]);
    http_exchange_set_user(exchange, lookup);

    struct rp_request read_request = {
        .struct_size = sizeof read_request,
        .replicas = (uint32_t)__builtin_popcount(lookup->offered),
        .now_ns = lookup->started_ns,
        .deadline_ns =
            lookup->started_ns + service->config->limits.lookup_timeout_ms * UINT64_C(1000000),
        .entropy = entropy_next(lookups->random),
        .position = request->position,
    };
    lookup->read.struct_size = sizeof lookup->read;
    PROBE_LOOKUP_BEGIN(lookup, lookup->request.run.text, lookup->request.snapshot.text);
    follow(lookup, service->plugin->begin(service->policy, &read_request, &lookup->read), NULL);
    return 0;
}
