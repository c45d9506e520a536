/*
 * held.c - see held.h.
 */
#include "held.h"

#include "host-sample/base/container_of.h"
#include "host-sample/base/monotonic.h"

static void begin_until(struct held_lookups *held, uint64_t until_ns) {
    struct held_lookup *first;
    while ((first = TAILQ_FIRST(&held->list)) != NULL && first->until_ns <= until_ns) {
        held_remove(held, first);
        held->begin(first);
    }
    if (first != NULL) {
        wake_up_set(held->wake_ups, &held->first_is_due, first->until_ns);
    }
}

static void first_is_due(struct wake_up *wake_up) {
    begin_until(container_of(wake_up, struct held_lookups, first_is_due), monotonic_ns());
}

void held_init(struct held_lookups *held, struct wake_ups *wake_ups,
               void (*begin)(struct held_lookup *lookup)) {
    TAILQ_INIT(&held->list);
    held->wake_ups = wake_ups;
    held->first_is_due.woken = first_is_due;
    held->begin = begin;
}

void held_add(struct held_lookups *held, struct held_lookup *lookup, uint64_t until_ns) {
    struct held_lookup *before = TAILQ_LAST(&held->list, held_list);
    while (before != NULL && before->until_ns > until_ns) {
        before = TAILQ_PREV(before, held_list, entry);
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&held->list, lookup, entry);
    } else {
        TAILQ_INSERT_AFTER(&held->list, before, lookup, entry);
    }
    lookup->until_ns = until_ns;
    lookup->held = true;
    wake_up_set(held->wake_ups, &held->first_is_due, TAILQ_FIRST(&held->list)->until_ns);
}

void held_remove(struct held_lookups *held, struct held_lookup *lookup) {
    if (lookup->held) {
        TAILQ_REMOVE(&held->list, lookup, entry);
        lookup->held = false;
    }
}

void held_go(struct held_lookups *held) {
    held->going = true;
    wake_up_clear(&held->first_is_due);
    begin_until(held, UINT64_MAX);
}
