/*
 * gather.h - when reads that are to be located stop to gather, and the locate goes.
 *
 * A locate costs the primary as much for one read as for many, and the reads that share it, a
 * round, go to their replica as a group, which costs that less, too. (PostgreSQL's commit_delay
 * does the same for the flush of commits.) So while a round is with its replicas, the next ones
 * gather. When it is back, its clients may soon come again: as many are waited for as were under
 * way together. After a round that waited in vain the next ones do not. All this ends a millisecond
 * after the locate was answered. Only time is at stake: each read is located after it began.
 */
#ifndef CLUSTER_GATHER_H
#define CLUSTER_GATHER_H

#include "cluster.h"

void gather_init(struct rp_cluster *cluster);

/* A locate is sent for all that have gathered, who leave `locating` then; it is answered. */
void gather_ends(struct rp_cluster *cluster);
void gather_located(struct rp_cluster *cluster);

/* The read goes to a replica, for the first time since it was, or will be, located. */
void gather_read_out(struct rp_cluster *cluster, struct read *read);

void gather_count_back(struct rp_cluster *cluster, struct read *read);

/* It is there no longer; or never was. */
static inline void gather_read_back(struct rp_cluster *cluster, struct read *read) {
    if (read->round != 0) {
        gather_count_back(cluster, read);
    }
}

/* Whether the locate is to wait. Sets the timer for that. */
bool gather_goes_on(struct rp_cluster *cluster);

#endif
