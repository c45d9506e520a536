/*
 * unix_time.h - the time of day, for people and other machines. It may jump: monotonic.h does not.
 */
#ifndef UNIX_TIME_H
#define UNIX_TIME_H

#include <stdint.h>
#include <time.h>

/* [thread-safe] */
static inline int64_t unix_now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock is always there */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
