/*
 * replica_lag.c - see replica_lag.h.
 */
#include "replica_lag.h"

#include "proofs.h"

#define MS UINT64_C(1000000)

/* An answer comes that long after its poll was due, or not at all. */
#define OVERDUE_NS UINT64_C(2000000000)

/* Not if it streams an older timeline than the primary's, from somebody else: its position is none
 * of the primary's then. */
static bool tells_lag(const struct rp_cluster *cluster, const struct server *server) {
    return server->said.position != 0 &&
           (cluster->primary == NO_SERVER || server->said.upper == 0 ||
            server->said.upper >= cluster->servers[cluster->primary].said.upper);
}

static bool replica_tells_lag(const struct rp_cluster *cluster, const struct server *server) {
    return server->role == RP_ROLE_REPLICA && tells_lag(cluster, server);
}

/* After an answer of it, or of the primary, which may have been there since it was asked before. */
static void note_reached(const struct rp_cluster *cluster, struct server *server) {
    if (replica_tells_lag(cluster, server)) {
        const uint64_t reached_ns = lag_reached_ns(&cluster->lag, server->said.position);
        server->reached_ns = reached_ns > server->reached_ns ? reached_ns : server->reached_ns;
    }
}

void replica_lag_note(struct rp_cluster *cluster, uint32_t index, uint64_t position_before,
                      uint64_t sent_ns) {
    struct server *server = &cluster->servers[index];
    /* Another standby answers, or the same one after a crash: it is not where that one had come. */
    if (server->said.position < position_before) {
        server->reached_ns = 0;
    }
    if (index == cluster->primary && server->said.position != 0) {
        lag_note_primary(&cluster->lag, server->said.instance, server->said.position, sent_ns);
        for (uint32_t i = 0; i < cluster->server_count; i++) {
            note_reached(cluster, &cluster->servers[i]);
        }
    }
    note_reached(cluster, server);
    if (replica_tells_lag(cluster, server) && cluster->primary_answers) {
        server->lag_known_ns = cluster->now_ns;
    }
}

bool replica_lag_exceeds(const struct rp_cluster *cluster, const struct server *server,
                         uint64_t max_lag_ns) {
    const uint64_t unknown_ns = cluster->now_ns - server->lag_known_ns;
    if (!cluster->primary_answers || !tells_lag(cluster, server)) {
        return unknown_ns > max_lag_ns;
    }
    /* The host has slept, or the next answer is overdue: what was so before says nothing of now. */
    if (unknown_ns > max_lag_ns + cluster->poll_ns + OVERDUE_NS) {
        return true;
    }
    const struct server *primary = &cluster->servers[cluster->primary];
    bool caught_up = server->said.position >=
                     reachable_position(cluster, cluster->primary, primary->said.position);
    return !caught_up && cluster->now_ns - server->reached_ns > max_lag_ns;
}

static uint64_t bytes_behind(const struct rp_cluster *cluster, const struct server *server) {
    if (!cluster->primary_answers || !tells_lag(cluster, server)) {
        return RP_UNKNOWN;
    }
    uint64_t primary = reachable_position(cluster, cluster->primary,
                                          cluster->servers[cluster->primary].said.position);
    if (primary == 0) {
        return RP_UNKNOWN;
    }
    return server->said.position < primary ? primary - server->said.position : 0;
}

void replica_lag_fill(const struct rp_cluster *cluster, const struct server *server,
                      struct rp_server_info *info) {
    info->lag_bytes = RP_UNKNOWN;
    info->lag_ns = RP_UNKNOWN;
    info->lag_at_least_ns = 0;
    if (server->role != RP_ROLE_REPLICA) {
        return;
    }
    if (server->reached_ns != 0) {
        info->lag_at_least_ns = cluster->now_ns - server->reached_ns;
    }
    info->lag_bytes = bytes_behind(cluster, server);
    if (info->lag_bytes == 0) {
        info->lag_ns = 0;
        info->lag_at_least_ns = 0;
    } else if (info->lag_bytes != RP_UNKNOWN && server->reached_ns != 0) {
        /* Where one that answers has come to since, its next answer tells. */
        const uint64_t told_ns = server->answers ? server->lag_known_ns : cluster->now_ns;
        info->lag_ns = told_ns > server->reached_ns ? told_ns - server->reached_ns : 0;
        info->lag_at_least_ns = info->lag_ns;
    } else if (info->lag_bytes != RP_UNKNOWN && server->said.replay_age_ms != 0) {
        /* Behind all that is remembered: what the server itself says is the best there is. */
        info->lag_ns = server->said.replay_age_ms * MS;
    }
}
