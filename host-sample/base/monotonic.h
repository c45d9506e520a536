/*
 * monotonic.h - the time that never jumps, for timeouts and for the plugin.
 */
#ifndef MONOTONIC_H
#define MONOTONIC_H

#include <stdint.h>
#include <time.h>

/* [thread-safe]. No system call where the kernel has a vDSO. */
static inline uint64_t monotonic_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock is always there */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t monotonic_ms(void) {
    return monotonic_ns() / 1000000;
}

#endif
