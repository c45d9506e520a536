/*
 * link.c - see link.h.
 */
#include "link.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/base/one_line.h"
#include "result.h"
#include "setup.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    GOOD_LINK_MS = 1000,     /* a link that was up for this long is tried again at once when lost */
    ATTEMPT_SLACK_MS = 1000, /* beyond connect_timeout_s, before statements stop waiting for it */
    OVERDUE_SLACK_MS = 1000, /* beyond statement_timeout_ms */
    IDENTITY_PERIOD_MS = 5000, /* a server is asked who it is now every 2.5 to 5 s */
    IDENTITY_QUESTIONS = 3,    /* of pg_identity_ask */
    FALSE_PRIMARY_MS = 10000   /* how long it may take to be promoted under its links */
};

static void begin_attempt(struct pg_link *link);

static void arm_timer(struct pg_link *link, uint64_t ms) {
    struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    event_add(&link->timer, &delay);
}

static void note_first_attempt(struct pg_link *link) {
    if (!link->tried) {
        link->tried = true;
        link->shared->untried--;
    }
}

/* ---- down ---- */

/* Lets go of the connection, if there is one. What was under way on it fails, or is sent again. */
static void close_link(struct pg_link *link, bool again) {
    event_del(&link->timer);
    if (link->traffic.pipeline.conn != NULL) {
        if (again) {
            pg_traffic_send_all_again(&link->traffic);
        } else {
            pg_traffic_fail_all(&link->traffic, link->error);
        }
        event_del(&link->readable);
        event_del(&link->writable);
        pg_pipeline_close(&link->traffic.pipeline);
    }
    link->state = PG_LINK_DOWN;
}

static void back_off(struct pg_link *link) {
    arm_timer(link, pg_shared_jitter(link->shared, link->backoff_ms));
    link->backoff_ms =
        link->backoff_ms * 2 < BACKOFF_MAX_MS ? link->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* The attempt, or the set-up after it, counts as failed; link->error says why. */
static void note_failure(struct pg_link *link) {
    link->failed_since_up = true;
    link->given_up.known = false;
    pg_journal_attempt_failed(&link->shared->journal, link->error);
    note_first_attempt(link);
}

/* A link that is up or is being set up goes down. */
static void lose(struct pg_link *link, const char *why) {
    one_line(link->error, sizeof(link->error), why);
    bool was_ready = link->state == PG_LINK_READY;
    bool was_good = was_ready && monotonic_ms() - link->up_since_ms >= GOOD_LINK_MS;
    link->shared->changed = link->shared->changed || was_ready;
    close_link(link, false);
    if (was_ready && link->given_up.known) {
        pg_journal_link_was_given_up(&link->shared->journal, link->error);
    } else if (was_ready) {
        pg_journal_link_was_lost(&link->shared->journal, link->error);
    } else {
        note_failure(link);
    }
    if (was_good) {
        link->backoff_ms = BACKOFF_MIN_MS;
        begin_attempt(link);
    } else { /* a server that accepts links only to drop them must not make us spin */
        link->failed_since_up = true;
        back_off(link);
    }
}

/* A link that is up, but whose answers are of no use any more, makes way for a new one. What was
 * under way on it is sent again, and waits for the new one if there is no other. */
static void renew(struct pg_link *link, const char *why) {
    one_line(link->error, sizeof(link->error), why);
    const bool was_good = monotonic_ms() - link->up_since_ms >= GOOD_LINK_MS;
    close_link(link, true);
    pg_journal_link_was_given_up(&link->shared->journal, link->error);
    if (was_good) {
        link->backoff_ms = BACKOFF_MIN_MS;
        begin_attempt(link);
    } else {
        link->renewing = true;
        back_off(link);
    }
}

/* ---- ready ---- */

static uint64_t overdue_at_ms(const struct pg_link *link) {
    return pg_pipeline_is_owed(&link->traffic.pipeline)
               ? link->traffic.pipeline.owed_since_ms + link->shared->options.statement_timeout_ms +
                     OVERDUE_SLACK_MS
               : UINT64_MAX;
}

/* One timer serves both deadlines of a ready link. It is not changed when a deadline is extended,
 * which every batch does: it then fires early, and is armed again. */
static void watch_deadlines(struct pg_link *link, bool fired) {
    uint64_t overdue_ms = overdue_at_ms(link);
    uint64_t due_ms = overdue_ms < link->identity_due_ms ? overdue_ms : link->identity_due_ms;
    if (fired || due_ms < link->timer_due_ms) {
        uint64_t now_ms = monotonic_ms();
        link->timer_due_ms = due_ms;
        arm_timer(link, due_ms > now_ms ? due_ms - now_ms : 0);
    }
}

/* Jittered: the links of many hosts came up together, and must not all ask, or try a false
 * primary's address again, at the same time. */
static void plan_identity_question(struct pg_link *link, uint64_t now_ms) {
    link->identity_due_ms = now_ms + pg_shared_jitter(link->shared, IDENTITY_PERIOD_MS);
}

/* From PostgreSQL 14 on a server reports its promotion unasked, with the end of the first batch
 * that it answers after it. The reverse takes a restart, and so a new link. */
static void look_at_recovery(struct pg_link *link) {
    const char *value = PQparameterStatus(link->traffic.pipeline.conn, "in_hot_standby");
    bool in_hot_standby = value != NULL && strcmp(value, "on") == 0;
    if (in_hot_standby != link->traffic.in_hot_standby) {
        link->traffic.in_hot_standby = in_hot_standby;
        link->identity_due_ms = 0;
        link->shared->changed = true;
    }
}

static void come_up(struct pg_link *link) {
    if (!link->traffic.identity.known) {
        lose(link, "the server did not say whether it is in recovery");
        return;
    }
    link->state = PG_LINK_READY;
    link->shared->changed = true;
    link->failed_since_up = false;
    link->error[0] = '\0';
    link->up_since_ms = monotonic_ms();
    look_at_recovery(link);
    plan_identity_question(link, link->up_since_ms);
    watch_deadlines(link, true);
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "link up: PostgreSQL %d.%d, system %" PRIu64 ", timeline %" PRIu32 ", %s",
                   PQserverVersion(link->traffic.pipeline.conn) / 10000,
                   PQserverVersion(link->traffic.pipeline.conn) % 10000,
                   link->traffic.identity.system_identifier, link->traffic.identity.timeline,
                   link->traffic.identity.in_recovery ? "in recovery" : "not in recovery");
    bool leads_where_it_led = link->given_up.known && pg_traffic_is_false_primary(&link->traffic) &&
                              pg_identity_agrees(&link->given_up, &link->traffic.identity);
    link->given_up.known = false;
    pg_journal_link_came_up(&link->shared->journal, leads_where_it_led ? NULL : text);
    note_first_attempt(link);
}

