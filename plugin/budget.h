/*
 * budget.h - the primary's budget: a token bucket in one atomic word.
 *
 * GCRA (generic cell rate algorithm, ITU-T I.371, in its virtual scheduling form): the word holds
 * the theoretical arrival time, the moment at which the bucket will be full again. No lock and no
 * timer; any number of threads.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: a full bucket. */
struct rp_budget {
    _Atomic uint64_t full_at_ns;
    _Atomic uint64_t debt_limit_ns; /* after a change of rate: the debt to keep at most; else 0 */
};

/*
 * Whether one more read is admitted now, and charged. [thread-safe]
 * interval_ns: between two reads at the long-term rate; 0 admits everything.
 * burst_ns: the burst (at least 1) times the interval.
 * In any time t at most burst + t / interval reads are admitted.
 */
bool budget_admit(struct rp_budget *budget, uint64_t interval_ns, uint64_t burst_ns,
                  uint64_t now_ns);

/*
 * To be called when another interval and burst begin to hold. The next call of budget_admit brings
 * a debt that the new rate could not have made down to an empty bucket: otherwise whoever raises
 * the budget during an incident would wait for the old debt to be paid. [thread-safe]
 */
void budget_change_rate(struct rp_budget *budget, uint64_t burst_ns);

#endif
