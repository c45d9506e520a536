/*
 * strict.h - the host's mistakes, as notices, where RP_CLUSTER_STRICT is set.
 *
 * Nothing here changes what a cluster does.
 */
#ifndef STRICT_H
#define STRICT_H

#include "cluster.h"

/* Asked before what every read would have to pass through. */
static inline bool is_strict(const struct rp_cluster *cluster) {
    return (cluster->flags & RP_CLUSTER_STRICT) != 0;
}

/* now_ns is before what was seen already. */
void strict_clock(struct rp_cluster *cluster, uint64_t now_ns);

/* Strict: before a read begins with this entropy. */
void strict_entropy(struct rp_cluster *cluster, uint64_t entropy);

/* Strict: next is called; what it promised last is in the cluster. */
void strict_lateness(struct rp_cluster *cluster, uint64_t now_ns);

/* An outcome that an action of its kind cannot have. */
void strict_outcome(struct rp_cluster *cluster, int32_t outcome);

/* Before these facts, asked for at sent_event, become what the server said last. */
void strict_facts(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                  uint64_t sent_event);

/* Strict: a read was answered: its question's facts (instance 0: none) and the outcome.
 * out_of_order: the question's position is after the answer's own. */
void strict_answer(struct rp_cluster *cluster, const struct read *read, const struct facts *facts,
                   int32_t outcome, bool out_of_order);

#endif
