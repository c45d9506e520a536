/*
 * pg_server.h - one PostgreSQL server as one event loop sees it: its few links, in pipeline mode.
 *
 * Statements are handed in at any moment of a turn of the loop and sent at its end, in one batch
 * and one sync for each link (in libpq 15 every PQpipelineSync flushes; a sync for each statement
 * gives nearly all of the pipeline's gain away). Reads of one kind that wait at the end of a turn
 * are one execution (pg_group.h). An error aborts the rest of its batch: the statement that failed
 * gets its own error; the aborted ones, being reads, are sent again at once, and so are the others
 * of its group. One of a group that failed, and one that is aborted a second time, gets a sync of
 * its own, so no flood of errors can keep a good statement from its answer.
 *
 * Each connection attempt runs in a short-lived thread of its own (names are resolved, TLS and
 * SCRAM are done there, bounded by connect_timeout_s), so the loop never blocks and an attempt that
 * hangs hurts nobody. Set-up (SET, PREPARE, identity) is the link's first pipeline batch.
 *
 * [one thread]: everything here belongs to the thread of the event base, but for the counters.
 */
#ifndef PG_SERVER_H
#define PG_SERVER_H

#include "prepared.h"
#include "result_rows.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct pg_server;
struct pg_slot; /* what is in flight on a link as one: a statement or a group; internal */

enum pg_server_role { PG_PRIMARY, PG_REPLICA };

/* What may be sent. A position is a WAL position; see pg_reply. */
enum pg_statement_kind {
    /* One prepared statement. */
    PG_READ,
    /* The position and after it, as a later statement of the same pipeline (so with a later
     * snapshot), the read: the position qualifies the answer. */
    PG_READ_AT_POSITION,
    /* The position alone: of replay on a replica, flushed or inserted on the primary. */
    PG_POSITION
};

enum pg_reply_status {
    PG_REPLY_ROWS,  /* rows of a PGRES_TUPLES_OK, or position alone for PG_POSITION */
    PG_REPLY_FAILED /* error says why */
};

struct pg_reply {
    enum pg_reply_status status;
    struct result_rows rows; /* of a result that is the server's; valid until the callback
                                returns. Its result may be NULL */
    uint64_t position; /* 0: unknown (not asked; not in recovery; another timeline or system) */
    const char *error; /* PG_REPLY_FAILED: one line; valid until the callback returns */
    char sqlstate[6];  /* "" if there is none (lost link, no link, timeout) */
};

/* Memory of the caller's, all zero before it is first submitted; it may be submitted again from
 * within its callback. */
struct pg_statement {
    /* set by the caller */
    enum pg_statement_kind kind;
    int prepared; /* index into pg_server_options.prepared */
    /* Text parameters, none of them NULL; they and what they point to must stay valid until the
     * callback or pg_statement_forget. lengths may be NULL: they end at their NUL then. */
    const char *const *values;
    const int *lengths;
    void (*done)(struct pg_statement *statement, struct pg_reply *reply); /* never within submit */
    /* the server's */
    struct pg_server *server;           /* non-NULL exactly while submitted */
    struct pg_slot *slot;               /* non-NULL while on a link */
    struct pg_statement *next_in_group; /* while on a link, see pg_group.h */
    uint32_t number;                    /* in its group, from 1 */
    uint32_t resends;
    bool alone;            /* when sent again: between two syncs of its own */
    bool answered;         /* the reply is there, the callback is still to be made */
    struct pg_reply reply; /* only while answered */
    TAILQ_ENTRY(pg_statement) entry;
};

