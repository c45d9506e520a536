/*
 * budget.c - GCRA on one atomic word.
 */
#include "budget.h"

static void forget_old_debt(struct rp_budget *budget, uint64_t now_ns) {
    uint64_t limit = atomic_exchange_explicit(&budget->debt_limit_ns, 0, memory_order_relaxed);
    uint64_t empty = limit == 0 ? UINT64_MAX : now_ns + limit; /* 0: another thread was faster */
    uint64_t seen = atomic_load_explicit(&budget->full_at_ns, memory_order_relaxed);
    while (seen > empty &&
           !atomic_compare_exchange_weak_explicit(&budget->full_at_ns, &seen, empty,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

bool budget_admit(struct rp_budget *budget, uint64_t now_ns) {
    uint64_t rate = atomic_load_explicit(&budget->rate, memory_order_relaxed);
    uint64_t interval_ns = rate & UINT32_MAX;
    uint64_t burst_ns = (rate >> 32) * interval_ns;
    if (interval_ns == 0) {
        return true;
    }
    if (atomic_load_explicit(&budget->debt_limit_ns, memory_order_relaxed) != 0) {
        forget_old_debt(budget, now_ns);
    }
    uint64_t seen = atomic_load_explicit(&budget->full_at_ns, memory_order_relaxed);
    uint64_t full_at;
    do {
        full_at = seen > now_ns ? seen : now_ns;
        if (full_at - now_ns + interval_ns > burst_ns) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget->full_at_ns, &seen,
                                                    full_at + interval_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void budget_set_rate(struct rp_budget *budget, uint64_t interval_ns, uint64_t burst) {
    uint64_t rate = burst << 32 | interval_ns;
    uint64_t before = atomic_exchange_explicit(&budget->rate, rate, memory_order_relaxed);
    if (before != rate) {
        atomic_store_explicit(&budget->debt_limit_ns, burst * interval_ns, memory_order_relaxed);
    }
}
