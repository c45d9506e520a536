/*
 * budget.c - GCRA on one atomic word.
 */
#include "budget.h"

/* Clocks of threads that read the same monotonic clock differ by less than this. */
#define MAX_CLOCK_SKEW_NS UINT64_C(1000000000)

bool budget_admit(_Atomic uint64_t *full_at_ns, uint64_t interval_ns, uint64_t burst_ns,
                  uint64_t now_ns) {
    if (interval_ns == 0) {
        return true;
    }
    uint64_t seen = atomic_load_explicit(full_at_ns, memory_order_relaxed);
    for (;;) {
        uint64_t full_at = seen > now_ns ? seen : now_ns;
        uint64_t debt = full_at - now_ns;
        bool admitted = debt + interval_ns <= burst_ns;
        uint64_t next;
        if (admitted) {
            next = full_at + interval_ns;
        } else if (debt > burst_ns && debt - burst_ns > MAX_CLOCK_SKEW_NS) {
            /* Further in debt than this rate can get anybody: the word was written under an older,
             * slower rate. An empty bucket of today's rate takes its place; otherwise whoever
             * raises the budget during an incident would wait for the old debt to be paid. */
            next = now_ns + burst_ns;
        } else {
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(full_at_ns, &seen, next, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            return admitted;
        }
    }
}
