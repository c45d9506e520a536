/*
 * counter.h - numbers that any thread may read while others count: all relaxed, they order nothing.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

static inline uint64_t counter_value(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value) {
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* Of a counter that one thread alone writes: that needs no locked instruction. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t more) {
    counter_set(counter, counter_value(counter) + more);
}

static inline void counter_subtract(_Atomic uint64_t *counter, uint64_t less) {
    counter_set(counter, counter_value(counter) - less);
}

/* The same for a counter that several threads write. Both return what it was before. */
static inline uint64_t counter_add_shared(_Atomic uint64_t *counter, uint64_t more) {
    return atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static inline uint64_t counter_subtract_shared(_Atomic uint64_t *counter, uint64_t less) {
    return atomic_fetch_sub_explicit(counter, less, memory_order_relaxed);
}

#endif
