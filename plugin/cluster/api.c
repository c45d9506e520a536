/*
 * api.c - the functions of a cluster: they check arguments, move time on, and hand out actions in
 * order.
 */
#include "api.h"

#include "answers.h"
#include "asks.h"
#include "awaits.h"
#include "cluster.h"
#include "info.h"
#include "opening.h"
#include "plugin/hot.h"
#include "polls.h"
#include "position.h"
#include "reads.h"
#include "reports.h"
#include "roles.h"
#include "strict.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

/* So long after it was to be called the host has slept. Longer than a question may take. */
#define SLEPT_NS (2000 * MS)

/* ---- time ------------------------------------------------------------------------------------ */

/* Neither earlier than the latest seen, nor a time that is none. */
static inline bool goes_on(const struct rp_cluster *cluster, uint64_t now_ns) {
    return now_ns - cluster->now_ns <= LATEST_NS - cluster->now_ns;
}

static void advance(struct rp_cluster *cluster, uint64_t now_ns) {
    if (goes_on(cluster, now_ns)) {
        cluster->now_ns = now_ns;
    } else {
        strict_clock(cluster, now_ns);
    }
}

__attribute__((noinline)) static void expire(struct rp_cluster *cluster) {
    struct heap_node *first;
    bool slept = false;
    while ((first = heap_first(&cluster->timers)) != NULL && first->key <= cluster->now_ns) {
        /* A read's time may have been over long before it began. */
        slept |= first->kind != TIMER_READ && first->key + SLEPT_NS < cluster->now_ns;
        heap_remove(&cluster->timers, first);
        switch (first->kind) {
        case TIMER_READ:
            reads_timer(cluster, heap_owner(first, struct read, timer));
            break;
        case TIMER_POLL:
            polls_is_due(cluster, heap_owner(first, struct server, poll));
            break;
        case TIMER_WATCH:
            awaits_watch_is_due(cluster, heap_owner(first, struct server, watch));
            break;
        case TIMER_GATHER:
            break; /* asks_prepare sees it */
        default:
            asks_limit_is_over(cluster, heap_owner(first, struct ask, limit));
            break;
        }
    }
    if (slept) { /* no question of before is out any more */
        roles_woke(cluster);
    }
}

/* ---- servers --------------------------------------------------------------------------------- */

static void take_out(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    server->state = RP_SERVER_OFF;
    roles_changed(cluster); /* no read is sent there any more */
    asks_end(cluster, index);
    reads_leave_server(cluster, index);
    /* Generations go on: an answer to an earlier question must never be taken for a later one's. */
    uint32_t generations[ASK_KINDS];
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        generations[kind] = server->asks[kind].generation;
    }
    memset(server, 0, sizeof *server);
    cluster->ailing &= ~server_bit(index);
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        server->asks[kind].generation = generations[kind];
    }
    roles_changed(cluster);
}

static int32_t cluster_server_set(struct rp_cluster *cluster, uint32_t index, const char *name,
                                  int32_t expect, int32_t state, uint64_t now_ns) {
    if (cluster == NULL || index >= cluster->max_servers || name == NULL ||
        strlen(name) >= NAME_BYTES || expect < RP_EXPECT_ANY || expect > RP_EXPECT_REPLICA ||
        state < RP_SERVER_OFF || state > RP_SERVER_DRAIN) {
        return RP_E_ARGUMENT;
    }
    struct server *server = &cluster->servers[index];
    bool was_on = server->state != RP_SERVER_OFF;
    advance(cluster, now_ns);
    cluster_event(cluster);
    if (state == RP_SERVER_OFF) {
        if (was_on) {
            take_out(cluster, index);
        }
        return RP_OK;
    }
    (void)snprintf(server->name, sizeof server->name, "%s", name);
    server->expect = expect;
    server->state = state;
    if (index >= cluster->server_count) {
        cluster->server_count = index + 1;
    }
    if (!was_on) {
        server->lag_known_ns = cluster->now_ns;
        asks_begin(cluster, index);
    }
    roles_changed(cluster);
    return RP_OK;
}

