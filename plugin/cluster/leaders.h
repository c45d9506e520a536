/*
 * leaders.h - who is the primary.
 */
#ifndef CLUSTER_LEADERS_H
#define CLUSTER_LEADERS_H

#include "cluster.h"

/* Of those that lead, the one on the newest timeline; of the same, who came to lead last. */
void leaders_judge(struct rp_cluster *cluster);

/* Another instance answers now where this server did. What the one before claimed cannot be claimed
 * twice there, so that it is remembered by one answer. */
void leaders_note_replaced(struct rp_cluster *cluster, const struct server *server);

/* Of one that leads: it is on an older timeline than one that is remembered. */
bool leaders_is_deposed(const struct rp_cluster *cluster, const struct server *server);

#endif
