/*
 * turns.c - see turns.h.
 */
#include "turns.h"

#include <event2/event.h>

/* A timer and not event_active: what is made active runs before the loop looks at the sockets
 * again, and a client that sends without end would keep it from doing so. */
static void schedule_next_round(struct http_turns *turns) {
    const struct timeval at_once = {0};

    if (turns->scheduled) {
        return;
    }
    turns->scheduled = true;
    if (event_add(&turns->next_round, &at_once) != 0) {
        event_active(&turns->next_round, EV_TIMEOUT, 0); /* needs no memory */
    }
}

static void take_first(struct http_turns *turns) {
    struct http_turn *turn = TAILQ_FIRST(&turns->waiting);

    TAILQ_REMOVE(&turns->waiting, turn, entry);
    turns->count--;
    turn->queued = false;
    turns->take(turn);
}

static void on_next_round(evutil_socket_t fd, short what, void *arg) {
    struct http_turns *turns = arg;

    (void)fd;
    (void)what;
    turns->scheduled = false;
    for (uint32_t left = turns->count; left > 0; left--) {
        take_first(turns);
    }
}

void http_turns_init(struct http_turns *turns, struct event_base *base,
                     void (*take)(struct http_turn *turn)) {
    *turns = (struct http_turns){.take = take};
    TAILQ_INIT(&turns->waiting);
    evtimer_assign(&turns->next_round, base, on_next_round, turns);
}

void http_turns_finish(struct http_turns *turns) {
    while (turns->count > 0) {
        take_first(turns);
    }
    event_del(&turns->next_round);
}

void http_turns_add(struct http_turns *turns, struct http_turn *turn) {
    if (!turn->queued) {
        turn->queued = true;
        TAILQ_INSERT_TAIL(&turns->waiting, turn, entry);
        turns->count++;
        schedule_next_round(turns);
    }
}
