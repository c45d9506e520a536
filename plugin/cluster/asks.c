/*
 * asks.c - see asks.h.
 */
#include "asks.h"

#include "awaits.h"
#include "gather.h"
#include "polls.h"
#include "proofs.h"
#include "reports.h"
#include "roles.h"
#include "said.h"
#include "standing.h"
#include "strict.h"

#define MS UINT64_C(1000000)

/* What was heard may have a server asked at once, but no more often than this between two polls by
 * its timer: a name that leads to another server each time is never done with being asked. */
#define MAX_PROMPTS 8u

/* A question that is not answered in this time is dropped. */
#define ASK_LIMIT_NS (1000 * MS)

/* Rights that are granted later are noticed after this many polls. */
#define POLLS_PER_PROBE 60u

/* After this many polls in a row that fail as statements, the server counts as unable to tell
 * anything about itself. Some let the probe pass: they have the functions, which all fail. */
#define BLIND_POLLS 3u

/* After this many in a row to which nothing came, a minute or more, the connection counts as lost.
 * A host whose new connections to a dead machine take longer to fail than a question may never has
 * an answer that says so. */
#define SILENT_POLLS 60u

/* Beside the outcomes of answers: none came. */
#define TIMED_OUT (-1)

void asks_begin(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    server->poll.kind = TIMER_POLL;
    server->watch.kind = TIMER_WATCH;
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        server->asks[kind].kind = (uint8_t)kind;
        server->asks[kind].server = index;
        server->asks[kind].limit.kind = TIMER_ASK;
    }
    polls_prompt(cluster, index);
}

static void fail_list(struct rp_cluster *cluster, struct read_list *list, const char *reason) {
    struct read *read;
    while ((read = TAILQ_FIRST(list)) != NULL) {
        read_report(cluster, read, RP_FAILED, reason);
    }
}

