/*
 * policy.h - one section of a set, as it lives from open to close: what struct rp_policy is.
 *
 * The policy publishes its current plan atomically. Counters and the budget belong to the section,
 * not to a plan: they survive reloads, and may be shared with other processes.
 */
#ifndef POLICY_H
#define POLICY_H

#include "hot.h"
#include "plan.h"
#include "shared_state.h"

#include <stdatomic.h>

struct rp_policy {
    _Atomic(struct rp_plan *) current; /* written by open and reload, read by begin */
    _Atomic(struct rp_policy *) next;  /* the set's list; appended to by reload */
    char name[INI_MAX_SECTION_BYTES + 1];
    struct rp_plan *staged;      /* during a reload: the plan to be published, or NULL */
    struct section_state *state; /* own, or in memory that processes share; set before any read */
    /* Written on misses. Kept off the line above, which every read of every thread looks at. */
    _Alignas(CACHE_LINE_BYTES) struct section_state own;
};

#endif
