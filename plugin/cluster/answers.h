/*
 * answers.h - what the host answers to the actions of reads: what it proves, and where the read
 * goes then.
 */
#ifndef CLUSTER_ANSWERS_H
#define CLUSTER_ANSWERS_H

#include "cluster.h"

/* id, outcome, before, after: as the host gave them. */
void answers_take(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *before,
                  const char *after);

/* The server could not be read: the read goes to another one that was offered, if there is one. */
void answers_detour(struct rp_cluster *cluster, struct read *read, const char *reason);

#endif
