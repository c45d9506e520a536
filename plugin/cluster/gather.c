/*
 * gather.c - see gather.h.
 */
#include "gather.h"

/* Nobody gathers for longer: not for a read that its replica takes long for, nor for a client. */
#define MAX_GATHER_NS UINT64_C(1000000)

/* So many times as many as are still out do not wait for those. */
#define CROWD 5u

void gather_init(struct rp_cluster *cluster) {
    cluster->gather.timer.kind = TIMER_GATHER;
}

void gather_ends(struct rp_cluster *cluster) {
    struct gather *gather = &cluster->gather;
    gather->round++;
    gather->out = 0;
    gather->size = gather->gathered;
    gather->gathered = 0;
    gather->expects = patience_tries(&gather->patience);
    if (!gather->expects) {
        gather->expected = 0;
    }
}

void gather_located(struct rp_cluster *cluster) {
    cluster->gather.until_ns = cluster->now_ns + MAX_GATHER_NS;
}

void gather_read_out(struct rp_cluster *cluster, struct read *read) {
    cluster->gather.out += read->round != cluster->gather.round;
    read->round = cluster->gather.round;
}

void gather_count_back(struct rp_cluster *cluster, struct read *read) {
    struct gather *gather = &cluster->gather;
    if (read->round == gather->round) {
        gather->out--;
        if (gather->expects) { /* the first one: its client has not come again yet */
            gather->expects = false;
            gather->expected = gather->size + gather->gathered;
        }
    }
    read->round = 0;
}

bool gather_goes_on(struct rp_cluster *cluster) {
    struct gather *gather = &cluster->gather;
    const uint32_t count = gather->gathered;
    const bool enough = count >= gather->expected && count >= CROWD * gather->out;
    if (!enough && cluster->now_ns < gather->until_ns) {
        heap_move(&cluster->timers, &gather->timer, gather->until_ns);
        return true;
    }
    if (gather->expected > 0) {
        patience_note(&gather->patience, count >= gather->expected);
    }
    heap_remove(&cluster->timers, &gather->timer);
    return false;
}
