/*
 * proofs.h - what an answer proves, given what is known about the server that gave it.
 *
 * Everything here is a question of "known and the same": what is unknown proves nothing.
 */
#ifndef CLUSTER_PROOFS_H
#define CLUSTER_PROOFS_H

#include "cluster.h"

/* The position by which a replica's answer may prove that a row is absent, facts being what it said
 * before it, in the same transaction; 0: none. Known and the same: the isolation READ COMMITTED; in
 * recovery; the primary's system, and the timeline (lower bound, upper bound and the primary's)
 * that the read was located on, by the same primary instance; compared with that primary; and no
 * other server claims to be the primary. It is not known to sort otherwise. */
uint64_t proof_position(const struct rp_cluster *cluster, const struct read *read,
                        const struct facts *facts);

/* The position by which a replica's answer may satisfy a floor; 0: none. Its timeline is known to
 * be at least the one that is remembered, and it is not known to sort otherwise than the primary.
 */
uint64_t floor_position(const struct rp_cluster *cluster, uint32_t server,
                        const struct facts *facts);

/* False: an index on text, in the primary's order, may hide rows that are there, for the instance
 * sorts by another version of the collation. */
bool sorts_as_primary(const struct rp_cluster *cluster, const struct instance *instance);

/* Why an answer is not the primary's, facts being what the server said before it; NULL: it is. */
const char *why_leader_does_not_count(const struct rp_cluster *cluster, uint32_t server,
                                      const struct facts *facts);

/* Why a primary's answer that a row is missing does not count, nor one for a floor; NULL: they do,
 * whatever the floor. Its statement has a snapshot of its own, too: that of a transaction which was
 * there before the read may lack what was committed since. */
const char *why_primary_is_not_sure(const struct rp_cluster *cluster, uint32_t server,
                                    const struct facts *facts);

/* A primary's inserted position as a standby can reach it; 0: unknown. */
uint64_t reachable_position(const struct rp_cluster *cluster, uint32_t server, uint64_t inserted);

#endif
