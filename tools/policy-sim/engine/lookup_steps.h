/*
 * lookup_steps.h - one lookup does what the policy's steps say.
 */
#ifndef LOOKUP_STEPS_H
#define LOOKUP_STEPS_H

#include "process.h"

void lookup_begin(struct host_process *process, struct lookup *lookup,
                  const struct arrival *arrival);

/* All that follow report the result of the step under way, which may end the lookup: it is then
 * released. */

/* Its read has come to the server's snapshot, and its answer has arrived. */
void lookup_snapshot(struct host_process *process, struct lookup *lookup, uint16_t server);
void lookup_answered(struct host_process *process, struct lookup *lookup);

/* Its wait is over, or its await has timed out. */
void lookup_timer(struct host_process *process, struct lookup *lookup);

/* Ends it as the host does at its own timeout: failed. */
void lookup_give_up(struct host_process *process, struct lookup *lookup);

#endif