void asks_locate(struct rp_cluster *cluster, struct read *read) {
    read->located_listed = false;
    read_enlist(cluster, read, READ_LOCATING);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void prepare_locate(struct rp_cluster *cluster) {
    if (TAILQ_EMPTY(&cluster->locating)) {
        return;
    }
    if (cluster->primary == NO_SERVER) {
        fail_list(cluster, &cluster->locating, standing_why_no_primary(cluster));
        return;
    }
    struct server *primary = &cluster->servers[cluster->primary];
    if (primary->blind || (primary->probed && question_short(&primary->can) == NULL)) {
        fail_list(cluster, &cluster->locating, "the primary does not tell its position");
    } else if (primary->asks[ASK_LOCATE].state == ASK_IDLE && TAILQ_EMPTY(&cluster->located) &&
               !gather_goes_on(cluster)) {
        ask_enqueue(cluster, primary, ASK_LOCATE);
    }
}

void asks_prepare(struct rp_cluster *cluster) {
    while (cluster->judge_again != 0) {
        uint32_t index = (uint32_t)__builtin_ctzll(cluster->judge_again);
        struct server *server = &cluster->servers[index];
        cluster->judge_again &= cluster->judge_again - 1;
        if (server->state != RP_SERVER_OFF && server->prompts < MAX_PROMPTS) {
            server->prompts++;
            polls_prompt(cluster, index);
        }
    }
    prepare_locate(cluster);
}

/* The question of that kind in the form that this server can answer; the probe first. */
static const char *text_of(struct server *server, struct ask *ask) {
    const char *text = NULL;
    ask->probes = false;
    if (ask->kind == ASK_WAIT) {
        return awaits_wait_text(server);
    }
    if (server->probed) {
        text = ask->kind == ASK_POLL ? question_full(&server->can) : question_short(&server->can);
    }
    if (ask->kind == ASK_POLL && (text == NULL || server->polls_since_probe >= POLLS_PER_PROBE)) {
        ask->probes = true;
        text = question_probe;
    }
    return text;
}

static void count_ask(struct rp_cluster *cluster, enum ask_kind kind) {
    uint64_t *const counters[ASK_KINDS] = {[ASK_POLL] = &cluster->counters.polls,
                                           [ASK_LOCATE] = &cluster->counters.locates,
                                           [ASK_WATCH] = &cluster->counters.watches,
                                           [ASK_WAIT] = &cluster->counters.waits};
    ++*counters[kind];
}

/* All reads that wait for a locate share the one that goes now. One that was asked of another
 * server before, in vain, may be with its replica already. */
static void share_locate(struct rp_cluster *cluster, uint32_t server) {
    struct read *read;
    gather_ends(cluster);
    cluster->located_by = server;
    while ((read = TAILQ_FIRST(&cluster->locating)) != NULL) {
        TAILQ_REMOVE(&cluster->locating, read, entry);
        read->located_listed = true;
        TAILQ_INSERT_TAIL(&cluster->located, read, entry);
        if ((cluster->flags & RP_CLUSTER_KEEPS_ANSWERS) != 0 && read->beside == BESIDE_NONE) {
            read->beside = BESIDE_TO_SEND;
            TAILQ_INSERT_TAIL(&cluster->beside, read, beside_entry);
        }
    }
}

static void send(struct rp_cluster *cluster, struct ask *ask, const char *text,
                 struct rp_action *action) {
    const bool blocks = ask->kind == ASK_WAIT;
    cluster->asks_wait_ns = UINT64_MAX;
    ask->state = ASK_OUT;
    ask->again = false;
    ask->generation++;
    ask->sent_event = cluster_event(cluster);
    ask->sent_ns = cluster->now_ns;
    heap_move(&cluster->timers, &ask->limit,
              cluster->now_ns + ASK_LIMIT_NS + (blocks ? AWAITS_WAIT_MS * MS : 0));
    if (ask->kind == ASK_LOCATE) {
        share_locate(cluster, ask->server);
    }
    count_ask(cluster, ask->kind);
    action_begin(action, RP_ACTION_ASK);
    action->id = id_of(ID_ASK, ask->server * ASK_KINDS + ask->kind, ask->generation);
    action->server = ask->server;
    action->flags = blocks ? RP_ACTION_BLOCKS : 0;
    action->text = text;
    action->limit_ns = ask->limit.key;
}

/* Another one may have come to lead since it was to be asked, and nobody may wait for it any more.
 */
static bool is_wanted(const struct rp_cluster *cluster, const struct ask *ask) {
    return ask->kind != ASK_LOCATE ||
           (ask->server == cluster->primary && !TAILQ_EMPTY(&cluster->locating));
}

/* Its probe has not been answered, or told that it may not be asked: reads that wait for its
 * position do so in vain. A poll can always be asked, and a wait only saves watches. */
static void cannot_ask(struct rp_cluster *cluster, struct server *server, uint32_t kind) {
    if (kind == ASK_WATCH) {
        awaits_fail(cluster, server, "the replica does not tell its position");
    } else if (kind == ASK_LOCATE) {
        fail_list(cluster, &cluster->locating, "the primary does not tell its position");
    }
}

bool asks_next(struct rp_cluster *cluster, struct rp_action *action) {
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        while (cluster->ask_queue[kind] != 0) {
            uint32_t index = (uint32_t)__builtin_ctzll(cluster->ask_queue[kind]);
            struct server *server = &cluster->servers[index];
            struct ask *ask = &server->asks[kind];
            cluster->ask_queue[kind] &= cluster->ask_queue[kind] - 1;
            ask->state = ASK_IDLE;
            if (!is_wanted(cluster, ask)) {
                continue;
            }
            const char *text = text_of(server, ask);
            if (text != NULL) {
                send(cluster, ask, text, action);
                return true;
            }
            cannot_ask(cluster, server, kind);
        }
    }
    return false;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* It was asked of that server in vain. Where another one is the primary by now, or the same one has
 * another name, and answers, that is asked. */
static void not_located(struct rp_cluster *cluster, uint32_t index, const char *reason) {
    struct read *read;
    if (!cluster->primary_answers || cluster->primary == index) {
        fail_list(cluster, &cluster->located, reason);
        return;
    }
    while ((read = TAILQ_FIRST(&cluster->located)) != NULL) {
        TAILQ_REMOVE(&cluster->located, read, entry);
        asks_locate(cluster, read);
    }
}

static void located(struct rp_cluster *cluster, uint32_t index, const struct facts *facts) {
    struct read *read;
    if (facts->in_recovery || facts->position == 0) {
        not_located(cluster, index,
                    facts->in_recovery ? "the server that was asked as the primary is in recovery"
                                       : "the primary does not tell its position");
        return;
    }
    uint64_t inserted = reachable_position(cluster, index, facts->position);
    uint64_t flushed = facts->flushed < inserted ? facts->flushed : inserted;
    while ((read = TAILQ_FIRST(&cluster->located)) != NULL) {
        read_report(cluster, read, RP_LOCATED, NULL);
        read->reported_position = inserted;
        read->reported_flushed = flushed;
        read->located_instance = facts->instance;
        read->located_timeline = facts->upper;
    }
}

/* It failed as a statement: cancelled, or no longer allowed, or the server is not PostgreSQL. */
static void question_failed(struct rp_cluster *cluster, struct ask *ask) {
    struct server *server = &cluster->servers[ask->server];
    server->polls_since_probe = POLLS_PER_PROBE;
    server->failed_polls += ask->kind == ASK_POLL;
    if (server->failed_polls < BLIND_POLLS) {
        roles_refused(cluster, ask->server);
        return;
    }
    if (!server->blind) {
        notices_add(&cluster->notices, RP_LOG_WARN, ask->server,
                    "%s cannot be asked about itself, since the questions fail: it proves nothing, "
                    "and is read only where expect says what it is%s",
                    server->name,
                    leads(server) ? "; it led, so beside another primary no miss counts until it "
                                    "tells what it is"
                                  : "");
    }
    server->probed = false;
    roles_blind(cluster, ask->server);
}

/* Another server may have been asked since, as the primary: then those who waited for this one have
 * all gone, and those who wait now may have begun after it was asked. */
static bool is_waited_for(const struct rp_cluster *cluster, const struct ask *ask) {
    return ask->kind == ASK_LOCATE && ask->server == cluster->located_by;
}

/* Whether nothing has come from it for long. Not by the time: while the host was suspended, nobody
 * was asked. */
static bool is_dead(struct health *health, const struct ask *ask, bool silent) {
    if (!silent) {
        health->silent_polls = 0;
    } else if (ask->kind == ASK_POLL && health->silent_polls < SILENT_POLLS) {
        health->silent_polls++;
    }
    return health->silent_polls == SILENT_POLLS;
}

static void ask_failed(struct rp_cluster *cluster, struct ask *ask, int32_t outcome) {
    struct server *server = &cluster->servers[ask->server];
    const bool timed_out = outcome == TIMED_OUT;
    const bool silent = timed_out && server->health.answered_ns <= ask->sent_ns;
    const bool dead = is_dead(&server->health, ask, silent);
    if (outcome == RP_FAILED) {
        question_failed(cluster, ask);
    } else {
        server_failed(cluster, ask->server, silent);
        roles_unheard(cluster, ask->server, !timed_out || dead);
    }
    if (is_waited_for(cluster, ask)) {
        not_located(cluster, ask->server, "the primary could not be asked for its position");
    } else if (ask->kind == ASK_WATCH) {
        awaits_watch_failed(cluster, server);
    }
}

static void probed(struct rp_cluster *cluster, struct ask *ask, const char *answer) {
    struct server *server = &cluster->servers[ask->server];
    struct abilities can;
    if (!question_read_probe(answer, &can)) {
        strict_question(cluster, ask->server, answer);
        ask_failed(cluster, ask, RP_FAILED);
        return;
    }
    const char *before = server->probed ? question_missing_grants(&server->can) : "";
    const char *missing = question_missing_grants(&can);
    server->can = can;
    server->probed = true;
    server->polls_since_probe = 0;
    if (missing != before && missing[0] != '\0') {
        notices_add(&cluster->notices, RP_LOG_WARN, ask->server, "%s: %s", server->name, missing);
    }
    if (question_full(&can) == NULL) {
        roles_blind(cluster, ask->server);
    } else {
        ask_enqueue(cluster, server, ASK_POLL);
    }
}

static void answered(struct rp_cluster *cluster, struct ask *ask, const char *answer) {
    struct server *server = &cluster->servers[ask->server];
    struct facts facts;
    if (ask->probes) {
        probed(cluster, ask, answer);
        return;
    }
    if (!question_read_facts(answer, &facts)) {
        strict_question(cluster, ask->server, answer);
        ask_failed(cluster, ask, RP_FAILED);
        return;
    }
    if (ask->kind == ASK_POLL) {
        server->polls_since_probe++;
        server->failed_polls = 0;
    }
    roles_heard(cluster, ask->server, &facts, ask->sent_event, ask->sent_ns);
    if (is_waited_for(cluster, ask)) {
        cluster->locate_took_ns = cluster->now_ns - ask->sent_ns;
        gather_located(cluster);
        located(cluster, ask->server, &facts);
    }
    awaits_wake(cluster, ask->server);
}

/* It is not out any more. */
static void finish(struct rp_cluster *cluster, struct ask *ask) {
    heap_remove(&cluster->timers, &ask->limit);
    ask->state = ASK_IDLE;
    if (ask->again) {
        ask->again = false;
        ask_enqueue(cluster, &cluster->servers[ask->server], ask->kind);
    }
}

static struct ask *ask_of(struct rp_cluster *cluster, uint64_t id) {
    uint32_t number = ID_NUMBER(id);
    uint32_t index = number / ASK_KINDS;
    if (index >= cluster->max_servers) {
        return NULL;
    }
    struct ask *ask = &cluster->servers[index].asks[number % ASK_KINDS];
    return ask->state == ASK_OUT && ask->generation == ID_GENERATION(id) ? ask : NULL;
}

void asks_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *answer) {
    struct ask *ask = ask_of(cluster, id);
    if (ask == NULL) {
        answer_is_foreign(cluster, id);
        return;
    }
    struct server *server = &cluster->servers[ask->server];
    strict_work(cluster);
    finish(cluster, ask);
    if (ask->kind == ASK_WAIT) {
        awaits_waited(cluster, ask, outcome, answer);
    } else if (outcome == RP_ANSWERED) {
        strict_unit(cluster, cluster->now_ns - ask->sent_ns);
        answered(cluster, ask, answer);
    } else {
        ask_failed(cluster, ask, outcome);
    }
    if (ask->kind == ASK_WATCH) {
        awaits_watched(cluster, server);
    }
}

