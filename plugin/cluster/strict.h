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

/* A question has been answered so long after it was handed out, by the host's times. */
void strict_unit(struct rp_cluster *cluster, uint64_t took_ns);

/* Strict: before a read begins with this request. */
void strict_request(struct rp_cluster *cluster, const struct rp_request *request);

/* There is something to be done at once by what was called, though next had said that there is
 * nothing. */
static inline void strict_work(struct rp_cluster *cluster) {
    if (is_strict(cluster) && cluster->promised_wake_ns != UINT64_MAX &&
        cluster->promised_wake_ns > cluster->now_ns) {
        cluster->promised_wake_ns = cluster->now_ns;
    }
}

/* Strict: next is called; what it promised last is in the cluster. asks_wait: there are questions
 * to be asked. */
void strict_next(struct rp_cluster *cluster, uint64_t now_ns, bool asks_wait);

/* next is called with an action of this size, which is too small. */
void strict_size(struct rp_cluster *cluster, uint32_t struct_size);

/* An outcome that an action of this kind cannot have. */
void strict_outcome(struct rp_cluster *cluster, int32_t outcome, const char *kind);

/* An answer to what this cluster has never given out. */
void strict_stranger(struct rp_cluster *cluster, uint64_t id);

/* What was handed in as the answer to a question could not be read; NULL, too. */
void strict_question(struct rp_cluster *cluster, uint32_t index, const char *answer);

/* Before these facts, asked for at sent_event, become what the server said last. */
void strict_facts(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                  uint64_t sent_event);

/* Strict: a read has an answer, of this outcome, with these texts. facts: its question's (instance
 * 0: none), before they are dropped as out_of_order: the question's position is after the answer's
 * own. */
void strict_answer(struct rp_cluster *cluster, const struct read *read, int32_t outcome,
                   const char *before, const char *after, const struct facts *facts,
                   bool out_of_order);

#endif
