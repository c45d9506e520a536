/*
 * random.c - streams of one seed, and exponential draws without a logarithm.
 */
#include "random.h"

#include "plugin/read_policy.h"

__extension__ typedef unsigned __int128 uint128;

static uint64_t mix(uint64_t bits) {
    return rp_random_at(bits, 0);
}

struct random_stream random_begin(uint64_t seed, uint64_t stream) {
    return (struct random_stream){.state = mix(seed ^ mix(stream + 1))};
}

uint64_t random_next(struct random_stream *stream) {
    return rp_random(&stream->state);
}

uint64_t random_uniform(struct random_stream *stream, uint64_t min, uint64_t max) {
    return min + (uint64_t)(((uint128)random_next(stream) * ((uint128)(max - min) + 1)) >> 64);
}

/*
 * Von Neumann's method ("Various techniques used in connection with random digits", 1951), exact,
 * and with comparisons only: a run of falling uniform numbers that begins with x has an odd length
 * with probability exp(-x); each run of even length moves on by one whole mean. A logarithm would
 * differ in its last bit from one C library, or one processor, to the next.
 */
uint64_t random_exponential(struct random_stream *stream, uint64_t mean) {
    const uint64_t most = UINT64_C(1) << 63;
    uint128 whole = 0;
    for (;;) {
        uint64_t first = random_next(stream);
        uint64_t last = first;
        uint64_t next;
        unsigned length = 1;
        while ((next = random_next(stream)) < last) {
            last = next;
            length++;
        }
        if (length % 2 == 1) {
            uint128 drawn = whole + (((uint128)mean * first) >> 64);
            return drawn < most ? (uint64_t)drawn : most;
        }
        whole += mean;
    }
}
