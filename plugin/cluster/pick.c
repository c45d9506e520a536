/*
 * pick.c - see pick.h.
 */
#include "pick.h"

#include "plugin/hot.h"
#include "plugin/policy.h"
#include "proofs.h"
#include "replica_lag.h"

/* The number-th of those offered; the last one, if fewer are left of them since. */
static uint32_t offered_server(uint64_t offered, uint32_t number) {
    while (number-- > 0 && (offered & (offered - 1)) != 0) {
        offered &= offered - 1;
    }
    return (uint32_t)__builtin_ctzll(offered);
}

uint64_t pick_of_ailing(const struct rp_cluster *cluster, uint64_t servers) {
    uint64_t well = servers;
    for (uint64_t rest = servers & cluster->ailing; rest != 0; rest &= rest - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(rest);
        if (health_backs_off(&cluster->servers[index].health, cluster->now_ns)) {
            well &= ~server_bit(index);
        }
    }
    return well;
}

static uint64_t within_max_lag(const struct rp_cluster *cluster, uint64_t servers,
                               uint64_t max_lag_ns) {
    uint64_t within = 0;
    for (uint64_t rest = servers; rest != 0; rest &= rest - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(rest);
        if (!replica_lag_exceeds(cluster, &cluster->servers[index], max_lag_ns)) {
            within |= server_bit(index);
        }
    }
    return within;
}

HOT uint64_t pick_offer(struct rp_cluster *cluster, const struct rp_plan *plan) {
    uint64_t replicas = cluster->replicas;
    if (replicas == 0 && cluster->others == 0 && cluster->primary != NO_SERVER &&
        (cluster->flags & RP_CLUSTER_FIRST_MISSES) != 0) {
        return server_bit(cluster->primary);
    }
    if (plan->max_lag_ns != 0) {
        replicas = within_max_lag(cluster, replicas, plan->max_lag_ns);
    }
    uint64_t well = pick_well(cluster, replicas);
    return well != 0 ? well : replicas;
}

bool pick_stands_in(const struct rp_cluster *cluster, const struct read *read, uint32_t index) {
    return index == cluster->primary && read->offered == server_bit(index) &&
           (cluster->flags & RP_CLUSTER_FIRST_MISSES) != 0;
}

bool pick_may_read(const struct rp_cluster *cluster, const struct read *read, uint32_t index) {
    return (cluster->readable & server_bit(index)) != 0 || pick_stands_in(cluster, read, index);
}

/* Of those offered the one that is furthest. */
static uint32_t freshest(const struct rp_cluster *cluster, const struct read *read,
                         uint32_t otherwise) {
    uint32_t best = otherwise;
    uint64_t position = 0;
    for (uint64_t rest = read->offered & cluster->replicas; rest != 0; rest &= rest - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(rest);
        const struct server *server = &cluster->servers[index];
        if (server->answers && server->said.position > position &&
            !health_backs_off(&server->health, cluster->now_ns)) {
            best = index;
            position = server->said.position;
        }
    }
    return best;
}

/* By what it said last; what it says with its answer decides. */
static bool is_at_floor(const struct rp_cluster *cluster, const struct read *read, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    return server->answers && floor_position(cluster, index, &server->said) >= read->floor;
}

__attribute__((noinline)) uint32_t pick_at_floor(const struct rp_cluster *cluster,
                                                 const struct read *read, uint32_t but) {
    uint64_t others = pick_well(cluster, read->offered & cluster->replicas & ~server_bit(but));
    for (; others != 0; others &= others - 1) {
        const uint32_t index = (uint32_t)__builtin_ctzll(others);
        if (is_at_floor(cluster, read, index)) {
            return index;
        }
    }
    return NO_SERVER;
}

/* After a first read, and before anything was located: whatever replica_pick says, one that is at
 * the floor comes before one that is still to come there. */
static uint32_t prefer_at_floor(const struct rp_cluster *cluster, const struct read *read,
                                uint32_t index) {
    if (is_at_floor(cluster, read, index)) {
        return index;
    }
    const uint32_t other = pick_at_floor(cluster, read, index);
    return other != NO_SERVER ? other : index;
}

HOT uint32_t pick_replica(const struct rp_cluster *cluster, const struct read *read,
                          const struct rp_step *step) {
    uint32_t index = offered_server(read->offered, step->replica);
    if ((step->flags & RP_STEP_FRESHEST) != 0) {
        index = freshest(cluster, read, index);
    }
    if (read->floor != 0 && read->sent_event != 0 && read->located_instance == 0) {
        index = prefer_at_floor(cluster, read, index);
    }
    if (pick_may_read(cluster, read, index)) {
        return index;
    }
    uint64_t others = pick_well(cluster, read->offered & cluster->replicas);
    return others != 0 ? (uint32_t)__builtin_ctzll(others) : NO_SERVER;
}
