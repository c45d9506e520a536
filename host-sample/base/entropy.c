/*
 * entropy.c - see entropy.h.
 */
#include "entropy.h"

#include <sys/random.h>

bool entropy_seed(uint64_t *state) {
    return getrandom(state, sizeof *state, 0) == sizeof *state;
}

uint64_t entropy_next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
