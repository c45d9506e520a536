/*
 * lag_history.h - how long it takes for a commit on the primary to be seen on the replica.
 *
 * The lag is the time from when the primary was first seen at a position to when the replica was
 * first seen to have reached it; while a position is not reached, the lag is at least as long as it
 * has been waiting. So a primary that pauses keeps the lag that its last commit met: a replica that
 * delays what it replays is behind for whatever is committed next, though it lacks nothing now.
 */
#ifndef LAG_HISTORY_H
#define LAG_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With more positions than this waiting for the replica, every other one is dropped, and the lag is
 * less precise. */
#define LAG_HISTORY_MAX 1048576u

struct lag_point {
    uint64_t position;
    uint64_t seen_ns; /* when the primary was first seen at it */
};

struct lag_history {
    struct lag_point *waiting; /* for the replica: a queue, the oldest first */
    size_t begin;
    size_t end;
    uint64_t primary; /* the primary's last position; 0: none yet */
    uint64_t lag_ns;  /* of the newest position that the replica has reached */
    bool known;       /* whether it has reached any */
};

/* False: out of memory. */
bool lag_history_init(struct lag_history *history);
void lag_history_free(struct lag_history *history);

/* The primary is at `position`. The first one is not counted: when it got there is unknown. */
void lag_history_primary(struct lag_history *history, uint64_t position, uint64_t now_ns);

/* The replica is at `position`; gives its lag. False if it has not reached any position yet. */
bool lag_history_replica(struct lag_history *history, uint64_t position, uint64_t now_ns,
                         uint64_t *lag_ns);

#endif
