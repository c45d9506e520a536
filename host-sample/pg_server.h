/*
 * pg_server.h - one PostgreSQL server as one event loop sees it: its few links, in pipeline mode.
 *
 * Statements are handed in at any moment of a turn of the loop and sent at its end, in one batch and
 * one sync for each link (in libpq 15 every PQpipelineSync flushes; a sync for each statement gives
 * nearly all of the pipeline's gain away). An error aborts the rest of its batch: the statement that
 * failed gets its own error, the aborted ones, being reads, are sent again at once.
 *
 * Each connection attempt runs in a short-lived thread of its own (PQconnectdbParams: names are
 * resolved, TLS and SCRAM are done there, bounded by connect_timeout), so the loop never blocks and an
 * attempt that hangs hurts nobody. Set-up (SET, PREPARE, identity) is the link's first pipeline batch.
 *
 * [one thread]: everything here belongs to the thread of the event base, but for the counters.
 */
#ifndef PG_SERVER_H
#define PG_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct pg_server;
struct pg_slot; /* one statement in flight on a link; internal */

enum pg_server_role { PG_PRIMARY, PG_REPLICA };

/* What may be sent. A position is a WAL position; see pg_reply. */
enum pg_statement_kind {
    PG_READ,            /* one prepared statement */
    PG_READ_AT_POSITION, /* the replay position, and after it, as a later statement of the same pipeline
                            (so with a later snapshot), the read: the position qualifies the answer */
    PG_POSITION         /* the position alone: replay position of a replica, flush or insert of the primary */
};

enum pg_reply_status {
    PG_REPLY_ROWS,   /* result holds rows (PGRES_TUPLES_OK), or position alone for PG_POSITION */
    PG_REPLY_FAILED  /* error says why; result may be NULL */
};

struct pg_reply {
    enum pg_reply_status status;
    PGresult *result;  /* owned by the server; valid until the callback returns, unless taken: a
                          callback that sets it to NULL has taken it over and must PQclear it */
    uint64_t position; /* 0: unknown (not asked; not in recovery; another timeline or system) */
    const char *error; /* PG_REPLY_FAILED: one line; valid until the callback returns */
    char sqlstate[6];  /* "" if there is none (lost link, no link, timeout) */
};

/* Memory of the caller's; it may be submitted again from within its callback. */
struct pg_statement {
    /* set by the caller */
    enum pg_statement_kind kind;
    int prepared;                 /* index into pg_server_options.prepared */
    const char *const *values;    /* text parameters; they and what they point to must stay */
    const int *lengths;           /* valid until the callback or pg_statement_forget */
    void (*done)(struct pg_statement *statement, struct pg_reply *reply); /* never within submit */
    /* the server's */
    struct pg_server *server; /* non-NULL exactly while submitted */
    struct pg_slot *slot;     /* non-NULL while on a link */
    uint32_t resends;
    TAILQ_ENTRY(pg_statement) entry;
};

struct pg_prepared {
    const char *name;
    const char *sql;
    int parameter_count;
};

struct pg_server_options {
    const char *name;     /* "primary", "replica", "replica.b": for logs and metrics */
    enum pg_server_role role;
    const char *conninfo;
    uint32_t links;       /* 1 to 64 */
    bool use_prepared;    /* no: PQsendQueryParams each time */
    bool insert_position; /* primary: pg_current_wal_insert_lsn() instead of flush */
    uint32_t statement_timeout_ms; /* set on every link; the link is given up if an answer is overdue
                                      by more than a second beyond it */
    uint32_t connect_timeout_s;    /* bounds an attempt (2 is libpq's least) */
    const struct pg_prepared *prepared; /* result format is binary */
    size_t prepared_count;
    uint64_t jitter_seed; /* for back-off: capped, doubling, jittered */
    /* One line for the log: a link came up, went down, an attempt failed. level: "info", "warn", "error" */
    void (*log)(void *context, const char *level, const char *server, const char *message);
    /* The server's first attempts have settled (every link came up or failed once), called once. */
    void (*settled)(void *context, struct pg_server *server);
    void *context;
};

struct pg_server *pg_server_new(struct event_base *base, const struct pg_server_options *options,
                                char *err, size_t err_length);

/* Closes every link; statements still submitted are forgotten without a callback. */
void pg_server_free(struct pg_server *server);

/* Queues the statement. `done` is called later, exactly once, unless it is forgotten. With no link up:
 * while the first attempt after a loss is still under way the statement waits for it; once an attempt
 * has failed, statements fail at the end of the turn until a link is up again. */
void pg_server_submit(struct pg_server *server, struct pg_statement *statement);

/* The caller is no longer interested: `done` will not be called. The memory may be reused at once. If
 * the statement is already on a link its answer is thrown away. */
void pg_statement_forget(struct pg_statement *statement);

/* End of a turn of the loop: sends what was submitted, one sync a link. Returns true if callbacks were
 * made (and so more may have been submitted: call again). */
bool pg_server_flush(struct pg_server *server);

bool pg_server_is_up(const struct pg_server *server);       /* at least one link is ready */
const char *pg_server_name(const struct pg_server *server);
const char *pg_server_last_error(const struct pg_server *server); /* of its links; "" if none */

struct pg_server_counters { /* read from any thread, relaxed */
    uint64_t statements;   /* sent, resends not counted */
    uint64_t reads;        /* of them PG_READ and PG_READ_AT_POSITION */
    uint64_t failures;
    uint64_t resends;      /* aborted by a neighbour's error and sent again */
    uint64_t batches;      /* syncs sent */
    uint64_t connects;     /* links that came up */
    uint64_t connect_failures;
    uint64_t links_up;
    uint64_t in_flight;
};
void pg_server_read_counters(const struct pg_server *server, struct pg_server_counters *counters);

#endif
