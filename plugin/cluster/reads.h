/*
 * reads.h - one read: the policy's steps become actions, answers become reports.
 */
#ifndef CLUSTER_READS_H
#define CLUSTER_READS_H

#include "cluster.h"

/* Begins it. NULL: max_reads are under way. */
struct read *reads_start(struct rp_cluster *cluster, const struct rp_policy *policy,
                         const struct rp_request *request, uint64_t tag);

/* It is no longer wanted. */
void reads_forget(struct rp_cluster *cluster, uint64_t id);

/* Reports the results of steps to the policies, until no read has news. */
void reads_take_reports(struct rp_cluster *cluster);

static inline bool reads_have_done(const struct rp_cluster *cluster) {
    return !TAILQ_EMPTY(&cluster->done);
}

static inline bool reads_have_more(const struct rp_cluster *cluster) {
    return !TAILQ_EMPTY(&cluster->to_send) || !TAILQ_EMPTY(&cluster->beside);
}

/* The next read to send, and the next that is done. False: none. */
bool reads_next(struct rp_cluster *cluster, struct rp_action *action);
bool reads_next_done(struct rp_cluster *cluster, struct rp_action *action);

void reads_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *before,
                  const char *after);

/* Its timer: the end of a wait, the limit of an action, or the deadline. */
void reads_timer(struct rp_cluster *cluster, struct read *read);

/* A server is taken out: reads that are out there go elsewhere. */
void reads_leave_server(struct rp_cluster *cluster, uint32_t server);

#endif
