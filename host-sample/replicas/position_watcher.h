/*
 * position_watcher.h - watches how far one replica has replayed, on behalf of all reads that wait
 * for it.
 *
 * Runs only while reads wait: one position question at a time, each a moment after the last answer.
 * A read that waits sets its own timer for when it gives up. Where a server can wait by itself
 * (WAIT FOR LSN), this is the place to use it.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef POSITION_WATCHER_H
#define POSITION_WATCHER_H

#include "host-sample/base/wake_ups.h"
#include "host-sample/postgres/server.h"

#include <stdatomic.h>

enum position_wait_end {
    POSITION_REACHED,
    POSITION_UNKNOWN /* the replica did not answer, or does not report its position */
};

struct position_watcher;

struct position_wait {
    uint64_t target;
    void (*done)(struct position_wait *wait, enum position_wait_end end, uint64_t position);
    struct position_watcher *watcher; /* non-NULL exactly while waiting */
    TAILQ_ENTRY(position_wait) entry;
};
TAILQ_HEAD(position_wait_list, position_wait);

struct position_watcher {
    struct wake_ups *wake_ups;
    struct pg_server *replica;
    struct pg_statement statement;
    struct wake_up pause; /* between an answer and the next question */
    struct position_wait_list waiting;
    uint32_t polls_in_a_row; /* since the watcher last woke up */
    _Atomic uint64_t *poll_counter;
};

void position_watcher_init(struct position_watcher *watcher, struct wake_ups *wake_ups,
                           struct pg_server *replica, _Atomic uint64_t *counter);
void position_watcher_stop(struct position_watcher *watcher);

/* `done` is called once, later, unless position_watcher_leave comes first. The memory is the
 * caller's; target and done are set by it. */
void position_watcher_join(struct position_watcher *watcher, struct position_wait *wait);
void position_watcher_leave(struct position_wait *wait);

#endif
