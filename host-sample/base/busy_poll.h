/*
 * busy_poll.h - polls for an answer that is about to come, instead of sleeping until it does.
 *
 * Putting a processor to sleep and waking it takes longer than a server on the same machine or rack
 * takes to answer a point read. While a single lookup waits for a server's answer, the loop may
 * therefore poll for a while. How long adapts, as KVM's halt polling does (Linux,
 * Documentation/virt/kvm/halt-polling.rst): the window doubles where a little more of it would have
 * seen the answer, and closes where the answer took longer than the limit, so a server that is far
 * away costs nothing. Between two polls the processor is offered to others (sched_yield), because
 * the server may need it to answer.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef BUSY_POLL_H
#define BUSY_POLL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct busy_poll {
    uint64_t limit_ns; /* of the window; 0 never polls */
    uint64_t window_ns;
    uint64_t asked_ns; /* when the question was sent whose answer is awaited */
};

enum busy_poll_end {
    BUSY_POLL_SEEN,   /* the answer came within the window */
    BUSY_POLL_LATE,   /* it came only after the window, while the loop slept */
    BUSY_POLL_CLOSED, /* there was no window */
    BUSY_POLL_ENDS
};

/* The answer has arrived: returns how the window did, and adapts it. */
enum busy_poll_end busy_poll_answered(struct busy_poll *poll, uint64_t now_ns);

/* A turn of the loop that has something to do: polls while the window since asked_ns lasts, then
 * sleeps. False if the loop failed. */
bool busy_poll_turn(const struct busy_poll *poll, struct event_base *base);

#endif
