/*
 * splitmix64.h - splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", 2014), by the number of the draw. [thread-safe]
 */
#ifndef SPLITMIX64_H
#define SPLITMIX64_H

#include <stdint.h>

/* The draw number n of the generator that began with this seed; n from 1. */
static inline uint64_t splitmix64(uint64_t seed, uint64_t n) {
    uint64_t z = seed + n * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

#endif
