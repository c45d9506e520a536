/*
 * standing.h - what a server is by all that was said: its role, why it is out, what is told of
 * that.
 */
#ifndef CLUSTER_STANDING_H
#define CLUSTER_STANDING_H

#include "cluster.h"

/* Its role, and why. */
void standing_judge(struct rp_cluster *cluster, uint32_t index);

/* A notice, where that is news. */
void standing_tell(struct rp_cluster *cluster, uint32_t index);

/* Dials a server anew that is not what it should be: its address may lead to another one by now. */
void standing_redial(struct rp_cluster *cluster, uint32_t index);

/* Why the server is out, or not as expected: a sentence, or "". */
const char *standing_why(const struct server *server);

/* Whom the primary's reads go to: the primary; while none is known, one that can tell nothing of
 * itself and is expected to be it. Or NO_SERVER. */
uint32_t standing_primary(const struct rp_cluster *cluster);

/* Why there is no primary to ask: a constant. */
const char *standing_why_no_primary(const struct rp_cluster *cluster);

#endif
