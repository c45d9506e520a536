/*
 * slot.h - one section of a set, as it lives from open to close: what struct rp_policy is.
 *
 * The slot publishes its current plan atomically. Counters and the budget belong to the section,
 * not to a plan: they survive reloads.
 */
#ifndef SLOT_H
#define SLOT_H

#include "budget.h"
#include "plan.h"
#include "verdicts.h"

#include <stdatomic.h>

#define CACHE_LINE_BYTES 64

struct rp_policy {
    _Atomic(struct rp_plan *) current; /* written by open and reload, read by begin */
    _Atomic(struct rp_policy *) next;  /* the set's list; appended to by reload */
    char name[INI_MAX_SECTION_BYTES + 1];
    struct rp_plan *staged; /* during a reload: the plan to be published, or NULL */
    /* Written on misses. Kept off the line above, which every read of every thread looks at. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t counters[COUNTER_COUNT];
    struct rp_budget budget;
};

#endif
