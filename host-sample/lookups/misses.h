/*
 * misses.h - the last lookups that were no plain hits, for whoever looks at the status.
 *
 * [thread-safe]. Writers never wait: what comes while another thread reads or writes is left out.
 */
#ifndef MISSES_H
#define MISSES_H

#include "friendly_id.h"

#include <pthread.h>
#include <stdint.h>

enum { MISSES_KEPT = 16 };

struct miss {
    int64_t unix_ms;
    int32_t verdict;   /* enum rp_verdict */
    int32_t served_by; /* enum rp_served_by */
    char run[FRIENDLY_ID_MAX_BYTES + 1];
    char snapshot[FRIENDLY_ID_MAX_BYTES + 1];
    char failed_during[32]; /* "": nothing has */
    char text[336];         /* why, for people: a message, and what the server said */
};

struct misses {
    pthread_mutex_t lock;
    uint64_t seen;
    struct miss ring[MISSES_KEPT];
};

/* The time is taken here. */
void misses_add(struct misses *misses, const struct miss *miss);

/* Copies them, the newest first; returns how many. */
uint32_t misses_copy(struct misses *misses, struct miss out[MISSES_KEPT]);

#endif
