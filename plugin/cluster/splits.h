/*
 * splits.h - two primaries, or the evidence of one that nobody here knows.
 */
#ifndef CLUSTER_SPLITS_H
#define CLUSTER_SPLITS_H

#include "cluster.h"

/* Two that lead, or one and a standby that follows somebody newer, each of whom has said so after
 * the other: a split. Where one of them is still to be asked, it is suspected until then. */
void splits_judge(struct rp_cluster *cluster);

/* Of two that lead, or of a primary and a standby that follows somebody newer, it cannot be told
 * here which one the operator means: connections that were never closed may lead to the wrong one.
 */
bool splits_has(const struct rp_cluster *cluster, uint32_t index);

/* It follows a newer timeline than the primary's, and the primary has said since then that it still
 * leads. One that merely fell silent before is no evidence: that is a failover, and the standby is
 * the new leader's. */
bool splits_is_diverged(const struct rp_cluster *cluster, const struct server *server);

#endif
