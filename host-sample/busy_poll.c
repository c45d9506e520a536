/*
 * busy_poll.c - the window, and turns of a loop that do not sleep.
 */
#include "busy_poll.h"

#include "monotonic.h"

#include <sched.h>

#define SMALLEST_WINDOW_NS UINT64_C(10000)

void busy_poll_learn(struct busy_poll *poll, uint64_t waited_ns) {
    if (waited_ns > poll->limit_ns) {
        poll->window_ns = 0;
    } else if (waited_ns > poll->window_ns) {
        uint64_t wider = poll->window_ns * 2;
        wider = wider < SMALLEST_WINDOW_NS ? SMALLEST_WINDOW_NS : wider;
        poll->window_ns = wider < poll->limit_ns ? wider : poll->limit_ns;
    }
}

/* True if one of the loop's events was handled. */
static bool look(struct event_base *base, bool *failed) {
    (void)event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1);
    *failed = event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK) < 0;
    return event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1) > 0;
}

enum busy_poll_end busy_poll_turn(struct busy_poll *poll, struct event_base *base) {
    const uint64_t begun_ns = monotonic_ns(), window_ns = poll->window_ns;
    uint64_t waited_ns = 0;
    bool failed = false;
    while (waited_ns < window_ns && !failed) {
        if (look(base, &failed)) {
            return BUSY_POLL_SAW;
        }
        (void)sched_yield();
        waited_ns = monotonic_ns() - begun_ns;
    }
    if (failed || event_base_loop(base, EVLOOP_ONCE) != 0) {
        return BUSY_POLL_FAILED;
    }
    busy_poll_learn(poll, monotonic_ns() - begun_ns);
    return window_ns > 0 ? BUSY_POLL_IN_VAIN : BUSY_POLL_SLEPT;
}
