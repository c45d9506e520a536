/*
 * one_client.c - one client, one lookup at a time: over HTTP, and as bare libpq statements on one
 * connection to the same replica.
 *
 * one_client CONNINFO PORT TOKEN PLAIN_SQL_FILE ROUNDS SLICE (NAME TARGETS)...
 *     For each answer NAME, prints name,subject,p50_us,server_cpu_us for every slice of SLICE
 *     lookups; the subjects take turns in every round. server_cpu_us is the CPU time of the
 *     connection's server process, as the kernel counts it; empty for http.
 */
#include "host-sample/base/monotonic.h"
#include "host-sample/snapshots/choice.h"
#include "host-sample/snapshots/read.h"
#include "http_get.h"
#include "loaded.h"
#include "targets.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLICE   100000
#define MAX_ANSWERS 16
#define WARM_UP     20

static const char known_row_sql[] =
    "SELECT \"createdAt\" FROM \"TaskRunExecutionSnapshot\" WHERE id = $1 AND \"runId\" = $2";

enum subject { KNOWN_ROW, PLAIN, HOST_STATEMENT, HTTP, SUBJECTS };
static const char *const subject_names[SUBJECTS] = {"known row", "plain", "host statement", "http"};

struct bench {
    PGconn *connection;
    struct snapshot_sql *sql;
    struct http_get http;
    struct statement_choice *choice; /* of the current answer */
    uint64_t took_ns[MAX_SLICE];
};

/* ---- the subjects ---------------------------------------------------------------------------- */

/* format: 0 text, 1 binary. */
static PGresult *execute(PGconn *connection, const char *name, const struct target *target,
                         int format) {
    const char *const values[] = {target->snapshot, target->run};
    PGresult *result = PQexecPrepared(connection, name, 2, values, NULL, NULL, format);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) < 0) {
        give_up("%s: %s", name, PQerrorMessage(connection));
    }
    return result;
}

/* As the host does: the lean statement where it has been enough lately, else the full one. */
static void run_host_statement(struct bench *bench, const struct target *target) {
    const char *lean = bench->sql->statements[0][SNAPSHOT_LEAN].name;
    const char *full = bench->sql->statements[0][SNAPSHOT_FULL].name;
    const struct snapshot_question asked = {
        .snapshot = {target->snapshot, strlen(target->snapshot)},
        .run = {target->run, strlen(target->run)},
        .as_replica = true,
    };
    bool begins_lean = statement_choice_is_lean(bench->choice);
    PGresult *result = execute(bench->connection, begins_lean ? lean : full, target, 1);
    struct snapshot_result read;
    enum snapshot_outcome outcome = snapshot_read(&read, result_rows_all(result), &asked);
    if (begins_lean) {
        statement_choice_learn(bench->choice, outcome == SNAPSHOT_NEEDS_FULL);
    }
    if (outcome == SNAPSHOT_NEEDS_FULL) {
        PQclear(result);
        result = execute(bench->connection, full, target, 1);
        outcome = snapshot_read(&read, result_rows_all(result), &asked);
    }
    if (outcome != SNAPSHOT_FOUND) {
        give_up("snapshot %s is not found", target->snapshot);
    }
    PQclear(result);
}

static void look_up(struct bench *bench, enum subject subject, const struct target *target) {
    switch (subject) {
    case KNOWN_ROW:
        PQclear(execute(bench->connection, "known_row", target, 1));
        break;
    case PLAIN:
        PQclear(execute(bench->connection, "plain", target, 0));
        break;
    case HOST_STATEMENT:
        run_host_statement(bench, target);
        break;
    default:
        if (http_get_lookup(&bench->http, target->run, target->snapshot).status != 200) {
            give_up("snapshot %s is not found over HTTP", target->snapshot);
        }
        break;
    }
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* A process's CPU time so far, in ns. */
static uint64_t cpu_of_process(int pid) {
    char path[64];
    unsigned long long ran;
    (void)snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%llu", &ran) != 1) {
        give_up("%s: %s", path, strerror(errno));
    }
    (void)fclose(file);
    return ran;
}

