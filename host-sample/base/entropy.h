/*
 * entropy.h - random bits for jitter and for spreading reads; not for secrets.
 *
 * The generator of read_policy.h, seeded once from the kernel: a draw costs a nanosecond,
 * arc4random hundreds.
 */
#ifndef ENTROPY_H
#define ENTROPY_H

#include <stdbool.h>
#include <stdint.h>

/* [one thread for each state] */
bool entropy_seed(uint64_t *state);
uint64_t entropy_next(uint64_t *state);

#endif
