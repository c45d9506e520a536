/*
 * waiters.h - lookups that wait together for the same thing, first come first served.
 */
#ifndef WAITERS_H
#define WAITERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct host_process;

struct waiter {
    uint64_t target; /* the position waited for, where there is one */
    /* What was waited for has come. It waits no more, and may wait again. */
    void (*come)(struct host_process *process, struct waiter *waiter, uint64_t position);
    struct waiter_list *list; /* non-NULL exactly while waiting */
    TAILQ_ENTRY(waiter) entry;
};
TAILQ_HEAD(waiter_list, waiter);

static inline void waiter_join(struct waiter *waiter, struct waiter_list *list) {
    waiter->list = list;
    TAILQ_INSERT_TAIL(list, waiter, entry);
}

static inline void waiter_leave(struct waiter *waiter) {
    if (waiter->list != NULL) {
        TAILQ_REMOVE(waiter->list, waiter, entry);
        waiter->list = NULL;
    }
}

#endif
