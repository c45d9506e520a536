/*
 * systems.h - which system counts, and whether all are read in the same database of it.
 */
#ifndef CLUSTER_SYSTEMS_H
#define CLUSTER_SYSTEMS_H

#include "cluster.h"

/* The expected primary's; without one, that of the first server that was seen out of recovery. It
 * changes with the expected primary, if nobody else leads the old one; without one when all servers
 * answer, and are of one other system. */
void systems_judge(struct rp_cluster *cluster);

/* A server that answers is out of recovery in the system that counts. */
bool systems_ours_is_led(const struct rp_cluster *cluster);

/* Out of recovery in two systems, where nobody says which of them counts. */
bool systems_are_two(const struct rp_cluster *cluster);

/* Whether all are connected to the same database; which one is meant, nobody can tell. */
void systems_judge_databases(struct rp_cluster *cluster);

/* Connected to another database than the primary. */
bool systems_is_elsewhere(const struct rp_cluster *cluster, const struct server *server);

#endif
