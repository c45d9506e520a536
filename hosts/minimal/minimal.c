/* minimal.c - the smallest host: blocking, one replica, one row a read, plain libpq. */
#include "plugin/read_policy.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#define NS UINT64_C(1000000000) /* a second */

struct lookup { /* all arrays are by enum rp_target: the replica, the primary */
    PGconn *server[2];
    char read_sql[2][512];
    const char *id;
};

/* On a server in the wrong role the answer is NULL, and so unknown. */
static const char read_form[] = "SELECT CASE WHEN pg_is_in_recovery() = %s THEN"
                                " 1 + (SELECT count(*) FROM %s WHERE id = $1) END";
static const char *const lsn_sql[2] = {
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0' END",
    "SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() - '0/0' END"};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

/* The one number that the server answers; 0 if that is NULL or something went wrong. */
static uint64_t ask(PGconn *server, const char *sql, const char *id) {
    PGresult *result = PQexecParams(server, sql, id != NULL, NULL, &id, NULL, NULL, 0);
    int rows = PQresultStatus(result) == PGRES_TUPLES_OK ? PQntuples(result) : 0;
    uint64_t value = rows == 1 ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return value;
}

static void perform(void *context, const struct rp_step *step, struct rp_report *report) {
    const struct lookup *lookup = context;
    PGconn *const *server = lookup->server;
    if (step->kind == RP_STEP_READ) { /* the position first: it only qualifies a later snapshot */
        int needed = (step->flags & RP_STEP_WITH_POSITION) != 0;
        report->position = needed ? ask(server[0], lsn_sql[0], NULL) : 0;
        uint64_t rows = ask(server[step->target], lookup->read_sql[step->target], lookup->id);
        report->outcome = rows == 0 ? RP_FAILED : rows == 1 ? RP_MISSING : RP_FOUND;
    } else if (step->kind == RP_STEP_WAIT) {
        struct timespec at = {(time_t)(step->until_ns / NS), (long)(step->until_ns % NS)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        report->outcome = RP_WAITED;
    } else if (step->kind == RP_STEP_LOCATE) {
        report->position = ask(server[1], lsn_sql[1], NULL);
        report->outcome = report->position != 0 ? RP_LOCATED : RP_FAILED;
    } else if (step->kind == RP_STEP_AWAIT) {
        while ((report->position = ask(server[0], lsn_sql[0], NULL)) < step->position &&
               now_ns() < step->until_ns) {
            (void)usleep(1000);
        }
        report->outcome = report->position >= step->position ? RP_REACHED : RP_NOT_REACHED;
    }
    report->now_ns = now_ns();
}

int main(int argc, char **argv) {
    struct lookup lookup;
    struct rp_set *set;
    char text[RP_ERROR_BYTES] = "usage: PLUGIN (ABI 1) INI SECTION REPLICA PRIMARY TABLE ID...";
    void *library = argc > 7 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    rp_entry_function entry = NULL;
    *(void **)&entry = library != NULL ? dlsym(library, RP_ENTRY_SYMBOL) : NULL; /* as POSIX says */
    const struct rp_plugin *plugin = entry != NULL ? entry() : NULL;
    if (plugin == NULL || plugin->magic != RP_PLUGIN_MAGIC || plugin->abi_major != RP_ABI_MAJOR ||
        plugin->struct_size < RP_PLUGIN_MIN_SIZE ||
        plugin->open(argv[2], RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION, &set, text,
                     sizeof text) != RP_OK) {
        (void)fprintf(stderr, "%s\n", entry != NULL || argc <= 7 ? text : dlerror());
        return 2;
    }
    const struct rp_policy *policy = plugin->policy(set, argv[3]);
    for (int i = 0; i < 2; i++) {
        lookup.server[i] = PQconnectdb(argv[4 + i]);
        (void)snprintf(lookup.read_sql[i], 512, read_form, i == 0 ? "true" : "false", argv[6]);
    }
    for (int i = 7; i < argc; i++) {
        struct rp_read read = {.struct_size = sizeof read};
        struct rp_request query = {.struct_size = sizeof query, .replicas = 1, .now_ns = now_ns()};
        if (getentropy(&query.entropy, sizeof query.entropy) != 0) {
            return 2;
        }
        lookup.id = argv[i];
        const struct rp_step *end = rp_run(plugin, policy, &query, &read, perform, &lookup);
        (void)printf("%s: %s\n", lookup.id, end->message);
    }
    PQfinish(lookup.server[0]);
    PQfinish(lookup.server[1]);
    plugin->close(set);
    return 0;
}
