/*
 * turns.h - a queue of objects that have something to do, but must not do it now.
 *
 * Each gets a turn in the next round of the event loop; turns that are asked for during a round
 * come in the next one, so that the loop always gets back to its sockets.
 *
 * [one thread]: everything belongs to the thread of the event base.
 */
#ifndef HTTP_TURNS_H
#define HTTP_TURNS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;

/* Part of what waits; all zero: in no queue. */
struct http_turn {
    TAILQ_ENTRY(http_turn) entry;
    bool queued;
};

TAILQ_HEAD(http_turn_list, http_turn);

struct http_turns {
    struct http_turn_list waiting;
    uint32_t count;
    struct event next_round;
    bool scheduled;
    void (*take)(struct http_turn *turn); /* it is in the queue no more, and may be freed */
};

void http_turns_init(struct http_turns *turns, struct event_base *base,
                     void (*take)(struct http_turn *turn));

/* Gives a turn, at once, to all that wait; the queue must not be used afterwards. */
void http_turns_finish(struct http_turns *turns);

/* Harmless if it waits already. */
void http_turns_add(struct http_turns *turns, struct http_turn *turn);

#endif
