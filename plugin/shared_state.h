/*
 * shared_state.h - what a section writes while it is read: counters and the budget. It is the
 * policy's own, or lies in memory that the host shares between processes.
 *
 * The shared memory holds a header and then one entry for each section, found by its name. It holds
 * no pointers, so that every process may map it elsewhere, and is changed by 8-byte atomics only:
 * there is no lock that a process which dies could leave taken, and no moment at which one that
 * attaches would see a half-made entry as its own.
 */
#ifndef SHARED_STATE_H
#define SHARED_STATE_H

#include "budget.h"
#include "ends.h"

/* Room for counters to come, so that they do not move the entries of older versions. */
#define STATE_COUNTERS 16u

struct section_state {
    _Atomic uint64_t counters[STATE_COUNTERS]; /* enum rp_counter; the rest is 0 */
    struct rp_budget budget;
    uint64_t reserved[5];
};

struct shared_memory;

/* As `shared_bytes` of the plugin's table, see read_policy.h. */
uint64_t shared_bytes(uint32_t sections);

/*
 * Makes fresh memory (all zero) ready, or finds that it is. Any number of processes may do so at
 * once. Returns NULL if the memory cannot be used, and then says why in err, as read_policy.h says
 * of `share`.
 */
struct shared_memory *shared_attach(void *memory, uint64_t bytes, char *err, uint32_t errlen);

/*
 * The state of that section, the same for all processes; a name that is not there yet takes the
 * next free entry, for good. NULL if all entries are taken by others.
 */
struct section_state *shared_section(struct shared_memory *shared, const char *name);

#endif
