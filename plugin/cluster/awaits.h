/*
 * awaits.h - reads that await a position of their replica: it is watched, by questions, or told to
 * wait, where it can answer by itself when it has got that far.
 */
#ifndef CLUSTER_AWAITS_H
#define CLUSTER_AWAITS_H

#include "cluster.h"

/* A wait lasts so long at most: a connection is busy until then, wanted or not. */
#define AWAITS_WAIT_MS 200u

/* The read waits for its server to have replayed `target`; its report comes. */
void awaits_begin(struct rp_cluster *cluster, struct read *read, uint64_t target);

/* Whether the server is known to have got that far. */
bool awaits_has_reached(const struct rp_cluster *cluster, uint32_t server, uint64_t target);

/* Whether it may be asked how far it has got, and has told before. */
bool awaits_can_tell(const struct rp_cluster *cluster, uint32_t server);

/* The server has answered: reads that await a position there may go on. */
void awaits_wake(struct rp_cluster *cluster, uint32_t server);

/* Where it is was asked in vain: their reports, and who awaits a position next has it asked a
 * little later. */
void awaits_watch_failed(struct rp_cluster *cluster, struct server *server);

/* Nothing more will be known of where it is: their reports. */
void awaits_fail(struct rp_cluster *cluster, struct server *server, const char *reason);

/* The text of a wait for the nearest position that a read awaits. NULL: none does any more. */
const char *awaits_wait_text(struct server *server);

/* A wait has ended, with whatever outcome. */
void awaits_waited(struct rp_cluster *cluster, struct ask *ask, int32_t outcome,
                   const char *answer);

/* A watch has ended: the position that it was asked for is known, or was not told. */
void awaits_watched(struct rp_cluster *cluster, struct server *server);

/* Timer: the next watch. */
void awaits_watch_is_due(struct rp_cluster *cluster, struct server *server);

#endif
