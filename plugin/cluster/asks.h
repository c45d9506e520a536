/*
 * asks.h - questions to servers go out and are answered: polls of all, locates of the primary,
 * watches and waits of replicas whose position is awaited.
 *
 * For each server at most one question of each kind is under way, however many reads wait for it.
 */
#ifndef CLUSTER_ASKS_H
#define CLUSTER_ASKS_H

#include "cluster.h"

/* A server was added: it is asked at once, from the probe on. */
void asks_begin(struct rp_cluster *cluster, uint32_t server);

/* A server is taken out: its questions are dropped, and reads that wait for it get their report. */
void asks_end(struct rp_cluster *cluster, uint32_t server);

/* The read waits for the primary's position; its report comes. A locate is shared by the reads that
 * began to wait before it was asked, and by no others. */
void asks_locate(struct rp_cluster *cluster, struct read *read);

/* Whether there may be anything to ask, or to redial. */
static inline bool asks_have_work(const struct rp_cluster *cluster) {
    return (cluster->ask_queue[ASK_POLL] | cluster->ask_queue[ASK_LOCATE] |
            cluster->ask_queue[ASK_WATCH] | cluster->ask_queue[ASK_WAIT] | cluster->judge_again |
            cluster->redial_queue) != 0 ||
           !TAILQ_EMPTY(&cluster->locating);
}

/* Prepares what is to be asked now. */
void asks_prepare(struct rp_cluster *cluster);

/* The next question to send. False: none. */
bool asks_next(struct rp_cluster *cluster, struct rp_action *action);

void asks_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *answer);

/* Timer. */
void asks_limit_is_over(struct rp_cluster *cluster, struct ask *ask);

#endif
