/*
 * strict.c - see strict.h.
 */
#include "strict.h"

#include <inttypes.h>

#define MS UINT64_C(1000000)

/* Later than this is called late. */
#define LATE_NS (100 * MS)

void strict_clock(struct rp_cluster *cluster, uint64_t now_ns) {
    if (!is_strict(cluster)) {
        return;
    }
    if (now_ns > cluster->now_ns) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: %" PRIu64 " ns is no time that a monotonic clock tells", now_ns);
    } else {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: the clock went back by %" PRIu64 " ns", cluster->now_ns - now_ns);
    }
}

void strict_entropy(struct rp_cluster *cluster, uint64_t entropy) {
    if (entropy == cluster->last_entropy) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: two reads have the same entropy: reads that miss together would come "
                    "back together");
    }
    cluster->last_entropy = entropy;
}

void strict_lateness(struct rp_cluster *cluster, uint64_t now_ns) {
    const uint64_t promised_ns = cluster->promised_wake_ns;
    cluster->promised_wake_ns = UINT64_MAX;
    if (promised_ns != UINT64_MAX && now_ns > promised_ns && now_ns - promised_ns > LATE_NS) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: next was called %" PRIu64 " ms after wake_ns",
                    (now_ns - promised_ns) / MS);
    }
}

void strict_outcome(struct rp_cluster *cluster, int32_t outcome) {
    if (is_strict(cluster)) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: outcome %d is none that such an action can have", outcome);
    }
}

/* Positions of one server only grow while it answers, and it does not return to recovery. (One that
 * recovers from a crash of its own processes keeps its start time and may go back.) So what is
 * below the answer that had arrived before this question went out was said before it. */
void strict_facts(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                  uint64_t sent_event) {
    const struct server *server = &cluster->servers[index];
    if (!is_strict(cluster) || server->said.instance != facts->instance ||
        server->said_event >= sent_event || server->health.failures > 0) {
        return;
    }
    const bool back_in_recovery = facts->in_recovery && !server->said.in_recovery;
    if (back_in_recovery || (facts->position != 0 && facts->position < server->said.position)) {
        notices_add(&cluster->notices, RP_LOG_WARN, index,
                    "strict: %s was asked, and the answer is older than the question: a question "
                    "is asked when its action comes, and no answer is kept for a later one",
                    server->name);
    }
}

void strict_answer(struct rp_cluster *cluster, const struct read *read, const struct facts *facts,
                   int32_t outcome, bool out_of_order) {
    const char *name = cluster->servers[read->server].name;
    if (out_of_order) {
        notices_add(&cluster->notices, RP_LOG_WARN, read->server,
                    "strict: %s: `before` tells of a later position than `after`: the question is "
                    "asked before the read, on its connection, in its transaction",
                    name);
    }
    const bool rehearses = (cluster->flags & RP_CLUSTER_FIRST_MISSES) != 0;
    const bool has_answer = outcome == RP_FOUND || outcome == RP_PARTIAL || outcome == RP_MISSING;
    if (has_answer && facts->instance != 0 && !facts->in_recovery && !rehearses &&
        read->step->target == RP_TARGET_REPLICA) {
        notices_add(&cluster->notices, RP_LOG_WARN, read->server,
                    "strict: %s was read as a replica and said that it is none: the read lacks AND "
                    "(SELECT pg_is_in_recovery()), or the question went to another server",
                    name);
    }
}
