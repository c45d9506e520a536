/*
 * rates.c - see rates.h.
 */
#include "rates.h"

#define SHORTEST_NS UINT64_C(500000000)

void rates_add(struct rates *rates, const struct rates_sample *sample) {
    rates->samples[rates->next] = *sample;
    rates->next = (rates->next + 1) % RATES_SAMPLES;
    if (rates->count < RATES_SAMPLES) {
        rates->count++;
    }
}

double rates_per_s(const struct rates *rates, const struct rates_sample *now, uint32_t index) {
    const uint32_t first = rates->count < RATES_SAMPLES ? 0 : rates->next;
    const struct rates_sample *oldest = &rates->samples[first];
    if (rates->count == 0 || now->at_ns < oldest->at_ns + SHORTEST_NS) {
        return -1;
    }
    const uint64_t before = oldest->values[index];
    const uint64_t grown = now->values[index] > before ? now->values[index] - before : 0;
    return (double)grown / ((double)(now->at_ns - oldest->at_ns) / 1e9);
}
