/*
 * options.h - what a server is and how to talk to it.
 */
#ifndef PG_OPTIONS_H
#define PG_OPTIONS_H

#include "prepared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_server;

enum { PG_SETTINGS_MAX = 16 };

/* name and conninfo are copied; all other texts and `prepared` must outlive the server. */
struct pg_server_options {
    const char *name; /* "primary", "replica", "replica.b": for logs and metrics */
    const char *conninfo;
    const char *application_name; /* where conninfo, its service and the environment give none */
    int min_version;              /* as PQserverVersion: older servers get no link. 0: any */
    uint32_t links;               /* 1 to 64 */
    bool use_prepared; /* no: PQsendQueryParams each time. Behind a pooler in transaction mode the
                          SETs of a link's set-up may stay on another server connection: there the
                          operator must provide READ COMMITTED and a statement_timeout (ALTER ROLE
                          SET), or no answer to a question proves anything */
    /* 1 to 3600000; set on every link. A link is given up when an answer is owed and none has come
     * for a second more than this. The answers of a batch come together, when all of it is done. */
    uint32_t statement_timeout_ms;
    /* 1 to 600; bounds an attempt, and the set-up after it. A connect_timeout in conninfo bounds
     * the attempt instead, but statements wait for it no longer than this and a second. */
    uint32_t connect_timeout_s;
    const char *const *settings; /* "SET ..." that every link begins with, beside its own */
    size_t setting_count;        /* at most PG_SETTINGS_MAX */
    /* Servers may differ in their schema, so the statements may come in several sets, one behind
     * the other: this, asked when a link comes up, is one row of one integer, the number of the
     * link's set, from 0. NULL: there is one set. */
    const char *variant_sql;
    size_t variant_count;   /* sets; not looked at without variant_sql */
    const char *no_variant; /* why a link is refused if there is no such set, or NULL came */
    const struct pg_prepared *prepared; /* result format is binary; the sets are alike in all but
                                           their texts */
    size_t prepared_count;              /* of one set, at most PG_PREPARED_MAX */
    uint64_t jitter_seed;               /* for back-off: capped, doubling, jittered */
    /* One line for the log: "info", a link came up; "warn", one was lost or given up, an attempt
     * failed (what stays the same at most every 10 s). Must not call back. NULL: no log. */
    void (*log)(void *context, const char *level, const char *server, const char *message);
    /* Every link has been tried once, and came up or failed. Called once, in the same way as a
     * statement's callback. May be NULL. */
    void (*tried)(void *context, struct pg_server *server);
    /* Something has changed about the server: a link came up or was lost, or the server said
     * unasked that it entered or left recovery (a pooler may say so long afterwards: a hint, no
     * fact). Called like the callback of a statement. May be NULL. */
    void (*changed)(void *context, struct pg_server *server);
    void *context;
};

/* False with one line in err, no password in it: an option out of its bounds, or a conninfo that
 * libpq cannot parse. */
bool pg_server_options_check(const struct pg_server_options *options, char *err, size_t err_length);

#endif
