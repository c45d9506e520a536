/*
 * lookup_steps.h - one lookup does what the policy's steps say.
 */
#ifndef LOOKUP_STEPS_H
#define LOOKUP_STEPS_H

#include "host_process.h"

void lookup_begin(struct host_process *process, struct lookup *lookup,
                  const struct arrival *arrival);

/* Reports the result of the step under way. May end the lookup, which is then released. */
void lookup_report(struct host_process *process, struct lookup *lookup, int32_t outcome,
                   uint64_t position);

/* Its read has come to the server's snapshot, and its answer has arrived. */
void lookup_snapshot(struct host_process *process, struct lookup *lookup, uint16_t server);
void lookup_answered(struct host_process *process, struct lookup *lookup);

/* Its wait is over, or its await has timed out. */
void lookup_timer(struct host_process *process, struct lookup *lookup);

/* Ends it as the host does at its own timeout: failed. */
void lookup_give_up(struct host_process *process, struct lookup *lookup);

static inline struct lookup *lookup_of_waiter(struct waiter *waiter) {
    return (struct lookup *)((char *)waiter - offsetof(struct lookup, waiter));
}

#endif
