/*
 * busy_poll.h - looks for an answer that is about to come, instead of going to sleep for it.
 *
 * To put a processor to sleep and to wake it takes longer than a server on the same machine or rack
 * takes to answer a point read. While a lookup's answer is all that the loop waits for, the loop
 * may therefore poll for a while. How long adapts, as KVM's halt polling does (Linux,
 * Documentation/virt/kvm/halt-polling.rst): the window doubles where a little more of it would have
 * seen the answer, and closes where the answer took longer than the limit, so a server that is far
 * away costs nothing. Between two looks the processor is offered to others (sched_yield), because
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
};

enum busy_poll_end {
    BUSY_POLL_FAILED,  /* the loop did */
    BUSY_POLL_SAW,     /* something to do came within the window */
    BUSY_POLL_IN_VAIN, /* it came only after the window, while the loop slept */
    BUSY_POLL_SLEPT    /* the window is closed */
};

/* One turn of the loop that has something to do: polls while the window lasts, then sleeps. What is
 * waited for must be on its way. */
enum busy_poll_end busy_poll_turn(struct busy_poll *poll, struct event_base *base);

/* How the window follows a wait of that length. */
void busy_poll_learn(struct busy_poll *poll, uint64_t waited_ns);

#endif
