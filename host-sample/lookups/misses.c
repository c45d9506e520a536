/*
 * misses.c - see misses.h.
 */
#include "misses.h"

#include "host-sample/base/unix_time.h"

void misses_add(struct misses *misses, const struct miss *miss) {
    if (pthread_mutex_trylock(&misses->lock) != 0) {
        return;
    }
    struct miss *oldest = &misses->ring[misses->seen++ % MISSES_KEPT];
    *oldest = *miss;
    oldest->unix_ms = unix_now_ms();
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
