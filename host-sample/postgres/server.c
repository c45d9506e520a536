/*
 * server.c - see server.h.
 */
#include "server.h"

#include "group.h"
#include "host-sample/base/container_of.h"
#include "host-sample/base/monotonic.h"
#include "link.h"
#include "shared.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MIN = 8, /* a batch is split over several links only if each gets at least this many */
    ASKING_BATCH_MIN = PG_GROUP_MAX, /* the reads of a group share their question */
    FREE_WAIT_MS = 500               /* for the threads of all attempts together */
};

struct pg_server {
    struct pg_shared shared; /* its options' name and conninfo are the two copies below */
    char *name;
    char *conninfo;
    struct pg_link *links; /* options.links of them */
    uint64_t questions;    /* that links were chosen for */
    bool calling;          /* callbacks are being made */
    bool freed;            /* freed within a callback: gone once that returns */
    bool abandoned;        /* and nobody waits for its attempts to connect */
    bool tried_told;       /* options.tried has been called */
    char no_link[384];     /* the error of statements that no link can take */
};

/* ---- callbacks ---- */

static void destroy(struct pg_server *server) {
    pg_queue_free(&server->shared.queue);
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        pg_link_cancel(&server->links[i]);
    }
    uint64_t deadline_ms = monotonic_ms() + (server->abandoned ? 0 : FREE_WAIT_MS);
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        uint64_t now_ms = monotonic_ms();
        pg_link_free(&server->links[i], deadline_ms > now_ms ? (int)(deadline_ms - now_ms) : 0);
    }
    byte_buffer_free(&server->shared.scratch);
    (void)pthread_mutex_destroy(&server->shared.journal.lock);
    free(server->links);
    free(server->name);
    free(server->conninfo);
    free(server);
}

/* Makes the callbacks of all collected replies; true if there were any. The server may be gone when
 * it returns. */
static bool make_callbacks(struct pg_server *server) {
    if (server->calling) {
        return false;
    }
    server->calling = true;
    bool made = false;
    while (!server->freed && pg_queue_call_back(&server->shared.queue)) {
        made = true;
    }
    if (!server->freed && server->shared.untried == 0 && !server->tried_told) {
        server->tried_told = true;
        if (server->shared.options.tried != NULL) {
            server->shared.options.tried(server->shared.options.context, server);
            made = true;
        }
    }
    if (!server->freed && server->shared.changed) {
        server->shared.changed = false;
        if (server->shared.options.changed != NULL) {
            server->shared.options.changed(server->shared.options.context, server);
            made = true;
        }
    }
    server->calling = false;
    if (server->freed) {
        destroy(server);
    } else {
        pg_queue_let_go(&server->shared.queue);
    }
    return made;
}

static void on_event_ended(struct pg_shared *shared) {
    make_callbacks(container_of(shared, struct pg_server, shared));
}

/* ---- statements ---- */

void pg_server_submit(struct pg_server *server, struct pg_statement *statement) {
    assert(statement->kind != PG_ASK || statement->question != NULL);
    assert(statement->kind == PG_ASK ||
           (statement->prepared >= 0 &&
            (size_t)statement->prepared < server->shared.options.prepared_count));
    pg_queue_submit(&server->shared.queue, statement);
}

/* ---- the end of a turn ---- */

static uint32_t ready_links(const struct pg_server *server) {
    uint32_t ready = 0;
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        ready += pg_link_is_ready(&server->links[i]);
    }
    return ready;
}

/* Links of one name may lead to two servers: those that were made before it moved to the one, later
 * ones to the other. Each is to be heard, so of those that are equally busy the one is asked that
 * was asked longest ago, or never yet. One that is busier is heard by its reads; behind a slow one
 * a question would wait in vain. */
static bool is_rather(const struct pg_link *link, const struct pg_link *other, bool to_ask) {
    if (link->traffic.statements != other->traffic.statements) {
        return link->traffic.statements < other->traffic.statements;
    }
    return to_ask && link->asked < other->asked;
}

/* Of those with room. */
static struct pg_link *choose_link(struct pg_server *server, bool to_ask) {
    struct pg_link *best = NULL;
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        struct pg_link *link = &server->links[i];
        if (pg_link_room(link) > 0 && (best == NULL || is_rather(link, best, to_ask))) {
            best = link;
        }
    }
    if (best != NULL && to_ask) {
        best->asked = ++server->questions;
    }
    return best;
}

/* Hands the waiting statements to the links, the least busy first, in contiguous shares: a server
 * process wakes once for a batch, so eight statements on one link beat one on each of eight.
 */
static void hand_out(struct pg_server *server) {
    struct pg_queue *queue = &server->shared.queue;
    uint32_t ready = ready_links(server);
    if (ready == 0) {
        return;
    }
    uint32_t even = (queue->waiting + ready - 1) / ready;
    const uint32_t least = pg_queue_asks(queue) ? ASKING_BATCH_MIN : BATCH_MIN;
    const uint32_t share = even > least ? even : least;
    struct pg_link *link;
    while (queue->waiting > 0 &&
           (link = choose_link(server, pg_queue_begins_with_ask(queue))) != NULL) {
        bool sent = true;
        uint32_t count;
        for (uint32_t left = share;
             sent && left > 0 && queue->waiting > 0 && pg_link_room(link) > 0; left -= count) {
            sent = pg_link_send(link, pg_queue_take_group(queue, left, &count));
        }
    }
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        pg_link_end_batch(&server->links[i]);
    }
}

/* Whether a link is up, or it is too early to say that none is. */
static bool has_prospect(const struct pg_server *server) {
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        if (pg_link_is_ready(&server->links[i]) || pg_link_may_come_up(&server->links[i])) {
            return true;
        }
    }
    return false;
}

