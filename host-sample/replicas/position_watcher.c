/*
 * position_watcher.c - polls the replay position while reads wait for it.
 */
#include "position_watcher.h"

#include "host-sample/base/container_of.h"
#include "host-sample/base/counter.h"
#include "host-sample/base/monotonic.h"

#include <stddef.h>

/* A standby near its primary replays a commit within a millisecond. One that has not done so after
 * many polls is far behind, and is asked less often. */
#define POLL_NS      UINT64_C(1000000)
#define SLOW_POLL_NS UINT64_C(5000000)
#define QUICK_POLLS  64

static void ask(struct position_watcher *watcher) {
    if (!pg_statement_is_submitted(&watcher->statement)) {
        counter_add(watcher->poll_counter, 1);
        pg_server_submit(watcher->replica, &watcher->statement);
    }
}

static void pause_over(struct wake_up *pause) {
    struct position_watcher *watcher = container_of(pause, struct position_watcher, pause);
    if (!TAILQ_EMPTY(&watcher->waiting)) {
        ask(watcher);
    }
}

static void answered(struct pg_statement *statement, struct pg_reply *reply) {
    struct position_watcher *watcher = container_of(statement, struct position_watcher, statement);
    uint64_t position = reply->status == PG_REPLY_ROWS ? reply->position : 0;
    /* Reads that join within a callback come after `last`, and wait for the next answer. */
    struct position_wait *last = TAILQ_LAST(&watcher->waiting, position_wait_list);
    struct position_wait *wait = TAILQ_FIRST(&watcher->waiting);
    while (wait != NULL) {
        struct position_wait *next = wait == last ? NULL : TAILQ_NEXT(wait, entry);
        if (position == 0 || position >= wait->target) {
            position_watcher_leave(wait);
            wait->done(wait, position == 0 ? POSITION_UNKNOWN : POSITION_REACHED, position);
        }
        wait = next;
    }
    if (TAILQ_EMPTY(&watcher->waiting)) {
        watcher->polls_in_a_row = 0;
        return;
    }
    watcher->polls_in_a_row++;
    wake_up_set(watcher->wake_ups, &watcher->pause,
                monotonic_ns() + (watcher->polls_in_a_row < QUICK_POLLS ? POLL_NS : SLOW_POLL_NS));
}

void position_watcher_init(struct position_watcher *watcher, struct wake_ups *wake_ups,
                           struct pg_server *replica, _Atomic uint64_t *counter) {
    *watcher = (struct position_watcher){
        .wake_ups = wake_ups, .replica = replica, .poll_counter = counter};
    watcher->statement.kind = PG_POSITION;
    watcher->statement.done = answered;
    TAILQ_INIT(&watcher->waiting);
    watcher->pause.woken = pause_over;
}

void position_watcher_stop(struct position_watcher *watcher) {
    wake_up_clear(&watcher->pause);
    pg_statement_forget(&watcher->statement);
}

void position_watcher_join(struct position_watcher *watcher, struct position_wait *wait) {
    wait->watcher = watcher;
    TAILQ_INSERT_TAIL(&watcher->waiting, wait, entry);
    if (watcher->pause.owner == NULL) {
        ask(watcher);
    }
}

void position_watcher_leave(struct position_wait *wait) {
    if (wait->watcher != NULL) {
        TAILQ_REMOVE(&wait->watcher->waiting, wait, entry);
        wait->watcher = NULL;
    }
}
