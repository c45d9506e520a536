/*
 * pick.h - which servers a read may go to as a replica, and to which of them it goes.
 *
 * Sets of servers are bits: bit i is server i.
 */
#ifndef CLUSTER_PICK_H
#define CLUSTER_PICK_H

#include "cluster.h"
#include "plugin/plan.h"

/* What the policy is offered when a read begins: the healthy ones; failing that, all: then the read
 * fails there, and is not silently shifted to the primary. */
uint64_t pick_offer(struct rp_cluster *cluster, const struct rp_plan *plan);

/* One, and none, are quickly told: there may be no instruction that counts. */
static inline uint32_t pick_count(uint64_t servers) {
    if ((servers & (servers - 1)) == 0) {
        return servers != 0;
    }
    return (uint32_t)__builtin_popcountll(servers);
}

/* Those that do not back off; some of them ail. */
uint64_t pick_of_ailing(const struct rp_cluster *cluster, uint64_t servers);

/* Those that do not back off. */
static inline uint64_t pick_well(const struct rp_cluster *cluster, uint64_t servers) {
    return (servers & cluster->ailing) == 0 ? servers : pick_of_ailing(cluster, servers);
}

/* The replica that the step means, or another one that was offered, if that one cannot be read any
 * more. NO_SERVER: none. */
uint32_t pick_replica(const struct rp_cluster *cluster, const struct read *read,
                      const struct rp_step *step);

/* Another one that was offered, and is known to keep the read's floor already. NO_SERVER: none. */
uint32_t pick_at_floor(const struct rp_cluster *cluster, const struct read *read, uint32_t but);

/* Whether the primary is read in place of a replica that it has not, in a rehearsal. */
bool pick_stands_in(const struct rp_cluster *cluster, const struct read *read, uint32_t index);

/* Whether a server that was offered may still be read as a replica. */
bool pick_may_read(const struct rp_cluster *cluster, const struct read *read, uint32_t index);

#endif