static void cluster_prompt(struct rp_cluster *cluster, uint32_t index, uint64_t now_ns) {
    if (cluster != NULL && index < cluster->max_servers &&
        cluster->servers[index].state != RP_SERVER_OFF) {
        advance(cluster, now_ns);
        cluster_event(cluster);
        polls_prompt(cluster, index);
    }
}

static void cluster_forget_history(struct rp_cluster *cluster, uint64_t now_ns) {
    if (cluster != NULL) {
        advance(cluster, now_ns);
        cluster_event(cluster);
        roles_forget(cluster);
    }
}

static void cluster_heard_of(struct rp_cluster *cluster, uint64_t system, uint32_t timeline,
                             uint64_t now_ns) {
    if (cluster != NULL) {
        advance(cluster, now_ns);
        cluster_event(cluster);
        roles_heard_of(cluster, system, timeline);
    }
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* A read of ABI 1.0's size is enough: what came later is not read. */
#define MIN_REQUEST_BYTES UP_TO(struct rp_request, position)

HOT static int32_t cluster_start(struct rp_cluster *cluster, const struct rp_policy *policy,
                                 const struct rp_request *request, uint64_t tag,
                                 uint64_t *read_id) {
    if (cluster == NULL || policy == NULL || request == NULL || read_id == NULL ||
        request->struct_size < MIN_REQUEST_BYTES) {
        return RP_E_ARGUMENT;
    }
    advance(cluster, request->now_ns);
    if (is_strict(cluster)) {
        strict_request(cluster, request);
    }
    const struct read *read = reads_start(cluster, policy, request, tag);
    if (read == NULL) {
        return RP_E_BUSY;
    }
    *read_id = read->id;
    return RP_OK;
}

static void cluster_forget(struct rp_cluster *cluster, uint64_t read_id) {
    if (cluster != NULL) {
        reads_forget(cluster, read_id);
    }
}

static bool can_be(uint64_t id, int32_t outcome) {
    switch (outcome) {
    case RP_FAILED:
    case RP_SERVER_GONE:
    case RP_NOT_SENT:
        return true;
    case RP_ANSWERED:
        return ID_KIND(id) == ID_ASK;
    case RP_FOUND:
    case RP_PARTIAL:
    case RP_MISSING:
    case RP_ROLE_CHANGED:
    case RP_CONFLICT:
        return ID_KIND(id) == ID_ACTION;
    default:
        return false;
    }
}

/* Any answer. Kept out of the way of reads that are found. */
__attribute__((noinline)) static void answer_any(struct rp_cluster *cluster, uint64_t id,
                                                 int32_t outcome, const char *before,
                                                 const char *after, uint64_t now_ns) {
    advance(cluster, now_ns);
    cluster_event(cluster);
    const bool asks = ID_KIND(id) == ID_ASK;
    if ((asks || ID_KIND(id) == ID_ACTION) && !can_be(id, outcome)) {
        strict_outcome(cluster, outcome, asks ? "an ASK" : "a READ");
        outcome = RP_FAILED;
    }
    if (asks) {
        asks_answer(cluster, id, outcome, before);
    } else {
        answers_take(cluster, id, outcome, before, after);
    }
}

HOT static void cluster_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome,
                               const char *before, const char *after, uint64_t now_ns) {
    if (cluster == NULL) {
        return;
    }
    if (outcome == RP_FOUND && ID_KIND(id) == ID_ACTION && goes_on(cluster, now_ns)) {
        cluster->now_ns = now_ns;
        cluster_event(cluster);
        answers_take(cluster, id, outcome, before, after);
    } else {
        answer_any(cluster, id, outcome, before, after, now_ns);
    }
}

/* ---- what to do ------------------------------------------------------------------------------ */

