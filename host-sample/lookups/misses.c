/*
 * misses.c - see misses.h.
 */
#include "misses.h"

#include <time.h>

void misses_add(struct misses *misses, const struct miss *miss) {
    struct timespec now;
    if (pthread_mutex_trylock(&misses->lock) != 0) {
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct miss *oldest = &misses->ring[misses->seen++ % MISSES_KEPT];
    *oldest = *miss;
    oldest->unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    (void)pthread_mutex_unlock(&misses->lock);
}

uint32_t misses_copy(struct misses *misses, struct miss out[MISSES_KEPT]) {
    (void)pthread_mutex_lock(&misses->lock);
    const uint32_t count = misses->seen < MISSES_KEPT ? (uint32_t)misses->seen : MISSES_KEPT;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = misses->ring[(misses->seen - 1 - i) % MISSES_KEPT];
    }
    (void)pthread_mutex_unlock(&misses->lock);
    return count;
}
