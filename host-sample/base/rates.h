/*
 * rates.h - how fast counters grew lately: samples of them, one a second, ten seconds back.
 *
 * Pure: time and values come in. [one thread at a time] for each.
 */
#ifndef RATES_H
#define RATES_H

#include <stdint.h>

enum { RATES_SAMPLES = 11, RATES_VALUES = 80 };

struct rates_sample {
    uint64_t at_ns; /* by the monotonic clock */
    uint64_t values[RATES_VALUES];
};

/* All zero at first. */
struct rates {
    struct rates_sample samples[RATES_SAMPLES]; /* a ring */
    uint32_t count;
    uint32_t next;
};

void rates_add(struct rates *rates, const struct rates_sample *sample);

/* By how much the value of that index grew a second, from the oldest sample until `now`; negative
 * if there is no sample of half a second ago. */
double rates_per_s(const struct rates *rates, const struct rates_sample *now, uint32_t index);

#endif
