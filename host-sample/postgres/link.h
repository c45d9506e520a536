/*
 * link.h - one link of a server: how it comes up, carries statements, is lost and comes up again.
 *
 *   DOWN --(back-off)--> CONNECTING --(thread)--> SETTING_UP --(its answers)--> READY
 *     ^---------------------- any failure, any loss -------------------------------'
 *
 * [one thread]: the thread of the server's event base.
 */
#ifndef PG_LINK_H
#define PG_LINK_H

#include "connect.h"
#include "host-sample/base/wake_ups.h"
#include "traffic.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

enum pg_link_state { PG_LINK_DOWN, PG_LINK_CONNECTING, PG_LINK_SETTING_UP, PG_LINK_READY };

struct pg_link {
    struct pg_shared *shared;
    enum pg_link_state state;
    bool tried;            /* its first attempt has ended */
    bool preparing;        /* SETTING_UP: the settings hold, the rest of the set-up is sent */
    uint64_t instance;     /* SETTING_UP: the server that has answered, if it said so */
    bool failed_since_up;  /* an attempt has failed since it was last up */
    bool redialled;        /* it was closed to be made anew, and is not up yet */
    bool renewing;         /* DOWN: a link that was up was closed for what it answered, or in the
                              way of the server's recovery */
    bool attempt_overdue;  /* CONNECTING: counted as failed already */
    uint32_t backoff_ms;   /* before the next attempt, unless a good link was lost */
    uint64_t timer_due_ms; /* READY */
    uint64_t asked;        /* READY: the number of its last question, of the server's; 0: none */
    struct pg_start start; /* of the next attempt */
    struct pg_attempt *attempt; /* CONNECTING; the last one, if it was not released yet */
    struct event attempt_ended; /* CONNECTING */
    struct event readable;      /* SETTING_UP and READY */
    struct event writable;      /* likewise, while libpq could not send everything */
    struct wake_up timer; /* what is waited for depends on the state; setting it cannot fail */
    struct pg_traffic traffic;
    char error[256]; /* why it is not up */
};

/* Begins the first attempt to connect. */
void pg_link_start(struct pg_link *link, struct pg_shared *shared);

/* Closes it and begins a new attempt, which looks up names again. What was under way on it is sent
 * again. */
void pg_link_redial(struct pg_link *link);

/* For good, in two steps, so that many links end together: all attempts are asked to end, then
 * waited for. */
void pg_link_cancel(struct pg_link *link);
void pg_link_free(struct pg_link *link, int wait_ms);

static inline bool pg_link_is_ready(const struct pg_link *link) {
    return link->state == PG_LINK_READY;
}

/* Its first attempt, or the first one after a loss, is still under way. */
bool pg_link_may_come_up(const struct pg_link *link);

/* Statements or groups of them that it can still take. 0 unless it is ready. */
uint32_t pg_link_room(const struct pg_link *link);

/* Puts a statement, or the group that it is the first of, on a link with room. False if the link
 * was lost, and they failed with it. */
bool pg_link_send(struct pg_link *link, struct pg_statement *first);

/* Ends the batch, if one is open, with one sync, and sends whatever is unsent. */
void pg_link_end_batch(struct pg_link *link);

#endif
