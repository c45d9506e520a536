/*
 * server.h - one PostgreSQL server as one event loop sees it: its few links, in pipeline mode.
 *
 * Statements are handed in at any moment of a turn of the loop and sent at its end, in one batch
 * and one sync for each link (a sync for each statement would be a transaction each, and before
 * libpq 17 a write each: nearly all of the pipeline's gain would be lost). Reads of one kind that
 * wait at the end of a turn are sent as one execution (group.h). An error aborts the rest of its
 * batch: the statement that failed gets its own error; the aborted ones, being reads, are sent
 * again at once, and so are the others of its group. A read of a group that failed, and a statement
 * that is aborted a second time, get a sync of their own, so no flood of errors can keep a good
 * statement from its answer.
 *
 * Each connection attempt runs in its own short-lived thread, which resolves names and does TLS and
 * SCRAM within connect_timeout_s, so the loop never blocks and an attempt that hangs delays nothing
 * else. Set-up (SET, PREPARE) is the link's first pipeline batches.
 *
 * [one thread]: everything here belongs to the thread of the event base, but for the counters.
 */
#ifndef PG_SERVER_H
#define PG_SERVER_H

#include "options.h"
#include "statement.h"
#include "tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct wake_ups;
struct pg_server;

/* Starts to connect; the loop's wake-ups outlive the server's last event. NULL and err (one line,
 * no password in it): an option out of its bounds, a conninfo that libpq cannot parse, no memory.
 */
struct pg_server *pg_server_new(struct event_base *base, struct wake_ups *wake_ups,
                                const struct pg_server_options *options, char *err,
                                size_t err_length);

/* Closes every link; statements still submitted are forgotten without a callback. Within a callback
 * the server is freed when the callback has returned, and makes no other. Waits up to 500 ms for
 * attempts to connect that are under way; one that is looking up a name may outlive the call, but
 * then touches nothing of the caller's, and closes any connection it gets. */
void pg_server_free(struct pg_server *server);

/* The same without waiting: what is under way ends by itself. For a loop that goes on. */
void pg_server_abandon(struct pg_server *server);

/* Queues the statement. `done` is called later, exactly once, unless it is forgotten. With no link
 * up: while the first attempt after a loss is still under way the statement waits for it; once an
 * attempt has failed, statements fail at the end of the turn until a link is up again. */
void pg_server_submit(struct pg_server *server, struct pg_statement *statement);

/* End of a turn of the loop: sends what was submitted, one sync a link. Returns true if callbacks
 * were made (and so more may have been submitted: call again). Does nothing within a callback. */
bool pg_server_flush(struct pg_server *server);

/* Closes all links and makes them anew, with names looked up again: for an address that may lead
 * elsewhere by now. Statements under way are sent again, and wait for the first attempts of the new
 * links; if those fail they fail as not sent. */
void pg_server_redial(struct pg_server *server);

bool pg_server_is_up(const struct pg_server *server);   /* at least one link is ready */
bool pg_server_is_idle(const struct pg_server *server); /* no statement is with it */
const char *pg_server_name(const struct pg_server *server);
const char *pg_server_last_error(const struct pg_server *server); /* of its links; "" if none */
/* The same for another thread than the server's, which keeps it from being freed. */
void pg_server_copy_error(struct pg_server *server, char *text, size_t length);

struct pg_server_counters { /* read from any thread, relaxed */
    uint64_t statements;    /* sent, resends not counted */
    uint64_t reads;         /* of them PG_READ */
    uint64_t executions;    /* executions for these reads: a group's reads share one */
    uint64_t failures;
    uint64_t resends;  /* sent again after a neighbour's error, or that of their group */
    uint64_t batches;  /* syncs sent */
    uint64_t connects; /* links that came up */
    uint64_t connect_failures;
    uint64_t links_up;
    uint64_t in_flight;
    /* How many answers came within each of pg_took_bounds_us, by kind, and their times in all. */
    uint64_t took[PG_TOOK_KINDS][PG_TOOK_BUCKETS + 1];
    uint64_t took_us[PG_TOOK_KINDS];
};
extern const uint32_t pg_took_bounds_us[PG_TOOK_BUCKETS];

/* An answer took that long, from pg_server_submit on. */
void pg_server_took(struct pg_server *server, int kind, uint64_t took_ns);

void pg_server_read_counters(const struct pg_server *server, struct pg_server_counters *counters);
void pg_server_counters_add(struct pg_server_counters *sum, const struct pg_server_counters *more);

#endif
