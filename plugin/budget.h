/*
 * budget.h - the primary's budget: a token bucket in one atomic word.
 *
 * GCRA (generic cell rate algorithm, ITU-T I.371, in its virtual scheduling form): the word holds
 * the theoretical arrival time, the moment at which the bucket will be full again. No lock and no
 * timer; any number of threads, and of processes if the memory is shared.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: a full bucket, without a limit. */
struct rp_budget {
    _Atomic uint64_t rate; /* burst << 32 | interval in ns: one word, so that they go together */
    _Atomic uint64_t full_at_ns;
    _Atomic uint64_t debt_limit_ns; /* after a change of rate: the debt to keep at most; else 0 */
};

/*
 * Whether one more read is admitted now, and charged. [thread-safe]
 * In any time t at most burst + t / interval reads are admitted.
 */
bool budget_admit(struct rp_budget *budget, uint64_t now_ns);

/*
 * Sets the rate that holds from now on, for all threads and processes. [thread-safe] interval_ns:
 * between two reads at the long-term rate; 0 admits everything. burst: at least 1. Both are below
 * 2^32. If it is another rate than before, the next call of budget_admit cuts a debt that this rate
 * could not have made down to that of an empty bucket: otherwise a budget that is raised during an
 * incident would only help once the old debt is paid.
 */
void budget_set_rate(struct rp_budget *budget, uint64_t interval_ns, uint64_t burst);

/* The rate that is in force, and what it would admit at once now. [thread-safe] */
struct budget_state {
    uint64_t interval_ns; /* 0: no limit */
    uint32_t burst;
    uint32_t left; /* 0 without a limit */
};
struct budget_state budget_look(const struct rp_budget *budget, uint64_t now_ns);

#endif
