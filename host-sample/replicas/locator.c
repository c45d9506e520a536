/*
 * locator.c - one question to the primary at a time.
 */
#include "locator.h"

#include "host-sample/base/container_of.h"
#include "host-sample/base/counter.h"

static void answered(struct pg_statement *statement, struct pg_reply *reply) {
    struct locator *locator = container_of(statement, struct locator, statement);
    bool located = reply->status == PG_REPLY_ROWS && reply->position != 0;
    uint64_t position = located ? reply->position : 0;
    /* Reads that join within a callback go to the waiting list, so this one only shrinks. */
    struct locate *locate;
    while ((locate = TAILQ_FIRST(&locator->asked)) != NULL) {
        locator_leave(locate);
        locate->done(locate, located, position);
    }
}

void locator_init(struct locator *locator, struct pg_server *primary, _Atomic uint64_t *counter) {
    *locator = (struct locator){.primary = primary, .asked_counter = counter};
    locator->statement.kind = PG_POSITION;
    locator->statement.done = answered;
    TAILQ_INIT(&locator->asked);
    TAILQ_INIT(&locator->waiting);
}

void locator_join(struct locator *locator, struct locate *locate) {
    locate->list = &locator->waiting;
    TAILQ_INSERT_TAIL(&locator->waiting, locate, entry);
}

void locator_leave(struct locate *locate) {
    if (locate->list != NULL) {
        TAILQ_REMOVE(locate->list, locate, entry);
        locate->list = NULL;
    }
}

void locator_flush(struct locator *locator) {
    if (pg_statement_is_submitted(&locator->statement) || TAILQ_EMPTY(&locator->waiting)) {
        return;
    }
    struct locate *locate;
    while ((locate = TAILQ_FIRST(&locator->waiting)) != NULL) {
        locator_leave(locate);
        locate->list = &locator->asked;
        TAILQ_INSERT_TAIL(&locator->asked, locate, entry);
    }
    counter_add(locator->asked_counter, 1);
    pg_server_submit(locator->primary, &locator->statement);
}
