/*
 * machine.h - runs a plan: begin and next of the plugin's table. See read_policy.h for the
 * contract.
 *
 * Pure: no clock, no random number, no lock, no allocation, no system call; the only shared state
 * that is written are the section's counters and its budget word.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "plan.h"
#include "read_policy.h"

#include <stdbool.h>

const struct rp_step *machine_begin(const struct rp_policy *policy,
                                    const struct rp_request *request, struct rp_read *read);
const struct rp_step *machine_next(struct rp_read *read, const struct rp_report *report);

/*
 * The same for a cluster, which has checked its host's arguments, and whose read is large enough.
 * begin_known: with what the cluster knows better than the request, of which it takes entropy and
 * position; deadline_ns is not 0. found: RP_FOUND, without a position, for a read that has no floor
 * and is not done.
 */
const struct rp_step *machine_begin_known(const struct rp_plan *plan,
                                          const struct rp_request *request, uint64_t now_ns,
                                          uint64_t deadline_ns, uint32_t replicas, uint32_t flags,
                                          struct rp_read *read);
const struct rp_step *machine_found(struct rp_read *read, uint64_t now_ns);

/* Whether the answer is to hold all that was acknowledged before the read began (when = always). */
bool machine_is_current(const struct rp_read *read);

#endif
