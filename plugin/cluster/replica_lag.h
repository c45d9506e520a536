/*
 * replica_lag.h - how far a replica is behind the primary: noted with what both say, held against
 * max_lag_ms, told to the host. How its position becomes a time: lag.h.
 */
#ifndef CLUSTER_REPLICA_LAG_H
#define CLUSTER_REPLICA_LAG_H

#include "cluster.h"

/* A server that was at position_before has answered a question that was sent then. */
void replica_lag_note(struct rp_cluster *cluster, uint32_t index, uint64_t position_before,
                      uint64_t sent_ns);

/* Whether a replica is further behind, or may be: it is not known to be closer, for that long. */
bool replica_lag_exceeds(const struct rp_cluster *cluster, const struct server *server,
                         uint64_t max_lag_ns);

/* The members of the host's that are about lag. */
void replica_lag_fill(const struct rp_cluster *cluster, const struct server *server,
                      struct rp_server_info *info);

#endif
