/*
 * reads.h - one read, from its start to its end: its actions, its timer, its verdict.
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

/* One of those that are to be sent, or may be; false: none may. One of those that are done. There
 * must be one. */
bool reads_send_one(struct rp_cluster *cluster, struct rp_action *action);
void reads_end_one(struct rp_cluster *cluster, struct rp_action *action);

/* The next read to send, and the next that is done. False: none, which most calls find. */
static inline bool reads_next(struct rp_cluster *cluster, struct rp_action *action) {
    const bool some = !TAILQ_EMPTY(&cluster->to_send) || !TAILQ_EMPTY(&cluster->beside);
    return some && reads_send_one(cluster, action);
}

static inline bool reads_next_done(struct rp_cluster *cluster, struct rp_action *action) {
    if (TAILQ_EMPTY(&cluster->done)) {
        return false;
    }
    reads_end_one(cluster, action);
    return true;
}

/* Its timer: the end of a wait, the limit of an action, or the deadline. */
void reads_timer(struct rp_cluster *cluster, struct read *read);

/* Roles have changed: reads that are to be sent to a server which may not serve them any more go
 * elsewhere. */
void reads_catch_strays(struct rp_cluster *cluster);

/* A server is taken out: reads that are out there go elsewhere. */
void reads_leave_server(struct rp_cluster *cluster, uint32_t server);

#endif
