/*
 * lag.c - a writer commits a row on the primary and at once asks the host for what has happened
 * since.
 *
 * lag CONNINFO PORT TOKEN ID SECONDS ARRIVALS_PER_S RUN SNAPSHOT [STANDBY]
 *     Arrivals come at fixed times, whether or not earlier ones have been answered, so that a stall
 *     is seen by all that fall into it. Each first looks up an old row, RUN and SNAPSHOT: a plain
 *     hit. Then it commits a new snapshot of its own run and looks that up. ID: the ids of the new
 *     rows are counted up from this number.
 *     With STANDBY, a connection string, the host is asked for old rows only; a new one is awaited
 *     and read there by bare statements, which is as fast as it can be done (PostgreSQL 19).
 *     Prints what,ms,status,served for each lookup; `what` is "hit" or "new". The time of a "new"
 *     one counts from the commit's return.
 */
#include "host-sample/base/monotonic.h"
#include "http_get.h"
#include "loaded.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* This many arrivals can be under way at once; one that finds no free thread is late. */
#define THREADS     64u
#define MAX_SAMPLES 200000u

static const char insert_sql[] =
    "INSERT INTO \"TaskRunExecutionSnapshot\" (id, \"executionStatus\", description, \"runId\","
    " \"runStatus\", \"attemptNumber\", \"environmentId\", \"createdAt\") VALUES ($1, 'EXECUTING',"
    " 'Run is EXECUTING', $2, 'EXECUTING', 1, 'env0production',"
    " clock_timestamp() AT TIME ZONE 'UTC')";

static const char read_sql[] = "SELECT 1 FROM \"TaskRunExecutionSnapshot\" WHERE id = $1";

struct sample {
    double hit_ms, new_ms;
    struct http_got hit, new_row;
    bool taken;
};

struct bench {
    const char *conninfo, *token, *run, *snapshot;
    const char *standby; /* NULL: the host is asked for new rows, too */
    uint16_t port;
    uint64_t first_id;
    uint64_t begun_ns, interval_ns;
    uint32_t count;
    _Atomic uint32_t late;
    pthread_barrier_t ready;
    struct sample *samples;
};

struct writer {
    struct bench *bench;
    uint32_t number;
    PGconn *connection;
    PGconn *standby; /* or NULL */
    struct http_get http;
    pthread_t thread;
};

static double ms_since(uint64_t begun) {
    return (double)(monotonic_ns() - begun) / 1e6;
}

static void must_be(PGconn *connection, const PGresult *result, ExecStatusType status) {
    if (PQresultStatus(result) != status) {
        give_up("%s", PQerrorMessage(connection));
    }
}

static void commit_row(PGconn *connection, const char *run, const char *snapshot) {
    const char *const values[] = {snapshot, run};
    PGresult *result = PQexecPrepared(connection, "insert", 2, values, NULL, NULL, 0);
    must_be(connection, result, PGRES_COMMAND_OK);
    PQclear(result);
}

/* What no host can beat: the standby is told to wait for the commit, and is read then. */
static struct http_got read_bare(struct writer *writer, const char *snapshot) {
    char wait[80];
    PGresult *located = PQexec(writer->connection, "SELECT pg_current_wal_flush_lsn()");
    must_be(writer->connection, located, PGRES_TUPLES_OK);
    (void)snprintf(wait, sizeof wait, "WAIT FOR LSN '%.17s' WITH (TIMEOUT '5s')",
                   PQgetvalue(located, 0, 0));
    PQclear(located);
    PGresult *waited = PQexec(writer->standby, wait);
    must_be(writer->standby, waited, PGRES_TUPLES_OK);
    PQclear(waited);
    PGresult *row = PQexecPrepared(writer->standby, "read", 1, &snapshot, NULL, NULL, 0);
    must_be(writer->standby, row, PGRES_TUPLES_OK);
    const struct http_got got = {.status = PQntuples(row) == 1 ? 200 : 404,
                                 .served = SERVED_BY_REPLICA_RETRY};
    PQclear(row);
    return got;
}

