/*
 * link.c - see link.h.
 */
#include "link.h"

#include "failure.h"
#include "host-sample/base/container_of.h"
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
    OVERDUE_SLACK_MS = 1000  /* beyond statement_timeout_ms */
};

static void begin_attempt(struct pg_link *link);

/* An event that could not be added never comes. */
static const char cannot_watch[] =
    "the link cannot be watched: no memory, or this user watches as much as he may "
    "(fs.epoll.max_user_watches)";

static void arm_timer(struct pg_link *link, uint64_t ms) {
    wake_up_set(link->shared->wake_ups, &link->timer, monotonic_ns() + ms * 1000000);
}

static void note_first_attempt(struct pg_link *link) {
    if (!link->tried) {
        link->tried = true;
        link->shared->untried--;
    }
}

static void forget_attempt(struct pg_link *link, int wait_ms) {
    if (link->attempt != NULL) {
        event_del(&link->attempt_ended);
        pg_attempt_release(link->attempt, wait_ms);
        link->attempt = NULL;
    }
}

/* ---- down ---- */

/* Lets go of the connection, if there is one. What was under way on it fails, or is sent again. */
static void close_link(struct pg_link *link, bool again) {
    wake_up_clear(&link->timer);
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
    pg_journal_attempt_failed(&link->shared->journal, link->error);
    note_first_attempt(link);
}

/* A link that is up or is being set up goes down. */
static void lose(struct pg_link *link, const char *why) {
    one_line(link->error, sizeof(link->error), why);
    bool was_ready = link->state == PG_LINK_READY;
    bool was_good = was_ready && monotonic_ms() - link->traffic.since_ms >= GOOD_LINK_MS;
    link->shared->changed = link->shared->changed || was_ready;
    close_link(link, false);
    if (was_ready) {
        pg_journal_link_was_lost(&link->shared->journal, link->error);
    } else {
        note_failure(link);
    }
    if (was_good) {
        link->backoff_ms = BACKOFF_MIN_MS;
        begin_attempt(link);
    } else if (was_ready &&
               link->traffic.pipeline.conflicted) { /* it is well, and takes new ones */
        link->backoff_ms = BACKOFF_MIN_MS;
        link->renewing = true;
        back_off(link);
    } else { /* a server that accepts links only to drop them must not make us spin */
        link->failed_since_up = true;
        back_off(link);
    }
}

/* A link that is up, but whose answers are of no use any more, makes way for a new one. What was
 * under way on it is sent again, and waits for the new one if there is no other. */
