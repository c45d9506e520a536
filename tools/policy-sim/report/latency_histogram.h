/*
 * latency_histogram.h - percentiles of any number of durations, in a fixed amount of memory.
 *
 * Buckets are 1/1024 of a power of two wide, so a percentile is at most 0.1 % below the true one;
 * the maximum is exact.
 */
#ifndef LATENCY_HISTOGRAM_H
#define LATENCY_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   1024u
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 54u)

struct latency_histogram {
    uint64_t count;
    uint64_t longest_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* An all-zero histogram is empty. */
void latency_histogram_add(struct latency_histogram *histogram, uint64_t ns);

/* The duration that `percent` of them do not exceed, by nearest rank; 0 if there is none. */
uint64_t latency_histogram_percentile(const struct latency_histogram *histogram, unsigned percent);

#endif
