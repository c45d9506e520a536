/*
 * lag_history.h - when the primary stood where, to tell how old a replica's position is.
 */
#ifndef LAG_HISTORY_H
#define LAG_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A replica that is further behind than so many different positions of the primary is known less
 * precisely: then every other one is forgotten. */
#define LAG_HISTORY_MAX 1048576u

struct lag_point {
    uint64_t position;
    uint64_t at_ns; /* when the primary was last seen there */
};

/* Positions that the replica has not reached yet, after the newest one that it has. */
struct lag_history {
    struct lag_point *points;
    size_t begin;
    size_t end;
};

/* False: out of memory. */
bool lag_history_init(struct lag_history *history);
void lag_history_free(struct lag_history *history);

/* The primary stood there. Times and positions must not fall. */
void lag_history_primary(struct lag_history *history, uint64_t position, uint64_t at_ns);

/* The replica stands there: how long ago the primary was last seen at a position not beyond it.
 * False if the replica is behind all that was seen of the primary. */
bool lag_history_replica(struct lag_history *history, uint64_t position, uint64_t now_ns,
                         uint64_t *lag_ns);

#endif