/* name and conninfo are copied; `prepared` and its texts must outlive the server. */
struct pg_server_options {
    const char *name; /* "primary", "replica", "replica.b": for logs and metrics */
    enum pg_server_role role;
    const char *conninfo;
    uint32_t links;    /* 1 to 64 */
    bool use_prepared; /* no: PQsendQueryParams each time. Behind a pooler in transaction mode the
                          SETs of a link's set-up may stay on another server connection: there the
                          operator must see to READ COMMITTED and to a statement_timeout (ALTER ROLE
                          SET), or no position proves anything */
    bool insert_position; /* primary: pg_current_wal_insert_lsn() instead of flush */
    /* 1 to 3600000; set on every link. A link is given up when an answer is owed and none has come
     * for a second more than this. The answers of a batch come together, when all of it is done. */
    uint32_t statement_timeout_ms;
    /* 1 to 600; bounds an attempt, and the set-up after it. A connect_timeout in conninfo bounds
     * the attempt instead, but statements wait for it no longer than this and a second. */
    uint32_t connect_timeout_s;
    const struct pg_prepared *prepared; /* result format is binary */
    size_t prepared_count;              /* at most PG_PREPARED_MOST */
    uint64_t jitter_seed;               /* for back-off: capped, doubling, jittered */
    /* One line for the log: "info", a link came up (but to the server that it was just given up
     * for); "warn", one was lost or given up, an attempt failed (what stays the same at most every
     * 10 s). Must not call back. NULL: no log. */
    void (*log)(void *context, const char *level, const char *server, const char *message);
    /* The server's first attempts have settled (every link came up or failed once), called once,
     * like the callback of a statement. May be NULL. */
    void (*settled)(void *context, struct pg_server *server);
    void *context;
};

/* Starts to connect. NULL and err (one line, no password in it): an option out of its bounds, a
 * conninfo that libpq cannot parse, no memory. */
struct pg_server *pg_server_new(struct event_base *base, const struct pg_server_options *options,
                                char *err, size_t err_length);

/* Closes every link; statements still submitted are forgotten without a callback. Within a callback
 * the server goes when the callback has returned, and makes no other. Waits up to 500 ms for
 * attempts to connect that are under way; one that is looking up a name may outlive the call,
 * touches nothing of the caller's and closes what it gets. */
void pg_server_free(struct pg_server *server);

/* What a server says of itself when a link comes up, and every few seconds from then on: a standby
 * that is promoted, or follows another one's promotion, keeps its connections. */
struct pg_identity {
    bool known; /* a link has been up; in_recovery is what it said */
    bool in_recovery;
    uint32_t timeline;          /* 0: unknown (the role may not see it) */
    uint64_t system_identifier; /* 0: unknown (the role may not see it) */
};
/* Of the link that said so last. Returns identity->known. */
bool pg_server_identity(const struct pg_server *server, struct pg_identity *identity);

/* Positions of this server are compared with `primary`'s: from now on they are 0, unknown, while
 * both servers' system identifiers are known and differ, or both their timelines. `primary` must
 * outlive the server's last callback; NULL ends the comparison. */
void pg_server_set_reference(struct pg_server *server, const struct pg_server *primary);

/* Queues the statement. `done` is called later, exactly once, unless it is forgotten. With no link
 * up: while the first attempt after a loss is still under way the statement waits for it; once an
 * attempt has failed, statements fail at the end of the turn until a link is up again. */
void pg_server_submit(struct pg_server *server, struct pg_statement *statement);

/* The caller is no longer interested: `done` will not be called. The memory may be reused at once.
 * If the statement is already on a link its answer is thrown away. Harmless if it is not submitted.
 */
void pg_statement_forget(struct pg_statement *statement);

/* End of a turn of the loop: sends what was submitted, one sync a link. Returns true if callbacks
 * were made (and so more may have been submitted: call again). Does nothing within a callback. */
bool pg_server_flush(struct pg_server *server);

bool pg_server_is_up(const struct pg_server *server); /* at least one link is ready */
const char *pg_server_name(const struct pg_server *server);
const char *pg_server_last_error(const struct pg_server *server); /* of its links; "" if none */

struct pg_server_counters { /* read from any thread, relaxed */
    uint64_t statements;    /* sent, resends not counted */
    uint64_t reads;         /* of them PG_READ and PG_READ_AT_POSITION */
    uint64_t executions;    /* it took so many to have them answered: a group's reads share one */
    uint64_t failures;
    uint64_t resends;  /* sent again after a neighbour's error, or that of their group */
    uint64_t batches;  /* syncs sent */
    uint64_t connects; /* links that came up */
    uint64_t connect_failures;
    uint64_t links_up;
    uint64_t in_flight;
};
void pg_server_read_counters(const struct pg_server *server, struct pg_server_counters *counters);

#endif
