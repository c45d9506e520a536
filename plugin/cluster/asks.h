/*
 * asks.h - questions to servers: polls of everybody, locates of the primary, watches of replicas
 * whose position is awaited.
 *
 * One question of each kind is under way at most for each server, whoever waits for its answer.
 */
#ifndef CLUSTER_ASKS_H
#define CLUSTER_ASKS_H

#include "cluster.h"

/* A server was added, or changed: it is asked at once, from the probe on. */
void asks_begin(struct rp_cluster *cluster, uint32_t server);

/* A server is taken out: its questions are dropped, and whoever waits for it is told. */
void asks_end(struct rp_cluster *cluster, uint32_t server);

/* It is asked as soon as may be; if a question is under way, once more behind it. */
void asks_prompt(struct rp_cluster *cluster, uint32_t server);

/* The read waits for the primary's position; its report comes. A locate is shared by those that
 * began to wait before it was asked, and by no one else. */
void asks_locate(struct rp_cluster *cluster, struct read *read);

/* The read waits for its server to have replayed `target`; its report comes. */
void asks_await(struct rp_cluster *cluster, struct read *read, uint64_t target);

/* Whether the server is known to have come as far. */
bool asks_has_reached(const struct rp_cluster *cluster, uint32_t server, uint64_t target);

/* Something was heard of the server: whoever awaits a position there may go on. */
void asks_wake(struct rp_cluster *cluster, uint32_t server);

/* Makes ready what is to be asked now. */
void asks_prepare(struct rp_cluster *cluster);

/* The next question to send. False: none. */
bool asks_next(struct rp_cluster *cluster, struct rp_action *action);

void asks_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *answer);

/* Timers. */
void asks_poll_is_due(struct rp_cluster *cluster, struct server *server);
void asks_watch_is_due(struct rp_cluster *cluster, struct server *server);
void asks_limit_is_over(struct rp_cluster *cluster, struct ask *ask);

#endif
