/*
 * minimal.c - the smallest host: blocking, one replica, one row a read, plain libpq.
 *
 *     minimal-host PLUGIN INI SECTION REPLICA PRIMARY TABLE ID...
 *
 * PLUGIN is read_policy.so, INI the policy file and SECTION one of its sections; REPLICA and
 * PRIMARY are connection strings of libpq. For each ID, the row of TABLE with that "id" is looked
 * up wherever the policy sends the read, and the policy's message about it is printed.
 */
#include "plugin/read_policy.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)
#define POLL_US   1000

/* All arrays are by enum rp_target: the replica, the primary. */
struct lookup {
    PGconn *server[2];
    char read_sql[2][512];
    const char *id;
};

/* One more than the rows; NULL, and so unknown, on a server in the wrong role: a promoted standby
 * is no replica, and a primary that is in recovery may lack rows that were committed. */
static const char read_form[] = "SELECT CASE WHEN pg_is_in_recovery() = %s THEN"
                                " 1 + (SELECT count(*) FROM %s WHERE id = $1) END";

/* A position as a number. NULL in the wrong role, where it would prove nothing. */
static const char *const position_sql[2] = {
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0' END",
    "SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() - '0/0' END"};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* The one number that the server answers; 0 if that is NULL or something went wrong. */
static uint64_t query_number(PGconn *server, const char *sql, const char *parameter) {
    const int parameters = parameter != NULL ? 1 : 0;
    PGresult *result = PQexecParams(server, sql, parameters, NULL, &parameter, NULL, NULL, 0);
    uint64_t value = 0;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
        value = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    }
    PQclear(result);
    return value;
}

static uint64_t position_of(const struct lookup *lookup, int32_t target) {
    return query_number(lookup->server[target], position_sql[target], NULL);
}

/* ---- what only the host can do: one function for each kind of step ---- */

static void do_read(const struct lookup *lookup, const struct rp_step *step,
                    struct rp_report *report) {
    /* The position is asked for before the read, whose snapshot is then at least that recent. */
    if ((step->flags & RP_STEP_WITH_POSITION) != 0) {
        report->position = position_of(lookup, RP_TARGET_REPLICA);
    }
    uint64_t answer =
        query_number(lookup->server[step->target], lookup->read_sql[step->target], lookup->id);
    if (answer == 0) {
        report->outcome = RP_FAILED;
    } else {
        report->outcome = answer == 1 ? RP_MISSING : RP_FOUND;
    }
}

static void do_wait(const struct rp_step *step, struct rp_report *report) {
    struct timespec until = {.tv_sec = (time_t)(step->until_ns / SECOND_NS),
                             .tv_nsec = (long)(step->until_ns % SECOND_NS)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    report->outcome = RP_WAITED;
}

static void do_locate(const struct lookup *lookup, struct rp_report *report) {
    report->position = position_of(lookup, RP_TARGET_PRIMARY);
    report->outcome = report->position != 0 ? RP_LOCATED : RP_FAILED;
}

static void do_await(const struct lookup *lookup, const struct rp_step *step,
                     struct rp_report *report) {
    report->position = position_of(lookup, RP_TARGET_REPLICA);
    while (report->position < step->position && now_ns() < step->until_ns) {
        (void)usleep(POLL_US);
        report->position = position_of(lookup, RP_TARGET_REPLICA);
    }
    report->outcome = report->position >= step->position ? RP_REACHED : RP_NOT_REACHED;
}

/* Called by rp_run. The report comes with outcome RP_FAILED, which is right for a step of a newer
 * plugin. */
static void perform(void *context, const struct rp_step *step, struct rp_report *report) {
    const struct lookup *lookup = context;
    switch (step->kind) {
    case RP_STEP_READ:
        do_read(lookup, step, report);
        break;
    case RP_STEP_WAIT:
        do_wait(step, report);
        break;
    case RP_STEP_LOCATE:
        do_locate(lookup, report);
        break;
    case RP_STEP_AWAIT:
        do_await(lookup, step, report);
        break;
    default:
        break;
    }
    report->now_ns = now_ns();
}

/* ---- start ---- */

/* The plugin's table, checked in the order that the header asks for; NULL if it is none. */
static const struct rp_plugin *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    rp_entry_function entry = NULL;
    if (library != NULL) {
        *(void **)&entry = dlsym(library, RP_ENTRY_SYMBOL); /* the cast that POSIX asks for */
    }
    if (entry == NULL) {
        (void)fprintf(stderr, "%s\n", dlerror());
        return NULL;
    }
    const struct rp_plugin *plugin = entry();
    if (plugin == NULL || plugin->magic != RP_PLUGIN_MAGIC || plugin->abi_major != RP_ABI_MAJOR ||
        plugin->struct_size < RP_PLUGIN_MIN_SIZE) {
        (void)fprintf(stderr, "%s: not a read policy plugin with ABI %u\n", path, RP_ABI_MAJOR);
        return NULL;
    }
    return plugin;
}

/* Reads one row; returns the policy's last step, or NULL if there is no entropy. */
static const struct rp_step *look_up(const struct rp_plugin *plugin, const struct rp_policy *policy,
                                     struct lookup *lookup, struct rp_read *read) {
    struct rp_request request = {.struct_size = sizeof request, .replicas = 1, .now_ns = now_ns()};
    if (getentropy(&request.entropy, sizeof request.entropy) != 0) {
        return NULL;
    }
    return rp_run(plugin, policy, &request, read, perform, lookup);
}

int main(int argc, char **argv) {
    const uint32_t capabilities = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION;
    char errors[RP_ERROR_BYTES];
    struct lookup lookup;
    struct rp_set *set;
    int status = EXIT_SUCCESS;
    if (argc < 8) {
        const int asked = argc == 2 && strcmp(argv[1], "--help") == 0;
        (void)fprintf(asked ? stdout : stderr,
                      "usage: minimal-host PLUGIN INI SECTION REPLICA PRIMARY TABLE ID...\n");
        return asked ? EXIT_SUCCESS : 2;
    }
    const struct rp_plugin *plugin = load(argv[1]);
    if (plugin == NULL) {
        return 2;
    }
    if (plugin->open(argv[2], capabilities, &set, errors, sizeof errors) != RP_OK) {
        (void)fprintf(stderr, "%s\n", errors);
        return 2;
    }
    const struct rp_policy *policy = plugin->policy(set, argv[3]);
    if (policy == NULL) {
        (void)fprintf(stderr, "%s: no section [%s]\n", argv[2], argv[3]);
        plugin->close(set);
        return 2;
    }
    for (int target = RP_TARGET_REPLICA; target <= RP_TARGET_PRIMARY; target++) {
        lookup.server[target] = PQconnectdb(argv[4 + target]);
        (void)snprintf(lookup.read_sql[target], sizeof lookup.read_sql[target], read_form,
                       target == RP_TARGET_REPLICA ? "true" : "false", argv[6]);
    }
    for (int i = 7; i < argc && status == EXIT_SUCCESS; i++) {
        struct rp_read read = {.struct_size = sizeof read};
        lookup.id = argv[i];
        const struct rp_step *end = look_up(plugin, policy, &lookup, &read);
        if (end == NULL) {
            status = 2;
        } else { /* a host also acts on verdict, served_by, failed_during and log_level */
            (void)printf("%s: %s\n", lookup.id, end->message);
        }
    }
    PQfinish(lookup.server[RP_TARGET_REPLICA]);
    PQfinish(lookup.server[RP_TARGET_PRIMARY]);
    plugin->close(set);
    return status;
}
