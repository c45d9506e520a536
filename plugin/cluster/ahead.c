/*
 * ahead.c - see ahead.h.
 */
#include "ahead.h"

#include "said.h"
#include "splits.h"

/* A position that was told before this primary was heard says nothing of it: what has been replayed
 * since then may be what a restored one has lost. */
static bool is_noted_for(const struct instance *instance, const struct server *primary) {
    return instance->noted.event != 0 && (instance->compared.with == primary->said.instance ||
                                          instance->noted.event > primary->leading_event);
}

/* Whether the noted position shows that it is ahead. What it has replayed of a lost history it
 * keeps, also when its primary has passed that position and is then restarted: its WAL does not fit
 * there, and it stays where it is. One that comes to where this primary was has replayed this
 * primary's; but what a primary has not flushed it has sent to nobody. */
static bool judge_position(struct instance *instance, const struct server *primary, bool first) {
    const uint64_t noted = instance->noted.position, flushed = primary->said.flushed;
    if (noted > primary->said.position) {
        instance->compared.counts_from = 0;
        return true;
    }
    if (first) {
        instance->compared.counts_from = noted <= flushed ? flushed : 0;
    }
    return instance->compared.ahead &&
           (instance->compared.counts_from == 0 || noted < instance->compared.counts_from);
}

/* A position is compared only with an inserted one that was asked for after that position had
 * arrived; a healthy standby is ahead of what was located before. Nothing is proven before it was
 * compared once; after that each position that it tells is, so that one which replays on what its
 * primary has lost is seen. Returns whether anything was learnt. */
static bool compare_with_primary(struct rp_cluster *cluster, struct server *server) {
    const struct server *primary = &cluster->servers[cluster->primary];
    struct instance *instance = server->instance;
    if (instance == NULL || !follows(server) || is_foreign(cluster, server) ||
        server->said.position == 0 || primary->said.position == 0) {
        return false;
    }
    bool first = instance->compared.with != primary->said.instance;
    if (!is_noted_for(instance, primary)) {
        if (first && server->said_event <= primary->leading_event) {
            cluster->judge_again |= server->answers ? server_bit(index_of(cluster, server)) : 0;
            return false;
        }
        instance->noted.position = server->said.position;
        instance->noted.event = server->said_event;
    }
    if (primary->said_sent_event <= instance->noted.event) {
        if (first) {
            cluster->judge_again |= server_bit(cluster->primary);
        }
        return false;
    }
    if (splits_is_diverged(cluster, server)) {
        return false; /* another matter: a split */
    }
    bool ahead = judge_position(instance, primary, first);
    bool learnt = first || ahead != instance->compared.ahead;
    instance->compared.ahead = ahead;
    instance->compared.with = primary->said.instance;
    instance->noted.event = 0;
    return learnt;
}

bool ahead_compare(struct rp_cluster *cluster) {
    bool learnt = false;
    if (!cluster->primary_answers) {
        return false;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        learnt = compare_with_primary(cluster, &cluster->servers[i]) || learnt;
    }
    return learnt;
}

bool ahead_is_pending(const struct rp_cluster *cluster, const struct server *server) {
    return follows(server) && server->answers && cluster->primary_answers &&
           server->said.position != 0 && !is_foreign(cluster, server) &&
           !splits_is_diverged(cluster, server) &&
           server->instance->compared.with != cluster->servers[cluster->primary].said.instance;
}
