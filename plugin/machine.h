/*
 * machine.h - runs a plan: begin and next of the plugin's table. See read_policy.h for the
 * contract.
 *
 * Pure: no clock, no random number, no lock, no allocation, no system call; the only shared state
 * that is written are the section's counters and its budget word.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "read_policy.h"

const struct rp_step *machine_begin(const struct rp_policy *policy,
                                    const struct rp_request *request, struct rp_read *read);
const struct rp_step *machine_next(struct rp_read *read, const struct rp_report *report);

#endif