static void arrive(struct writer *writer, uint32_t arrival) {
    const struct bench *bench = writer->bench;
    struct sample *sample = &bench->samples[arrival];
    char run[24], snapshot[24];
    (void)snprintf(run, sizeof run, "%llu", (unsigned long long)(bench->first_id + writer->number));
    (void)snprintf(snapshot, sizeof snapshot, "%llu",
                   (unsigned long long)(bench->first_id + THREADS + arrival));
    uint64_t begun = monotonic_ns();
    sample->hit = http_get_lookup(&writer->http, bench->run, bench->snapshot);
    sample->hit_ms = ms_since(begun);
    commit_row(writer->connection, run, snapshot);
    begun = monotonic_ns();
    sample->new_row = writer->standby != NULL ? read_bare(writer, snapshot)
                                              : http_get_lookup(&writer->http, run, snapshot);
    sample->new_ms = ms_since(begun);
    sample->taken = true;
}

static void *write_and_ask(void *argument) {
    struct writer *writer = argument;
    struct bench *bench = writer->bench;
    (void)pthread_barrier_wait(&bench->ready);
    for (uint32_t arrival = writer->number; arrival < bench->count; arrival += THREADS) {
        uint64_t due = bench->begun_ns + arrival * bench->interval_ns;
        if (monotonic_ns() > due + bench->interval_ns) {
            atomic_fetch_add(&bench->late, 1);
        }
        const struct timespec then = {.tv_sec = (time_t)(due / 1000000000u),
                                      .tv_nsec = (long)(due % 1000000000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL) != 0) {
        }
        arrive(writer, arrival);
    }
    return NULL;
}

static PGconn *connect_to(const char *conninfo, const char *name, const char *sql, int parameters) {
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) {
        give_up("%s", PQerrorMessage(connection));
    }
    PGresult *result = PQprepare(connection, name, sql, parameters, NULL);
    must_be(connection, result, PGRES_COMMAND_OK);
    PQclear(result);
    return connection;
}

static void set_up(struct writer *writer, struct bench *bench, uint32_t number) {
    writer->bench = bench;
    writer->number = number;
    writer->connection = connect_to(bench->conninfo, "insert", insert_sql, 2);
    if (bench->standby != NULL) {
        writer->standby = connect_to(bench->standby, "read", read_sql, 1);
    }
    http_get_open(&writer->http, bench->port, bench->token);
    if (pthread_create(&writer->thread, NULL, write_and_ask, writer) != 0) {
        give_up("cannot start a thread");
    }
}

static void print_sample(const char *what, double ms, struct http_got got) {
    static const char *const served[] = {"none", "replica", "replica_retry", "primary"};
    printf("%s,%.4f,%d,%s\n", what, ms, got.status, served[got.served]);
}

int main(int argc, char **argv) {
    static struct writer writers[THREADS];
    if (argc != 9 && argc != 10) {
        give_up("usage: lag CONNINFO PORT TOKEN ID SECONDS ARRIVALS_PER_S RUN SNAPSHOT [STANDBY]");
    }
    double seconds = atof(argv[5]), rate = atof(argv[6]);
    if (!(seconds > 0) || !(rate > 0) || seconds * rate > MAX_SAMPLES) {
        give_up("expected seconds and a rate above 0, and at most %u arrivals", MAX_SAMPLES);
    }
    struct bench bench = {.conninfo = argv[1],
                          .port = (uint16_t)atoi(argv[2]),
                          .token = argv[3],
                          .first_id = strtoull(argv[4], NULL, 10),
                          .interval_ns = (uint64_t)(1e9 / rate),
                          .count = (uint32_t)(seconds * rate),
                          .run = argv[7],
                          .snapshot = argv[8],
                          .standby = argc == 10 ? argv[9] : NULL};
    bench.samples = calloc(bench.count, sizeof *bench.samples);
    if (bench.samples == NULL || pthread_barrier_init(&bench.ready, NULL, THREADS + 1) != 0) {
        give_up("out of memory");
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        set_up(&writers[i], &bench, i);
    }
    bench.begun_ns = monotonic_ns() + UINT64_C(20000000);
    (void)pthread_barrier_wait(&bench.ready);
    for (uint32_t i = 0; i < THREADS; i++) {
        (void)pthread_join(writers[i].thread, NULL);
        http_get_close(&writers[i].http);
        PQfinish(writers[i].connection);
        PQfinish(writers[i].standby);
    }
    for (uint32_t i = 0; i < bench.count; i++) {
        if (bench.samples[i].taken) {
            print_sample("hit", bench.samples[i].hit_ms, bench.samples[i].hit);
            print_sample("new", bench.samples[i].new_ms, bench.samples[i].new_row);
        }
    }
    (void)fprintf(stderr, "late %u of %u\n", bench.late, bench.count);
    free(bench.samples);
    return EXIT_SUCCESS;
}
