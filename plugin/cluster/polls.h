/*
 * polls.h - when a server is asked who and where it is, and what has its turn to be asked.
 */
#ifndef CLUSTER_POLLS_H
#define CLUSTER_POLLS_H

#include "cluster.h"

/* Such a question is asked as soon as possible; if one is under way, once more after that. */
void ask_enqueue(struct rp_cluster *cluster, struct server *server, enum ask_kind kind);

/* The same for a poll, and the next one by the timer is counted from now. */
void polls_prompt(struct rp_cluster *cluster, uint32_t server);

/* Where it is, is asked by the short question, unless that is under way or has a time of its own.
 */
void polls_position(struct rp_cluster *cluster, struct server *server);

/* Timer. */
void polls_is_due(struct rp_cluster *cluster, struct server *server);

#endif
