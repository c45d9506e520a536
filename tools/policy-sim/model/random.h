/*
 * random.h - the simulator's own random numbers: integers, the same on every machine.
 *
 * The generator of read_policy.h. Each use has its own stream, so that one more draw in one place
 * shifts no other. [thread-safe] for different streams.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

struct random_stream {
    uint64_t state; /* see rp_random */
};

/* Stream number `number` of the seed. */
struct random_stream random_begin(uint64_t seed, uint64_t stream);

uint64_t random_next(struct random_stream *stream);

/* Uniform in [min, max]. */
uint64_t random_uniform(struct random_stream *stream, uint64_t min, uint64_t max);

/* Exponentially distributed. mean: below 2^63; results that would exceed 2^63 are cut there. */
uint64_t random_exponential(struct random_stream *stream, uint64_t mean);

#endif
