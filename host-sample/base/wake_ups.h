/*
 * wake_ups.h - wakes at very many moments, never too early and hardly too late.
 *
 * For the waits of policies. libevent's timers count from the start of the loop's turn, by a clock
 * that ticks every few ms: they fire some ms late, or too early for a policy whose bounds are
 * exact; its precise timers cost a system call in every turn, even while nothing waits. Here one
 * timerfd serves all, and is set only when the earliest moment changes.
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

/* Embedded in the object that waits; all zero except `woken`: not set. */
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

/* Forgets all that are set. Harmless if it is all zero, or freed already. */
void wake_ups_free(struct wake_ups *wake_ups);

/* Wakes at that moment or up to 0.1 ms later (by the kernel; the turn of the loop comes on top),
 * from the loop and never from within this call; whatever it was set to before. What a callback
 * sets is woken in a later turn, even if its moment has passed. */
void wake_up_set(struct wake_ups *wake_ups, struct wake_up *wake_up, uint64_t at_ns);
void wake_up_clear(struct wake_up *wake_up);

#endif