void asks_limit_is_over(struct rp_cluster *cluster, struct ask *ask) {
    uint64_t id = id_of(ID_ASK, ask->server * ASK_KINDS + ask->kind, ask->generation);
    drop_action(cluster, id, ask->server, 0, 0);
    cluster_event(cluster);
    finish(cluster, ask);
    if (ask->kind == ASK_WAIT) {
        awaits_waited(cluster, ask, TIMED_OUT, NULL);
        return;
    }
    ask_failed(cluster, ask, TIMED_OUT);
    if (ask->kind == ASK_WATCH) {
        awaits_watched(cluster, &cluster->servers[ask->server]);
    }
}

void asks_end(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        struct ask *ask = &server->asks[kind];
        if (ask->state == ASK_OUT) {
            drop_action(cluster, id_of(ID_ASK, index * ASK_KINDS + kind, ask->generation), index, 0,
                        0);
            if (is_waited_for(cluster, ask)) {
                not_located(cluster, index, "the primary was taken out");
            }
        }
        heap_remove(&cluster->timers, &ask->limit);
        ask->state = ASK_IDLE;
        ask->again = false;
        cluster->ask_queue[kind] &= ~server_bit(index);
    }
    heap_remove(&cluster->timers, &server->poll);
    heap_remove(&cluster->timers, &server->watch);
    cluster->redial_queue &= ~server_bit(index);
    awaits_fail(cluster, server, "the replica was taken out");
}
