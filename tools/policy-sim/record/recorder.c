/*
 * recorder.c - asks the primary, then the replica, over and over.
 */
#include "recorder.h"

#include "tools/policy-sim/model/lag_history.h"
#include "tools/policy-sim/model/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATEMENT "position"

/* NULL if the server is not in the expected role; the same statement checks that. */
static const char primary_sql[] =
    "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN "
    "pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0') END";
static const char replica_sql[] =
    "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN "
    "pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0') END";

struct server {
    const char *name;     /* for messages */
    const char *expected; /* the role that it does not have if it has no position */
    PGconn *conn;
    uint64_t position; /* its last answer */
    uint64_t asked_ns; /* midway between sending the question and its answer */
};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Unix time at the monotonic clock's zero: a recording's times are those of a wall clock that is
 * never set. */
static uint64_t wall_offset_ns(void) {
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec - now_ns();
}

/* libpq's messages end in a newline. */
static bool fail(const struct server *server, const char *why, char *err, size_t err_length) {
    (void)snprintf(err, err_length, "%s: %.*s", server->name, (int)strcspn(why, "\n"), why);
    return false;
}

/* Whether libpq can take it apart. Its own message quotes what it cannot, be it a password. */
static bool has_form(const char *conninfo) {
    if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL) {
        /* The name of a database, which the server would quote; and no URI that was mistyped. */
        return strpbrk(conninfo, "@/: ") == NULL;
    }
    PQconninfoOption *parts = PQconninfoParse(conninfo, NULL);
    PQconninfoFree(parts);
    return parts != NULL;
}

static bool connect_server(struct server *server, const char *conninfo, const char *sql, char *err,
                           size_t err_length) {
    /* The conninfo comes after the timeout, and so overrides it. */
    const char *keywords[] = {"connect_timeout", "dbname", "fallback_application_name", NULL};
    const char *values[] = {"10", conninfo, "policy-sim", NULL};
    if (!has_form(conninfo)) {
        return fail(server,
                    "not a connection string (it is not shown here); accepted: libpq's keyword = "
                    "value pairs or a postgresql:// URI",
                    err, err_length);
    }
    server->conn = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(server->conn) != CONNECTION_OK) {
        return fail(server, PQerrorMessage(server->conn), err, err_length);
    }
    PGresult *result = PQprepare(server->conn, STATEMENT, sql, 0, NULL);
    bool prepared = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return prepared || fail(server, PQerrorMessage(server->conn), err, err_length);
}

static bool read_position(struct server *server, char *err, size_t err_length) {
    uint64_t before_ns = now_ns();
    PGresult *result = PQexecPrepared(server->conn, STATEMENT, 0, NULL, NULL, NULL, 0);
    server->asked_ns = before_ns + (now_ns() - before_ns) / 2;
    bool known = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        (void)fail(server, PQerrorMessage(server->conn), err, err_length);
    } else if (PQntuples(result) != 1 || PQgetisnull(result, 0, 0) != 0) {
        (void)fail(server, server->expected, err, err_length);
    } else {
        server->position = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
        known = true;
    }
    PQclear(result);
    return known;
}

static void sleep_until(uint64_t at_ns) {
    struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                          .tv_nsec = (long)(at_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static void print_sample(FILE *out, uint64_t at_ns, uint64_t lag_ns) {
    (void)fprintf(out, "%" PRIu64 ".%09" PRIu64 ",%" PRIu64 ".%09" PRIu64 "\n", at_ns / NS_PER_S,
                  at_ns % NS_PER_S, lag_ns / NS_PER_S, lag_ns % NS_PER_S);
}

/* Right after something was printed: whether all of it is written. If not, what was written of the
 * last line is taken back: half a number is a number too. */
static bool keep_lines(FILE *out, off_t *whole, char *err, size_t err_length) {
    if (ferror(out) == 0) {
        *whole = ftello(out);
        return true;
    }
    (void)snprintf(err, err_length, "cannot write: %s", strerror(errno));
    __fpurge(out);
    if (ftruncate(fileno(out), *whole) == 0) {
        (void)fseeko(out, *whole, SEEK_SET);
    }
    return false;
}

static bool sample(struct recording *recording, struct server *primary, struct server *replica,
                   FILE *out, char *err, size_t err_length) {
    struct lag_history history;
    const uint64_t wall_ns = wall_offset_ns();
    const uint64_t begun_ns = now_ns();
    uint64_t next_ns = begun_ns;
    off_t whole = 0;
    bool good = lag_history_init(&history);
    if (!good) {
        (void)snprintf(err, err_length, "out of memory");
    }
    (void)fputs("time,lag\n", out);
    good = good && keep_lines(out, &whole, err, err_length);
    while (good && next_ns - begun_ns < recording->length_ns) {
        uint64_t lag_ns;
        good = read_position(primary, err, err_length) && read_position(replica, err, err_length);
        if (!good) {
            break;
        }
        lag_history_primary(&history, primary->position, primary->asked_ns);
        if (lag_history_replica(&history, replica->position, replica->asked_ns, &lag_ns)) {
            print_sample(out, wall_ns + replica->asked_ns, lag_ns);
            recording->samples += ferror(out) == 0;
        } else {
            recording->unknown++;
        }
        good = keep_lines(out, &whole, err, err_length);
        next_ns += recording->interval_ns;
        next_ns = next_ns > now_ns() ? next_ns : now_ns();
        sleep_until(next_ns);
    }
    lag_history_free(&history);
    return good;
}

bool record_lag(struct recording *recording, FILE *out, char *err, size_t err_length) {
    struct server primary = {.name = "primary", .expected = "in recovery: not a primary"};
    struct server replica = {.name = "replica",
                             .expected = "not in recovery, or nothing replayed: not a standby"};
    recording->samples = 0;
    recording->unknown = 0;
    bool good = connect_server(&primary, recording->primary, primary_sql, err, err_length) &&
                connect_server(&replica, recording->replica, replica_sql, err, err_length);
    if (good) {
        (void)setvbuf(out, NULL, _IOLBF, 0); /* whole lines, should it be interrupted */
        good = sample(recording, &primary, &replica, out, err, err_length);
    }
    PQfinish(primary.conn);
    PQfinish(replica.conn);
    return good;
}
