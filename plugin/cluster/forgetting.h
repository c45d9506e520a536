/*
 * forgetting.h - after a restore, an upgrade or a reload: what was remembered goes when everybody
 * has been asked anew.
 */
#ifndef CLUSTER_FORGETTING_H
#define CLUSTER_FORGETTING_H

#include "cluster.h"

/* Who speaks now may be right against what is remembered. While nobody leads and nobody is of
 * another system, there is nothing to be right about, and a primary that is merely slow to answer
 * is not lost. */
bool forgetting_may_finish(const struct rp_cluster *cluster);

/* System, timeline and lineages go, and the last words of those who have not spoken since; what
 * follows is to be judged then. */
void forgetting_finish(struct rp_cluster *cluster);

#endif
