/*
 * pg_server_links.h - between a server (pg_server.c) and its links (pg_link.c); nobody else's.
 *
 * A link reports what happened to its server, and never calls the host: answers are collected, and
 * the callbacks made by pg_server_make_callbacks as the last thing in every event, when every link
 * is in order again. So a callback may submit, forget and free as it likes.
 */
#ifndef PG_SERVER_LINKS_H
#define PG_SERVER_LINKS_H

#include "host-sample/base/byte_buffer.h"
#include "prepared.h"
#include "server.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct pg_link;

TAILQ_HEAD(pg_statement_list, pg_statement);

/* Written by the server's thread alone, read by any. */
struct pg_tally {
    _Atomic uint64_t statements, reads, executions, failures, resends, batches;
    _Atomic uint64_t connects, connect_failures, links_up, in_flight;
};

/* With one writer no locked instruction is needed. */
static inline void pg_tally_add(_Atomic uint64_t *counter, uint64_t more) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

static inline void pg_tally_subtract(_Atomic uint64_t *counter, uint64_t less) {
    pg_tally_add(counter, (uint64_t)0 - less);
}

struct pg_server {
    struct event_base *base;
    struct pg_server_options options; /* name and conninfo are the two copies below */
    char *name;
    char *conninfo;

    struct pg_link *links; /* options.links of them */
    uint32_t unsettled;    /* links whose first attempt has not ended */
    const struct pg_server *reference;
    struct pg_identity identity;

    struct pg_statement_list resent;   /* hurt by another's error: sent before the others */
    struct pg_statement_list pending;  /* submitted and never sent */
    struct pg_statement_list answered; /* their callbacks are to be made */
    uint32_t waiting;                  /* resent and pending */

    bool calling;      /* callbacks are being made */
    bool freed;        /* within a callback: gone once it returns */
    bool settled_told; /* options.settled has been called */

    PGresult *in_use;                      /* by the callback that is being made */
    uint32_t bytes_each[PG_PREPARED_MOST]; /* what a read adds to a result, a running mean */
    struct byte_buffer scratch;

    uint64_t random_state;
    struct pg_tally tally;
    char last_error[256];
    char no_link[384];      /* the error of statements that no link can take */
    char logged_error[256]; /* of those that are logged now and then the last, and when */
    uint64_t logged_ms;
    uint64_t unlogged; /* how often it has come since then */
};

/* Collects a reply. What it points to must stay until the callbacks are made; its result becomes
 * the server's, shared by statements that are answered one right after the other. error = NULL: the
 * text of the reply's result. The statement is on no link any more. */
void pg_server_answer(struct pg_server *server, struct pg_statement *statement,
                      const struct pg_reply *reply);

/* The statement got no answer because of another's error: it is sent again before all others. */
void pg_server_send_again(struct pg_server *server, struct pg_statement *statement);

/* What happens to a link. text: one line. */
/* NULL: it leads to the server that it was given up for; that is in the log. */
void pg_server_link_came_up(struct pg_server *server, const char *text);
void pg_server_link_was_lost(struct pg_server *server, const char *text);
/* By itself, for what it leads to; it will try the address anew. */
void pg_server_link_was_given_up(struct pg_server *server, const char *text);
void pg_server_attempt_failed(struct pg_server *server, const char *text);
void pg_server_link_settled(struct pg_server *server);

/* A number of at least half of `ms` and at most `ms`, from the server's own generator. */
uint32_t pg_server_jitter(struct pg_server *server, uint32_t ms);

/* Makes the callbacks of all that was collected; true if there were any. The server may be gone
 * when it returns. */
bool pg_server_make_callbacks(struct pg_server *server);

#endif