__attribute__((noinline)) static bool next_drop(struct rp_cluster *cluster,
                                                struct rp_action *action) {
    const struct drop *drop = &cluster->drops.ring[cluster->drops.first];
    action_begin(action, RP_ACTION_DROP);
    action->id = drop->id;
    action->tag = drop->tag;
    action->read_id = drop->read_id;
    action->server = drop->server;
    cluster->drops.first = (cluster->drops.first + 1) % cluster->drops.most;
    cluster->drops.count--;
    return true;
}

static bool next_redial(struct rp_cluster *cluster, struct rp_action *action) {
    if (cluster->redial_queue == 0) {
        return false;
    }
    action_begin(action, RP_ACTION_REDIAL);
    action->server = (uint32_t)__builtin_ctzll(cluster->redial_queue);
    cluster->redial_queue &= cluster->redial_queue - 1;
    return true;
}

/* What asks, and may have news for those who waited for an answer. One that ends by it may have an
 * action that went beside its locate: nothing comes of a read that is done, so that goes first. */
__attribute__((noinline)) static bool next_question(struct rp_cluster *cluster,
                                                    struct rp_action *action) {
    asks_prepare(cluster);
    reads_take_reports(cluster);
    return (cluster->drops.count > 0 && next_drop(cluster, action)) ||
           reads_next_done(cluster, action) || next_redial(cluster, action) ||
           asks_next(cluster, action);
}

/* Drops first, so that there is always room for the next ones; then what ends. Most calls find that
 * there is nothing to do: that must cost next to nothing. */
static bool next_of_all(struct rp_cluster *cluster, struct rp_action *action) {
    do {
        if (!TAILQ_EMPTY(&cluster->reported)) {
            reads_take_reports(cluster);
        }
        if (cluster->has_strays) {
            reads_catch_strays(cluster);
        }
        if ((cluster->drops.count > 0 && next_drop(cluster, action)) ||
            reads_next_done(cluster, action) ||
            (asks_have_work(cluster) && next_question(cluster, action)) ||
            reads_next(cluster, action)) {
            return true;
        }
    } while (!TAILQ_EMPTY(&cluster->reported));
    return false;
}

__attribute__((noinline)) static int32_t
refuse_next(struct rp_cluster *cluster, const struct rp_action *action, uint64_t *wake_ns) {
    if (wake_ns != NULL) {
        *wake_ns = UINT64_MAX;
    }
    if (cluster != NULL && action != NULL) {
        strict_size(cluster, action->struct_size);
    }
    return 0;
}

HOT static int32_t cluster_next(struct rp_cluster *cluster, uint64_t now_ns,
                                struct rp_action *action, uint64_t *wake_ns) {
    if (cluster == NULL || action == NULL || wake_ns == NULL ||
        action->struct_size < sizeof *action) {
        return refuse_next(cluster, action, wake_ns);
    }
    if (is_strict(cluster)) {
        strict_next(cluster, now_ns, asks_have_work(cluster));
    }
    advance(cluster, now_ns);
    const struct heap_node *first;
    do {
        if (heap_may_have(&cluster->timers, cluster->now_ns)) {
            expire(cluster);
        }
        if (next_of_all(cluster, action)) {
            return 1;
        }
        /* News may have put a read where its time is over already. */
        first = heap_first(&cluster->timers);
    } while (heap_may_have(&cluster->timers, cluster->now_ns));
    *wake_ns = first != NULL ? first->key : UINT64_MAX;
    cluster->promised_wake_ns = *wake_ns;
    return 0;
}

const struct rp_cluster_calls cluster_calls = {
    .struct_size = sizeof cluster_calls,
    .open = cluster_open,
    .close = cluster_close,
    .server_set = cluster_server_set,
    .server = cluster_server,
    .info = cluster_info,
    .prompt = cluster_prompt,
    .forget_history = cluster_forget_history,
    .start = cluster_start,
    .forget = cluster_forget,
    .next = cluster_next,
    .answer = cluster_answer,
    .notice = cluster_notice,
    .metrics = cluster_metrics,
    .position_parse = position_parse,
    .position_print = position_print,
    .heard_of = cluster_heard_of,
};
