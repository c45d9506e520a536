/*
 * beside.h - reads that go to a replica beside their locate, or before it is known whether the
 * position is reached.
 *
 * Both take a round trip less where the replica keeps up: the answer says itself whether the
 * position was reached. Where it was not, they cost one more.
 */
#ifndef CLUSTER_BESIDE_H
#define CLUSTER_BESIDE_H

#include "cluster.h"

/* What was to be read beside the locate, or was, is not wanted any more. */
void beside_end(struct rp_cluster *cluster, struct read *read);

/* The step concerns this replica: what went to another one beside the locate is of no use. */
void beside_take(struct rp_cluster *cluster, struct read *read);

/* The next one that goes beside its locate; NULL: none. Who may be read is known now: it may have
 * changed since the read began to wait for its locate. */
struct read *beside_next(struct rp_cluster *cluster);

/* Whether it goes as soon as the position is located: a round trip later than beside the locate,
 * which still spares the question whether the position is reached. */
bool beside_goes_early(const struct rp_cluster *cluster, const struct read *read);

/* What came of it: whether the replica had reached the position. */
void beside_note(const struct rp_cluster *cluster, const struct read *read, bool reached);

#endif
