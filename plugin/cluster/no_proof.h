/*
 * no_proof.h - that a replica which is read can prove nothing is told, with the reason.
 */
#ifndef CLUSTER_NO_PROOF_H
#define CLUSTER_NO_PROOF_H

#include "cluster.h"

/* After each full answer of a server. What passes is not told, and nothing twice in a row. */
void no_proof_tell(struct rp_cluster *cluster, uint32_t index);

#endif
