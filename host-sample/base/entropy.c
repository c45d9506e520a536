/*
 * entropy.c - see entropy.h.
 */
#include "entropy.h"

#include "plugin/read_policy.h"

#include <sys/random.h>

bool entropy_seed(uint64_t *state) {
    return getrandom(state, sizeof *state, 0) == sizeof *state;
}

uint64_t entropy_next(uint64_t *state) {
    return rp_random(state);
}