static int by_size(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static void measure(struct bench *bench, const char *name, enum subject subject,
                    struct targets *targets, uint32_t slice, bool print) {
    int pid = PQbackendPID(bench->connection);
    uint64_t cpu = cpu_of_process(pid);
    for (uint32_t i = 0; i < slice; i++) {
        uint64_t begun = monotonic_ns();
        look_up(bench, subject, targets_next(targets));
        bench->took_ns[i] = monotonic_ns() - begun;
    }
    cpu = cpu_of_process(pid) - cpu;
    qsort(bench->took_ns, slice, sizeof bench->took_ns[0], by_size);
    if (!print) {
        return;
    }
    printf("\"%s\",%s,%.2f,", name, subject_names[subject],
           (double)bench->took_ns[slice / 2] / 1000);
    if (subject == HTTP) {
        printf("\n");
    } else {
        printf("%.3f\n", (double)cpu / slice / 1000);
    }
}

/* ---- setting up ------------------------------------------------------------------------------ */

static char *read_file(const char *path) {
    static char text[16384];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        give_up("%s: %s", path, strerror(errno));
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    return text;
}

static void prepare(PGconn *connection, const char *name, const char *sql) {
    PGresult *result = PQprepare(connection, name, sql, 2, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        give_up("%s: %s", name, PQerrorMessage(connection));
    }
    PQclear(result);
}

static void set_up(struct bench *bench, char **argv) {
    bench->connection = PQconnectdb(argv[1]);
    if (PQstatus(bench->connection) != CONNECTION_OK) {
        give_up("%s", PQerrorMessage(bench->connection));
    }
    bench->sql = snapshot_sql_new("");
    if (bench->sql == NULL) {
        give_up("out of memory");
    }
    http_get_open(&bench->http, (uint16_t)atoi(argv[2]), argv[3]);
    prepare(bench->connection, "known_row", known_row_sql);
    prepare(bench->connection, "plain", read_file(argv[4]));
    const enum snapshot_statement statements[] = {SNAPSHOT_LEAN, SNAPSHOT_FULL};
    for (size_t i = 0; i < 2; i++) {
        const struct pg_prepared *prepared = &bench->sql->statements[0][statements[i]];
        prepare(bench->connection, prepared->name, prepared->sql);
    }
}

int main(int argc, char **argv) {
    static struct bench bench;
    struct targets targets[MAX_ANSWERS];
    static struct statement_choice choices[MAX_ANSWERS];
    if (argc < 9 || argc % 2 == 0 || (argc - 7) / 2 > MAX_ANSWERS) {
        give_up("usage: one_client CONNINFO PORT TOKEN PLAIN_SQL_FILE ROUNDS SLICE (NAME "
                "TARGETS)...");
    }
    int rounds = atoi(argv[5]), slice = atoi(argv[6]), answers = (argc - 7) / 2;
    if (rounds < 1 || slice < 1 || slice > MAX_SLICE) {
        give_up("expected at least one round, and a slice of 1 to %d", MAX_SLICE);
    }
    set_up(&bench, argv);
    for (int a = 0; a < answers; a++) {
        targets[a] = targets_read(argv[8 + 2 * a]);
        bench.choice = &choices[a];
        for (int s = 0; s < SUBJECTS; s++) {
            measure(&bench, argv[7 + 2 * a], (enum subject)s, &targets[a], WARM_UP, false);
        }
    }
    for (int round = 0; round < rounds; round++) {
        for (int a = 0; a < answers; a++) {
            bench.choice = &choices[a];
            for (int turn = 0; turn < SUBJECTS; turn++) {
                int s = round % 2 == 0 ? turn : SUBJECTS - 1 - turn;
                measure(&bench, argv[7 + 2 * a], (enum subject)s, &targets[a], (uint32_t)slice,
                        true);
            }
        }
    }
    for (int a = 0; a < answers; a++) {
        targets_free(&targets[a]);
    }
    http_get_close(&bench.http);
    PQfinish(bench.connection);
    snapshot_sql_release(bench.sql);
    return EXIT_SUCCESS;
}