/* An answer to the link itself. False if the link was lost over it. */
static bool take_own_answer(struct pg_link *link, const struct pg_request *request) {
    if (request->purpose == PG_REQUEST_SETTING && request->failed) {
        lose(link, pg_result_error(request->result));
        return false;
    }
    if (request->purpose == PG_REQUEST_SETTING) {
        return true;
    }
    if (request->purpose == PG_REQUEST_VARIANT) {
        const struct pg_server_options *options = &link->shared->options;
        if (pg_setup_take_variant(request, options, &link->traffic.variant)) {
            return true;
        }
        lose(link, request->failed ? pg_result_error(request->result) : options->no_variant);
        return false;
    }
    pg_identity_take(&link->traffic.identity, request);
    link->identity_open--;
    if (link->identity_open > 0) {
        return true;
    }
    link->shared->identity = link->traffic.identity;
    if (link->state == PG_LINK_READY && pg_traffic_is_false_primary(&link->traffic) &&
        monotonic_ms() - link->up_since_ms >= FALSE_PRIMARY_MS) {
        /* The address may lead to the true primary by now, while this connection, which was never
         * closed, still leads to the false one. Closing it loses no answer that would count. */
        link->given_up = link->traffic.identity;
        lose(link, PG_FALSE_PRIMARY);
        return false;
    }
    return true;
}

/* ---- bytes in and out ---- */

static void push_out(struct pg_link *link);

/* A part of the set-up is done. */
static void go_on(struct pg_link *link) {
    if (link->preparing) {
        come_up(link);
        return;
    }
    link->preparing = true;
    if (pg_setup_finish(&link->traffic.pipeline, &link->shared->options, link->traffic.variant)) {
        push_out(link);
    } else {
        lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
    }
}