static void renew(struct pg_link *link, const char *why) {
    one_line(link->error, sizeof(link->error), why);
    const bool was_good = monotonic_ms() - link->traffic.since_ms >= GOOD_LINK_MS;
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

/* The timer is not changed when the deadline is extended, which every batch does: it then fires
 * early, and is armed again. */
static void watch_deadline(struct pg_link *link) {
    const uint64_t due_ms = overdue_at_ms(link);
    if (due_ms < link->timer_due_ms) {
        const uint64_t now_ms = monotonic_ms();
        link->timer_due_ms = due_ms;
        arm_timer(link, due_ms > now_ms ? due_ms - now_ms : 0);
    }
}

/* From PostgreSQL 14 on a server reports its promotion unasked, with the end of the first batch
 * that it answers after it: a reason to ask, no more. */
static void look_at_recovery(struct pg_link *link) {
    const char *value = PQparameterStatus(link->traffic.pipeline.conn, "in_hot_standby");
    bool in_hot_standby = value != NULL && strcmp(value, "on") == 0;
    if (in_hot_standby != link->traffic.in_hot_standby) {
        link->traffic.in_hot_standby = in_hot_standby;
        link->shared->changed = true;
    }
}

static void come_up(struct pg_link *link) {
    link->state = PG_LINK_READY;
    link->asked = 0;
    link->shared->changed = true;
    link->failed_since_up = false;
    link->error[0] = '\0';
    link->traffic.since_ms = monotonic_ms();
    look_at_recovery(link);
    wake_up_clear(&link->timer);
    link->timer_due_ms = UINT64_MAX;
    char text[64];
    (void)snprintf(text, sizeof(text), "link up: PostgreSQL %d.%d",
                   PQserverVersion(link->traffic.pipeline.conn) / 10000,
                   PQserverVersion(link->traffic.pipeline.conn) % 10000);
    pg_journal_link_came_up(&link->shared->journal, text, link->redialled);
    link->redialled = false;
    note_first_attempt(link);
    forget_attempt(link, 0);
}

/* An answer to the link itself. False if the link was lost over it. */
static bool take_own_answer(struct pg_link *link, const struct pg_request *request) {
    if (request->purpose == PG_REQUEST_SETTING && request->failed) {
        char why[sizeof(link->error)];
        pg_error_explain(request->result, why, sizeof(why));
        lose(link, why);
        return false;
    }
    if (request->purpose == PG_REQUEST_WHO && !pg_setup_is_same_server(request, &link->instance)) {
        lose(link, pg_setup_several_servers);
        return false;
    }
    const struct pg_server_options *options = &link->shared->options;
    if (request->purpose == PG_REQUEST_VARIANT &&
        !pg_setup_take_variant(request, options, &link->traffic.variant)) {
        lose(link, request->failed ? pg_result_error(request->result) : options->no_variant);
        return false;
    }
    return true;
}

/* ---- bytes in and out ---- */

static void push_out(struct pg_link *link);

/* A part of the set-up is done. */
static void go_on(struct pg_link *link) {
    const struct pg_server_options *options = &link->shared->options;
    if (link->preparing || !options->use_prepared) {
        come_up(link);
        return;
    }
    link->preparing = true;
    if (pg_setup_finish(&link->traffic.pipeline, options, link->traffic.variant)) {
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
                watch_deadline(link);
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
    } else if (more > 0 && event_add(&link->writable, NULL) != 0) {
        lose(link, cannot_watch);
    } else if (more > 0) {
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
    link->preparing = false;
    link->instance = 0;
    link->traffic.variant = 0;
    link->traffic.prepared_questions = 0;
    link->traffic.why_void[0] = '\0';
    link->traffic.in_hot_standby = false;
    event_assign(&link->readable, base, PQsocket(conn), EV_READ | EV_PERSIST, on_readable, link);
    event_assign(&link->writable, base, PQsocket(conn), EV_WRITE, on_writable, link);
    arm_timer(link, (uint64_t)link->shared->options.connect_timeout_s * 1000);
    char why[80];
    const bool refused = pg_setup_refuses(conn, &link->shared->options, why, sizeof(why));
    const bool opened = pg_pipeline_open(&link->traffic.pipeline, conn);
    if (refused) {
        lose(link, why);
    } else if (event_add(&link->readable, NULL) != 0) {
        lose(link, cannot_watch);
    } else if (opened && pg_setup_send(&link->traffic.pipeline, &link->shared->options)) {
        push_out(link);
    } else {
        lose(link, pg_pipeline_why_lost(&link->traffic.pipeline));
    }
}

static void on_attempt_ended(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct pg_link *link = context;
    PGconn *conn = pg_attempt_take(link->attempt, &link->start, link->error, sizeof(link->error));
    wake_up_clear(&link->timer);
    if (conn != NULL) {
        pg_journal_server_warned(&link->shared->journal, link->error);
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

/* False if nothing would tell of the attempt's end, and then there is none. */
static bool watch_attempt(struct pg_link *link) {
    event_assign(&link->attempt_ended, link->shared->base, pg_attempt_descriptor(link->attempt),
                 EV_READ, on_attempt_ended, link);
    const bool watched = event_add(&link->attempt_ended, NULL) == 0;
    if (!watched) {
        (void)snprintf(link->error, sizeof(link->error), "%s", cannot_watch);
        pg_link_cancel(link);
        forget_attempt(link, 0);
    }
    return watched;
}

static void begin_attempt(struct pg_link *link) {
    const struct pg_server_options *options = &link->shared->options;
    forget_attempt(link, 0);
    link->attempt_overdue = false;
    link->renewing = false;
    link->attempt =
        pg_attempt_start(options->conninfo, options->application_name, options->connect_timeout_s,
                         link->start, link->error, sizeof(link->error));
    if (link->attempt == NULL || !watch_attempt(link)) {
        note_failure(link);
        back_off(link);
        return;
    }
    link->state = PG_LINK_CONNECTING;
    arm_timer(link, (uint64_t)options->connect_timeout_s * 1000 + ATTEMPT_SLACK_MS);
}

/* ---- the timer ---- */

/* The attempt counts as failed, so that no statement waits for it, but it is not replaced: a name
 * server that does not answer, or a file that cannot be read, must not pile up a thread for each
 * attempt. If it still succeeds, good. */
static void note_overdue_attempt(struct pg_link *link) {
    link->attempt_overdue = true;
    (void)snprintf(link->error, sizeof(link->error),
                   "no connection within %" PRIu32
                   " s; still trying (does the look-up of the host's name take long, or hang a "
                   "disk with a certificate or a password file?)",
                   link->shared->options.connect_timeout_s);
    note_failure(link);
}

static void check_deadline(struct pg_link *link) {
    uint64_t now_ms = monotonic_ms();
    link->timer_due_ms = UINT64_MAX;
    if (now_ms >= overdue_at_ms(link)) {
        lose(link, "no answer in time: the link is given up");
        return;
    }
    watch_deadline(link);
}

static void on_timer(struct wake_up *wake_up) {
    struct pg_link *link = container_of(wake_up, struct pg_link, timer);
    switch (link->state) {
    case PG_LINK_DOWN:
        begin_attempt(link);
        break;
    case PG_LINK_CONNECTING:
        note_overdue_attempt(link);
        break;
    case PG_LINK_SETTING_UP:
        lose(link, "the link's set-up was not answered in time: the server hangs, or a table is "
                   "locked");
        break;
    case PG_LINK_READY:
        check_deadline(link);
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
    link->timer.woken = on_timer;
    begin_attempt(link);
}

void pg_link_redial(struct pg_link *link) {
    const bool was_ready = link->state == PG_LINK_READY;
    pg_link_cancel(link);
    close_link(link, true);
    if (was_ready) {
        pg_journal_link_was_closed(&link->shared->journal);
    }
    link->failed_since_up = false;
    link->redialled = true;
    link->backoff_ms = BACKOFF_MIN_MS;
    begin_attempt(link);
}

void pg_link_cancel(struct pg_link *link) {
    if (link->attempt != NULL) {
        pg_attempt_cancel(link->attempt);
    }
}

void pg_link_free(struct pg_link *link, int wait_ms) {
    wake_up_clear(&link->timer);
    forget_attempt(link, wait_ms);
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
    const uint32_t depth = PG_PIPELINE_DEPTH;
    uint32_t taken = link->traffic.pipeline.in_flight;
    /* In an aborted batch libpq writes every message by itself. The batch's end is on its way. */
    return link->state == PG_LINK_READY && taken < depth &&
                   PQpipelineStatus(link->traffic.pipeline.conn) == PQ_PIPELINE_ON
               ? depth - taken
               : 0;
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
        watch_deadline(link);
    }
}
