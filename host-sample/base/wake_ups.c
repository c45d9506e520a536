/*
 * wake_ups.c - see wake_ups.h.
 */
#include "wake_ups.h"

#include "monotonic.h"

#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Moments within this span share one expiry of the timer, at the later end of the span. */
#define SPAN_NS UINT64_C(65536)

static int compare(const struct wake_up *one, const struct wake_up *other) {
    if (one->at_ns != other->at_ns) {
        return one->at_ns < other->at_ns ? -1 : 1;
    }
    return ((uintptr_t)one > (uintptr_t)other) - ((uintptr_t)one < (uintptr_t)other);
}

/* As RB_GENERATE_STATIC, which says __unused: no word outside BSD. */
RB_GENERATE_INTERNAL(wake_up_tree, wake_up, entry, compare, static __attribute__((unused)))

static void arm(struct wake_ups *wake_ups, uint64_t at_ns) {
    const uint64_t end_ns = (at_ns / SPAN_NS + 1) * SPAN_NS;
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(end_ns / 1000000000),
                                                 .tv_nsec = (long)(end_ns % 1000000000)}};
    /* Cannot fail: the descriptor is a timer and the time is in bounds. */
    (void)timerfd_settime(wake_ups->fd, TFD_TIMER_ABSTIME, &when, NULL);
    wake_ups->armed_for_ns = at_ns;
}

static void on_expiry(evutil_socket_t fd, short events, void *context) {
    struct wake_ups *wake_ups = context;
    struct wake_up *first;
    uint64_t expiries;
    (void)events;
    if (read(fd, &expiries, sizeof(expiries)) < 0) {
        return; /* it was set again in this turn */
    }
    wake_ups->armed_for_ns = 0; /* armed at the end, for whatever callbacks have set */
    wake_ups->waking_at_ns = monotonic_ns();
    while ((first = RB_MIN(wake_up_tree, &wake_ups->set)) != NULL &&
           first->at_ns <= wake_ups->waking_at_ns) {
        wake_up_clear(first);
        first->woken(first);
    }
    wake_ups->waking_at_ns = 0;
    if (first != NULL) {
        arm(wake_ups, first->at_ns);
    } else {
        wake_ups->armed_for_ns = UINT64_MAX;
    }
}

bool wake_ups_init(struct wake_ups *wake_ups, struct event_base *base) {
    RB_INIT(&wake_ups->set);
    wake_ups->armed_for_ns = UINT64_MAX;
    wake_ups->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return wake_ups->fd >= 0 &&
           event_assign(&wake_ups->readable, base, wake_ups->fd, EV_READ | EV_PERSIST, on_expiry,
                        wake_ups) == 0 &&
           event_add(&wake_ups->readable, NULL) == 0;
}

void wake_ups_free(struct wake_ups *wake_ups) {
    struct wake_up *first;
    while ((first = RB_MIN(wake_up_tree, &wake_ups->set)) != NULL) {
        wake_up_clear(first);
    }
    if (wake_ups->fd > 0) {
        (void)event_del(&wake_ups->readable);
        (void)close(wake_ups->fd);
        wake_ups->fd = 0;
    }
}

void wake_up_set(struct wake_ups *wake_ups, struct wake_up *wake_up, uint64_t at_ns) {
    wake_up_clear(wake_up);
    wake_up->owner = wake_ups;
    /* After everything that this turn wakes, so that no waiter keeps the loop from its other work.
     */
    wake_up->at_ns = at_ns > wake_ups->waking_at_ns ? at_ns : wake_ups->waking_at_ns + 1;
    RB_INSERT(wake_up_tree, &wake_ups->set, wake_up);
    if (at_ns < wake_ups->armed_for_ns) {
        arm(wake_ups, at_ns);
    }
}

void wake_up_clear(struct wake_up *wake_up) {
    if (wake_up->owner != NULL) {
        RB_REMOVE(wake_up_tree, &wake_up->owner->set, wake_up);
        wake_up->owner = NULL;
    }
}