/* Handles everything that was received. */
static void take_answers(struct pg_link *link) {
    for (;;) {
        struct pg_request request;
        switch (pg_pipeline_next(&link->traffic.pipeline, &request)) {
        case PG_PIPELINE_ANSWERED:
            if (request.purpose == PG_REQUEST_STATEMENT) {
                if (!pg_traffic_answer(&link->traffic, &request)) {
                    renew(link, link->traffic.why_void);
                    return;
                }
                break;
            }
            bool kept = take_own_answer(link, &request);
            PQclear(request.result);
            if (!kept) {
                return;
            }
            break;
        case PG_PIPELINE_SYNCED:
            look_at_recovery(link);
            break;
        case PG_PIPELINE_LOST:
            lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
            return;
        case PG_PIPELINE_QUIET:
            if (link->state == PG_LINK_READY) {
                watch_deadlines(link, false);
            } else if (!pg_pipeline_is_owed(&link->traffic.pipeline)) {
                go_on(link);
            }
            return;
        }
    }
}

static void receive(struct pg_link *link) {
    if (pg_pipeline_receive(&link->traffic.pipeline)) {
        take_answers(link);
    } else {
        lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
    }
}

/* Sends what libpq still has buffered. */
static void push_out(struct pg_link *link) {
    int more = PQflush(link->traffic.pipeline.conn);
    if (more < 0) {
        lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
    } else if (more > 0) {
        event_add(&link->writable, NULL);
        /* Where libpq cannot write, it reads, so that neither side waits for the other. No event
         * will announce what it has read. */
        receive(link);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct pg_link *link = context;
    receive(link);
    link->shared->event_ended(link->shared);
}

static void on_writable(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct pg_link *link = context;
    push_out(link);
    link->shared->event_ended(link->shared);
}

/* ---- connecting and setting up ---- */

static void begin_setup(struct pg_link *link, PGconn *conn) {
    struct event_base *base = link->shared->base;
    link->state = PG_LINK_SETTING_UP;
    link->traffic.identity = (struct pg_identity){0};
    link->identity_open = IDENTITY_QUESTIONS;
    link->preparing = false;
    link->traffic.variant = 0;
    link->traffic.prepared_questions = 0;
    link->traffic.why_void[0] = '\0';
    link->traffic.in_hot_standby = false;
    event_assign(&link->readable, base, PQsocket(conn), EV_READ | EV_PERSIST, on_readable, link);
    event_assign(&link->writable, base, PQsocket(conn), EV_WRITE, on_writable, link);
    event_add(&link->readable, NULL);
    arm_timer(link, (uint64_t)link->shared->options.connect_timeout_s * 1000);
    char why[80];
    const bool refused = pg_setup_refuses(conn, &link->shared->options, why, sizeof(why));
    if (pg_pipeline_open(&link->traffic.pipeline, conn) && !refused &&
        pg_setup_send(&link->traffic.pipeline, &link->shared->options)) {
        push_out(link);
    } else {
        lose(link, refused ? why : pg_pipeline_why_lost(&link->traffic.pipeline));
    }
}

static void on_attempt_ended(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct pg_link *link = context;
    PGconn *conn = pg_attempt_take(link->attempt, &link->start, link->error, sizeof(link->error));
    link->attempt = NULL;
    event_del(&link->timer);
    if (conn != NULL) {
        begin_setup(link, conn);
    } else {
        link->state = PG_LINK_DOWN;
        if (!link->attempt_overdue) {
            note_failure(link);
        }
        back_off(link);
    }
    link->shared->event_ended(link->shared);
}

static void begin_attempt(struct pg_link *link) {
    const struct pg_server_options *options = &link->shared->options;
    link->attempt_overdue = false;
    link->renewing = false;
    link->attempt =
        pg_attempt_start(options->conninfo, options->application_name, options->connect_timeout_s,
                         link->start, link->error, sizeof(link->error));
    if (link->attempt == NULL) {
        note_failure(link);
        back_off(link);
        return;
    }
    link->state = PG_LINK_CONNECTING;
    event_assign(&link->attempt_ended, link->shared->base, pg_attempt_descriptor(link->attempt),
                 EV_READ, on_attempt_ended, link);
    event_add(&link->attempt_ended, NULL);
    arm_timer(link, (uint64_t)options->connect_timeout_s * 1000 + ATTEMPT_SLACK_MS);
}

/* ---- the timer ---- */

/* The attempt counts as failed, so that no statement waits for it, but it is not replaced: a name
 * server that does not answer must not pile up a thread for each attempt. If it still succeeds,
 * good. */
static void note_overdue_attempt(struct pg_link *link) {
    link->attempt_overdue = true;
    (void)snprintf(link->error, sizeof(link->error),
                   "no connection within %" PRIu32
                   " s; still trying (is the host's name being looked up?)",
                   link->shared->options.connect_timeout_s);
    note_failure(link);
}

static void check_deadlines(struct pg_link *link) {
    uint64_t now_ms = monotonic_ms();
    link->timer_due_ms = UINT64_MAX;
    if (now_ms >= overdue_at_ms(link)) {
        lose(link, "no answer in time: the link is given up");
        return;
    }
    if (now_ms >= link->identity_due_ms) {
        plan_identity_question(link, now_ms);
        bool room = PG_PIPELINE_DEPTH - link->traffic.pipeline.in_flight >= IDENTITY_QUESTIONS;
        if (room && link->identity_open == 0) {
            link->identity_open = IDENTITY_QUESTIONS;
            if (!pg_identity_ask(&link->traffic.pipeline)) {
                lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
                return;
            }
            push_out(link);
        }
    }
    if (link->state == PG_LINK_READY) {
        watch_deadlines(link, true);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct pg_link *link = context;
    switch (link->state) {
    case PG_LINK_DOWN:
        begin_attempt(link);
        break;
    case PG_LINK_CONNECTING:
        note_overdue_attempt(link);
        break;
    case PG_LINK_SETTING_UP:
        lose(link, "the link's set-up was not answered in time");
        break;
    case PG_LINK_READY:
        check_deadlines(link);
        break;
    }
    link->shared->event_ended(link->shared);
}

/* ---- for the server ---- */

void pg_link_start(struct pg_link *link, struct pg_shared *shared) {
    link->shared = shared;
    link->traffic.shared = shared;
    link->state = PG_LINK_DOWN;
    link->backoff_ms = BACKOFF_MIN_MS;
    evtimer_assign(&link->timer, shared->base, on_timer, link);
    begin_attempt(link);
}

void pg_link_redial(struct pg_link *link) {
    const bool was_ready = link->state == PG_LINK_READY;
    if (link->attempt != NULL) {
        event_del(&link->attempt_ended);
        pg_attempt_cancel(link->attempt);
        pg_attempt_release(link->attempt, 0);
        link->attempt = NULL;
    }
    close_link(link, true);
    if (was_ready) {
        pg_journal_link_was_closed(&link->shared->journal);
    }
    link->failed_since_up = false;
    link->backoff_ms = BACKOFF_MIN_MS;
    begin_attempt(link);
}

void pg_link_cancel(struct pg_link *link) {
    if (link->attempt != NULL) {
        pg_attempt_cancel(link->attempt);
    }
}

void pg_link_free(struct pg_link *link, int wait_ms) {
    event_del(&link->timer);
    if (link->attempt != NULL) {
        event_del(&link->attempt_ended);
        pg_attempt_release(link->attempt, wait_ms);
        link->attempt = NULL;
    }
    if (link->traffic.pipeline.conn != NULL) {
        pg_traffic_forget_all(&link->traffic);
        event_del(&link->readable);
        event_del(&link->writable);
        pg_pipeline_close(&link->traffic.pipeline);
    }
}

bool pg_link_may_come_up(const struct pg_link *link) {
    return (link->state == PG_LINK_CONNECTING || link->state == PG_LINK_SETTING_UP ||
            link->renewing) &&
           !link->failed_since_up;
}

uint32_t pg_link_room(const struct pg_link *link) {
    const uint32_t depth = PG_PIPELINE_DEPTH - PG_PIPELINE_RESERVE;
    uint32_t taken = link->traffic.pipeline.in_flight;
    return link->state == PG_LINK_READY && taken < depth ? depth - taken : 0;
}

bool pg_link_send(struct pg_link *link, struct pg_statement *first) {
    bool sent = pg_traffic_send(&link->traffic, first);
    if (!sent) {
        lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
    }
    return sent;
}

void pg_link_end_batch(struct pg_link *link) {
    if (link->state != PG_LINK_READY || !pg_pipeline_is_owed(&link->traffic.pipeline)) {
        return;
    }
    /* A statement that is alone in its batch has ended it already. */
    if (link->traffic.pipeline.unsynced && !pg_traffic_sync(&link->traffic)) {
        lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
        return;
    }
    push_out(link);
    if (link->state == PG_LINK_READY) {
        watch_deadlines(link, false);
    }
}
