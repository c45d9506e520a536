/*
 * ahead.h - standbys that have replayed more than their primary has written (rule 5).
 */
#ifndef CLUSTER_AHEAD_H
#define CLUSTER_AHEAD_H

#include "cluster.h"

/* Compares the standbys' positions with the primary's, where both are known in the right order.
 * Whether anything was learnt. */
bool ahead_compare(struct rp_cluster *cluster);

/* Its first comparison is under way: it takes one more question to the primary. */
bool ahead_is_pending(const struct rp_cluster *cluster, const struct server *server);

#endif
