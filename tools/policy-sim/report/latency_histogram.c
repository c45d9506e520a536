/*
 * latency_histogram.c - log-linear buckets.
 */
#include "latency_histogram.h"

#define STEP_BITS 10u

/* Below HISTOGRAM_STEPS a bucket is 1 ns; above, the leading bit and the STEP_BITS after it choose
 * the bucket.
 */
static uint32_t bucket_of(uint64_t ns) {
    if (ns < HISTOGRAM_STEPS) {
        return (uint32_t)ns;
    }
    uint32_t leading = 63u - (uint32_t)__builtin_clzll(ns);
    uint32_t shift = leading - STEP_BITS;
    uint32_t bucket = (shift << STEP_BITS) + (uint32_t)(ns >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t least_of(uint32_t bucket) {
    if (bucket < 2 * HISTOGRAM_STEPS) {
        return bucket;
    }
    uint32_t shift = (bucket >> STEP_BITS) - 1;
    return (uint64_t)(bucket - (shift << STEP_BITS)) << shift;
}

void latency_histogram_add(struct latency_histogram *histogram, uint64_t ns) {
    histogram->count++;
    histogram->buckets[bucket_of(ns)]++;
    if (ns > histogram->longest_ns) {
        histogram->longest_ns = ns;
    }
}

uint64_t latency_histogram_percentile(const struct latency_histogram *histogram, unsigned percent) {
    uint64_t rank =
        histogram->count / 100 * percent + (histogram->count % 100 * percent + 99) / 100;
    uint64_t passed = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        passed += histogram->buckets[bucket];
        if (passed >= rank) {
            return least_of(bucket);
        }
    }
    return histogram->longest_ns;
}
