/*
 * host_process.h - one process of the host: its lookups follow the policy's steps, in virtual time.
 *
 * It works as the sample host does: its own set (so its own budget) and its own links to each
 * server; one question for the primary's position at a time, shared by all lookups that were
 * waiting before it was asked; for each replica one watcher, which asks for its position while a
 * lookup awaits one.
 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include "process.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens a set of its own. Errors as of rp_plugin.open; the section must be in the file. */
bool host_process_open(struct host_process *process, struct world *world, uint32_t index,
                       const char *file, const char *section, char *err, uint32_t err_length);
void host_process_close(struct host_process *process);

void host_process_arrival(struct host_process *process, const struct arrival *arrival);

/* An event of this process: any but EVENT_ARRIVAL and EVENT_TICK. */
void host_process_event(struct host_process *process, const struct sim_event *event);

#endif
