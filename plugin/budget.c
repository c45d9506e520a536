/*
 * budget.c - GCRA on one atomic word.
 */
#include "budget.h"

/* Reads under this rate never owe more than the burst, give or take what the clocks of their
 * threads are apart. More is the debt of another rate, and whoever changed it was killed before it
 * could say how much of that may stay. */
#define APART_NS UINT64_C(1000000000)

static void forget_foreign_debt(struct rp_budget *budget, uint64_t seen, uint64_t most) {
    if (seen > most && seen - most > APART_NS) {
        (void)atomic_compare_exchange_strong_explicit(&budget->full_at_ns, &seen, most,
                                                      memory_order_relaxed, memory_order_relaxed);
    }
}

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
            forget_foreign_debt(budget, seen, now_ns + burst_ns);
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

struct budget_state budget_look(const struct rp_budget *budget, uint64_t now_ns) {
    const uint64_t rate = atomic_load_explicit(&budget->rate, memory_order_relaxed);
    const uint64_t full_at = atomic_load_explicit(&budget->full_at_ns, memory_order_relaxed);
    struct budget_state state = {.interval_ns = rate & UINT32_MAX, .burst = (uint32_t)(rate >> 32)};
    const uint64_t burst_ns = state.burst * state.interval_ns;
    /* An old debt that the next call of budget_admit would cut leaves nothing either. */
    const uint64_t debt_ns = full_at > now_ns ? full_at - now_ns : 0;
    if (state.interval_ns != 0 && burst_ns > debt_ns) {
        state.left = (uint32_t)((burst_ns - debt_ns) / state.interval_ns);
    }
    return state;
}
