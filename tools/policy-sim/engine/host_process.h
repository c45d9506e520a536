/*
 * host_process.h - one process of the host: it does what its cluster says, in virtual time.
 *
 * It has its own set (so its own budget), its own cluster, and its own links to each server.
 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include "policy_text.h"
#include "process.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens a set and a cluster of its own; every server has been asked when this returns. The section
 * must be in the file. False with the errors, one a line. */
bool host_process_open(struct host_process *process, struct world *world, uint32_t index,
                       const struct policy_text *policies, const char *section, char *err,
                       uint32_t err_length);

/* Adds what its cluster has counted to the figures. */
void host_process_count(const struct host_process *process);

void host_process_close(struct host_process *process);

void host_process_arrival(struct host_process *process, const struct arrival *arrival);

/* An event of this process: any but EVENT_ARRIVAL and EVENT_TICK. */
void host_process_event(struct host_process *process, const struct sim_event *event);

#endif
