/*
 * wake_ups.h - very many moments to be woken at, never too early and hardly too late.
 *
 * For what a policy's waits are made of. libevent's timers count from when a turn of the loop
 * began, by a clock that ticks every few ms: they come some ms late, or too early for a policy
 * whose bounds are exact; and its precise ones cost a system call in every turn, those of a host in
 * which nobody waits included. Here one timerfd serves all, set only when the earliest moment
 * changes.
 *
 * [one thread]: everything belongs to the thread of the event base.
 */
#ifndef WAKE_UPS_H
#define WAKE_UPS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/tree.h>

struct event_base;
struct wake_ups;

/* Part of what waits; all zero but for `woken`: not set. */
struct wake_up {
    RB_ENTRY(wake_up) entry;
    struct wake_ups *owner; /* NULL: not set */
    uint64_t at_ns;         /* by the monotonic clock */
    /* The moment has come and the wake-up is not set any more. May set and clear any, and free the
     * memory of this one. */
    void (*woken)(struct wake_up *wake_up);
};

RB_HEAD(wake_up_tree, wake_up);

struct wake_ups {
    int fd;
    struct event readable;
    struct wake_up_tree set; /* by at_ns */
    uint64_t armed_for_ns;   /* UINT64_MAX: for nothing */
    uint64_t waking_at_ns;   /* of the expiry that callbacks are made for; else 0 */
};

/* False: no descriptor. */
bool wake_ups_init(struct wake_ups *wake_ups, struct event_base *base);

/* Forgets all that are set. Harmless if all of it is zero, or freed. */
void wake_ups_free(struct wake_ups *wake_ups);

/* Wakes at that moment or up to 0.1 ms later (by the kernel; the turn of the loop comes on top),
 * from the loop and never from within this call; whatever moment it was set to before. What a
 * callback sets is woken in a later turn, even if its moment has passed. */
void wake_up_set(struct wake_ups *wake_ups, struct wake_up *wake_up, uint64_t at_ns);
void wake_up_clear(struct wake_up *wake_up);

#endif
