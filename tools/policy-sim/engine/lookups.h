/*
 * lookups.h - one lookup: begins as a read of the cluster, does the reads that it is told to, ends.
 */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include "process.h"

/* A lookup arrives, or is repeated by its client. */
void lookup_arrives(struct host_process *process, const struct arrival *arrival);
void lookup_arrives_again(struct host_process *process, struct lookup *lookup);

/* What the cluster wants of it. */
void lookup_read(struct host_process *process, const struct rp_action *action);
void lookup_drop(struct host_process *process, const struct rp_action *action);
void lookup_done(struct host_process *process, const struct rp_action *action);

/* Its read has come to the server's snapshot, and its answer has arrived; handed to the cluster. */
void lookup_snapshot(struct host_process *process, const struct sim_event *event);
void lookup_answered(struct host_process *process, const struct sim_event *event);

#endif
