/*
 * verdicts.h - what each end of a read means to the host.
 */
#ifndef VERDICTS_H
#define VERDICTS_H

#include "policy_kind.h"

/* The counters of a section. A new one is a line in counters.c too. */
enum rp_counter {
    COUNTER_MISS_REPLICA_RETRY,
    COUNTER_MISS_PRIMARY,
    COUNTER_PROVEN_ABSENT,
    COUNTER_PRIMARY_SHED,
    COUNTER_COUNT,
    COUNTER_NONE = COUNTER_COUNT
};

struct rp_verdict_entry {
    struct rp_step step;
    uint32_t counter; /* enum rp_counter that grows by one; COUNTER_NONE for most */
};

/* Indexed by enum rp_end; END_NONE is not used. */
extern const struct rp_verdict_entry rp_verdicts[END_COUNT];

/* Done steps for calls that break the header's contract, with a message that says how. */
extern const struct rp_step rp_bad_begin;
extern const struct rp_step rp_bad_next;

#endif
