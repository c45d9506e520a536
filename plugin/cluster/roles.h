/*
 * roles.h - who is who: what servers said of themselves becomes the system, the primary, the
 * replicas, and who is out.
 *
 * A server's role is what it said last, and nothing else: no configuration, no greeting and no
 * silence changes it. What follows from all of them together is judged anew whenever one says
 * something new.
 */
#ifndef CLUSTER_ROLES_H
#define CLUSTER_ROLES_H

#include "cluster.h"

/* A server has answered a question that was sent then. An answer that a later one has overtaken
 * changes nothing. */
void roles_heard(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                 uint64_t sent_event, uint64_t sent_ns);

/* A question was not answered. lost: the connection is; otherwise the time is up, and who is merely
 * silent may still be what it was. */
void roles_unheard(struct rp_cluster *cluster, uint32_t index, bool lost);

/* A question was answered by an error: it lives, and nothing else is known. */
void roles_refused(struct rp_cluster *cluster, uint32_t index);

/* It answers questions, but none that tells of itself. */
void roles_blind(struct rp_cluster *cluster, uint32_t index);

/* A read has learnt that the server is not in recovery. It is asked at once, and not read until it
 * has answered. */
void roles_uncertain(struct rp_cluster *cluster, uint32_t index);

/* The host has not called for long: whoever was asked before may be something else by now. */
void roles_woke(struct rp_cluster *cluster);

/* An operator's change to one server has been made. */
void roles_changed(struct rp_cluster *cluster);

/* System and timeline are forgotten once every server has been asked anew. */
void roles_forget(struct rp_cluster *cluster);

/* Another cluster of this host has a primary of that system on that timeline. */
void roles_heard_of(struct rp_cluster *cluster, uint64_t system, uint32_t timeline);

#endif
