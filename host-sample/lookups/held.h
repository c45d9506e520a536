/*
 * held.h - lookups that come before every server has been tried: they are held until that is so, or
 * until most of their time is over.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef HELD_H
#define HELD_H

#include "host-sample/base/wake_ups.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* Embedded in a lookup. */
struct held_lookup {
    TAILQ_ENTRY(held_lookup) entry;
    uint64_t until_ns;
    bool held; /* the only member that others read */
};

TAILQ_HEAD(held_list, held_lookup);

struct held_lookups {
    struct held_list list; /* by until_ns, and then in the order of their coming */
    struct wake_ups *wake_ups;
    struct wake_up first_is_due;
    void (*begin)(struct held_lookup *lookup);
    bool going; /* nothing is held any more */
};

/* `begin` is called from the loop for each whose time has come, which is not held any more by then;
 * it may add and remove any. The wake-ups must outlive what is held. */
void held_init(struct held_lookups *held, struct wake_ups *wake_ups,
               void (*begin)(struct held_lookup *lookup));

/* Only while it is not `going`. */
void held_add(struct held_lookups *held, struct held_lookup *lookup, uint64_t until_ns);

/* Harmless if it is not held. */
void held_remove(struct held_lookups *held, struct held_lookup *lookup);

/* Begins all of them. */
void held_go(struct held_lookups *held);

#endif