bool pg_server_flush(struct pg_server *server) {
    struct pg_queue *queue = &server->shared.queue;
    if (server->calling) {
        return false;
    }
    if (queue->waiting > 0) {
        hand_out(server);
    }
    if (queue->waiting > 0 && !has_prospect(server)) {
        (void)snprintf(server->no_link, sizeof(server->no_link),
                       "no link to %.40s (last error: %s)", server->name,
                       server->shared.journal.last_error);
        pg_queue_fail_waiting(queue, server->no_link);
    }
    return make_callbacks(server);
}

/* ---- the server ---- */

struct pg_server *pg_server_new(struct event_base *base, struct wake_ups *wake_ups,
                                const struct pg_server_options *options, char *err,
                                size_t err_length) {
    if (!pg_server_options_check(options, err, err_length)) {
        return NULL;
    }
    struct pg_server *server = calloc(1, sizeof(*server));
    struct pg_link *links = calloc(options->links, sizeof(*links));
    char *name = strdup(options->name);
    char *conninfo = strdup(options->conninfo);
    if (server == NULL || links == NULL || name == NULL || conninfo == NULL ||
        pthread_mutex_init(&server->shared.journal.lock, NULL) != 0) {
        free(server);
        free(links);
        free(name);
        free(conninfo);
        (void)snprintf(err, err_length, "out of memory");
        return NULL;
    }
    struct pg_shared *shared = &server->shared;
    shared->base = base;
    shared->wake_ups = wake_ups;
    shared->options = *options;
    shared->options.name = server->name = name;
    shared->options.conninfo = server->conninfo = conninfo;
    shared->untried = options->links;
    shared->random = options->jitter_seed;
    shared->event_ended = on_event_ended;
    shared->journal.options = &shared->options;
    shared->journal.tally = &shared->tally;
    pg_queue_init(&shared->queue, options->prepared, &shared->tally);
    server->links = links;
    for (uint32_t i = 0; i < options->links; i++) {
        pg_link_start(&links[i], shared);
    }
    return server;
}

void pg_server_free(struct pg_server *server) {
    if (server == NULL) {
        return;
    }
    if (server->calling) {
        server->freed = true;
    } else {
        destroy(server);
    }
}

void pg_server_abandon(struct pg_server *server) {
    if (server != NULL) {
        server->abandoned = true;
        pg_server_free(server);
    }
}

void pg_server_redial(struct pg_server *server) {
    for (uint32_t i = 0; i < server->shared.options.links; i++) {
        pg_link_redial(&server->links[i]);
    }
}

bool pg_server_is_up(const struct pg_server *server) {
    return ready_links(server) > 0;
}

bool pg_server_is_idle(const struct pg_server *server) {
    const struct pg_queue *queue = &server->shared.queue;
    return queue->waiting == 0 && TAILQ_EMPTY(&queue->answered) &&
           counter_value(&server->shared.tally.in_flight) == 0;
}

const char *pg_server_name(const struct pg_server *server) {
    return server->name;
}

const char *pg_server_last_error(const struct pg_server *server) {
    return server->shared.journal.last_error;
}

void pg_server_copy_error(struct pg_server *server, char *text, size_t length) {
    pg_journal_copy_error(&server->shared.journal, text, length);
}

const uint32_t pg_took_bounds_us[PG_TOOK_BUCKETS] = {250,   500,   1000,   2500,   5000,
                                                     10000, 25000, 100000, 500000, 2500000};

void pg_server_took(struct pg_server *server, int kind, uint64_t took_ns) {
    struct pg_tally *tally = &server->shared.tally;
    const uint64_t took_us = took_ns / 1000;
    uint32_t bucket = 0;
    while (bucket < PG_TOOK_BUCKETS && took_us > pg_took_bounds_us[bucket]) {
        bucket++;
    }
    counter_add(&tally->took[kind][bucket], 1);
    counter_add(&tally->took_us[kind], took_us);
}

void pg_server_read_counters(const struct pg_server *server, struct pg_server_counters *counters) {
    const struct pg_tally *tally = &server->shared.tally;
    counters->statements = counter_value(&tally->statements);
    counters->reads = counter_value(&tally->reads);
    counters->executions = counter_value(&tally->executions);
    counters->failures = counter_value(&tally->failures);
    counters->resends = counter_value(&tally->resends);
    counters->batches = counter_value(&tally->batches);
    counters->connects = counter_value(&tally->connects);
    counters->connect_failures = counter_value(&tally->connect_failures);
    counters->links_up = counter_value(&tally->links_up);
    counters->in_flight = counter_value(&tally->in_flight);
    for (int kind = 0; kind < PG_TOOK_KINDS; kind++) {
        counters->took_us[kind] = counter_value(&tally->took_us[kind]);
        for (int i = 0; i <= PG_TOOK_BUCKETS; i++) {
            counters->took[kind][i] = counter_value(&tally->took[kind][i]);
        }
    }
}

void pg_server_counters_add(struct pg_server_counters *sum, const struct pg_server_counters *more) {
    sum->statements += more->statements;
    sum->reads += more->reads;
    sum->executions += more->executions;
    sum->failures += more->failures;
    sum->resends += more->resends;
    sum->batches += more->batches;
    sum->connects += more->connects;
    sum->connect_failures += more->connect_failures;
    sum->links_up += more->links_up;
    sum->in_flight += more->in_flight;
    for (int kind = 0; kind < PG_TOOK_KINDS; kind++) {
        sum->took_us[kind] += more->took_us[kind];
        for (int i = 0; i <= PG_TOOK_BUCKETS; i++) {
            sum->took[kind][i] += more->took[kind][i];
        }
    }
}
