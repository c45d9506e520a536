/*
 * locator.h - asks the primary for its WAL position on behalf of many reads at once.
 *
 * At most one question is under way. Reads that join in the meantime wait for the next one: an
 * answer is shared by all reads that were waiting before the question was sent, and by none that
 * came later, for which it would be too old to prove anything. So any number of misses costs the
 * primary one tiny call per round trip.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef LOCATOR_H
#define LOCATOR_H

#include "host-sample/postgres/server.h"

#include <stdatomic.h>

struct locate {
    void (*done)(struct locate *locate, bool located, uint64_t position);
    struct locate_list *list; /* non-NULL exactly while waiting */
    TAILQ_ENTRY(locate) entry;
};
TAILQ_HEAD(locate_list, locate);

struct locator {
    struct pg_server *primary;
    struct pg_statement statement;
    struct locate_list asked;   /* the question under way was sent after they came */
    struct locate_list waiting; /* for the next question */
    _Atomic uint64_t *asked_counter;
};

void locator_init(struct locator *locator, struct pg_server *primary, _Atomic uint64_t *counter);

/* `done` is called once, later, unless locator_leave comes first. The memory is the caller's. */
void locator_join(struct locator *locator, struct locate *locate);
void locator_leave(struct locate *locate);

/* End of a turn, before pg_server_flush of the primary: asks, if a read waits and no question is
 * under way. */
void locator_flush(struct locator *locator);

#endif
