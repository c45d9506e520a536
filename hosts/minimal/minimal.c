/* minimal.c - the smallest host: blocking, two servers, one row a read, plain libpq.
 *
 *     minimal-host PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]
 *
 * Says of each ID what has become of its read, and the answer's WAL position. Without IDs they come
 * from standard input, one a line, each with or without a position that it must not be behind. */
#include "plugin/read_policy.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#define NS      UINT64_C(1000000000) /* a second */
#define MS      UINT64_C(1000000)
#define SERVERS 2u

/* As a replica a server that is not one shows no row, and says so (the second column). */
static const char read_form[] = "SELECT (SELECT count(*) FROM %s WHERE id = $1%s),"
                                " pg_is_in_recovery(), " RP_AFTER_COLUMN;
static const char replica_only[] = " AND (SELECT pg_is_in_recovery())";
static const char settings[] = "-c default_transaction_isolation=read\\ committed"
                               " -c statement_timeout=1000";
static const char *const verdicts[] = {"", "found", "missing", "failed", "shed"};

struct host {
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    const char *conninfo[SERVERS];
    PGconn *server[SERVERS];
    uint64_t dial_ns[SERVERS]; /* not before then */
    char read_sql[2][512];     /* by enum rp_target */
};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static void hang_up(struct host *host, uint32_t server) {
    PQfinish(host->server[server]);
    host->server[server] = NULL;
}

/* Whether connected. Dialling a silent server holds all up: it rests four times as long. */
static int is_connected(struct host *host, uint32_t server) {
    const char *const names[] = {"dbname", "connect_timeout", "options", NULL};
    const char *const values[] = {host->conninfo[server], "2", settings, NULL};
    const uint64_t now = now_ns();
    if (PQstatus(host->server[server]) != CONNECTION_OK && now >= host->dial_ns[server]) {
        hang_up(host, server);
        host->server[server] = PQconnectdbParams(names, values, 1);
        if (PQstatus(host->server[server]) != CONNECTION_OK) {
            host->dial_ns[server] = now_ns() + 4 * (now_ns() - now);
        }
    }
    return PQstatus(host->server[server]) == CONNECTION_OK;
}

/* One row of text, which the caller clears. A server that says nothing until limit_ns is hung up
 * on: NULL. */
static PGresult *run_sql(struct host *host, uint32_t server, const char *sql, const char *id,
                         uint64_t limit_ns) {
    PGconn *link = host->server[server];
    if (!PQsendQueryParams(link, sql, id != NULL, NULL, &id, NULL, NULL, 0)) {
        return NULL;
    }
    while (PQisBusy(link)) {
        struct pollfd answer = {.fd = PQsocket(link), .events = POLLIN};
        const uint64_t now = now_ns();
        const int silent = now >= limit_ns;
        if (silent ||
            (poll(&answer, 1, (int)((limit_ns - now) / MS) + 1) > 0 && !PQconsumeInput(link))) {
            hang_up(host, server);
            host->dial_ns[server] = silent ? now + 2 * NS : 0;
            return NULL;
        }
    }
    PGresult *result = PQgetResult(link);
    PQclear(PQgetResult(link)); /* there is no second one: it ends the statement */
    return result;
}

/* Cancelled by recovery, which may find a deadlock: worth asking again. */
static int is_conflict(const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return sqlstate != NULL && (strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0);
}

static int32_t outcome_of(PGconn *server, const PGresult *result, const struct rp_action *action) {
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        return PQstatus(server) == CONNECTION_OK ? (int)RP_FAILED : (int)RP_SERVER_GONE;
    }
    if (action->kind == RP_ACTION_ASK) {
        return RP_ANSWERED;
    }
    if (action->target == RP_TARGET_REPLICA && PQgetvalue(result, 0, 1)[0] != 't') {
        return RP_ROLE_CHANGED;
    }
    return PQgetvalue(result, 0, 0)[0] == '0' ? RP_MISSING : RP_FOUND;
}

/* The question comes before the read, in its transaction. A connection that was kept may have been
 * lost long ago, which says nothing of its server: all of it is asked again on a new one. */
static void do_as_told(struct host *host, const struct rp_action *action) {
    const uint32_t server = action->server;
    const uint64_t limit = action->limit_ns;
    const int asks = action->kind == RP_ACTION_ASK;
    const char *id = (const char *)(uintptr_t)action->tag;
    const int kept = PQstatus(host->server[server]) == CONNECTION_OK;
    if (!is_connected(host, server)) {
        host->calls->answer(host->cluster, action->id, RP_NOT_SENT, NULL, NULL, now_ns());
        return;
    }
    PQclear(run_sql(host, server, "BEGIN", NULL, limit));
    PGresult *before =
        action->text != NULL ? run_sql(host, server, action->text, NULL, limit) : NULL;
    PGresult *row = asks ? NULL : run_sql(host, server, host->read_sql[action->target], id, limit);
    PQclear(run_sql(host, server, "COMMIT", NULL, limit));
    const int conflict = !asks && (is_conflict(before) || is_conflict(row));
    const int32_t outcome =
        conflict ? (int)RP_CONFLICT : outcome_of(host->server[server], asks ? before : row, action);
    if (outcome == RP_SERVER_GONE && kept && now_ns() < limit) {
        do_as_told(host, action);
    } else {
        host->calls->answer(host->cluster, action->id, outcome,
                            PQntuples(before) == 1 ? PQgetvalue(before, 0, 0) : NULL,
                            PQntuples(row) == 1 ? PQgetvalue(row, 0, 2) : NULL, now_ns());
    }
    PQclear(before);
    PQclear(row);
}

/* Until a read is done; without one, until all is done and every server has been heard. */
static void run(struct host *host, const char *id) {
    struct rp_action action = {.struct_size = sizeof action};
    struct rp_cluster_info info = {.struct_size = sizeof info};
    char position[RP_POSITION_BYTES];
    uint64_t wake_ns;
    do {
        const uint64_t now = now_ns();
        if (!host->calls->next(host->cluster, now, &action, &wake_ns)) {
            (void)host->calls->info(host->cluster, &info);
            if (id == NULL && info.settled) {
                return;
            }
            (void)usleep((useconds_t)((wake_ns > now ? wake_ns - now : 0) / 1000 + 1));
        } else if (action.kind == RP_ACTION_ASK || action.kind == RP_ACTION_READ) {
            do_as_told(host, &action);
        } else if (action.kind == RP_ACTION_REDIAL) {
            hang_up(host, action.server);
        }
    } while (action.kind != RP_ACTION_DONE);
    host->calls->position_print(action.position, position);
    (void)printf("%s %s position=%s %s\n", id, verdicts[action.verdict], position, action.message);
    (void)fflush(stdout);
}

/* Whether it could be begun. What is due comes first: reads that fail at once leave no time. */
static int look_up(struct host *host, const struct rp_policy *policy, const char *id,
                   const char *position) {
    run(host, NULL);
    struct rp_request request = {.struct_size = sizeof request, .now_ns = now_ns()};
    uint64_t read_id;
    if (getentropy(&request.entropy, sizeof request.entropy) != 0 ||
        (position != NULL && host->calls->position_parse(position, &request.position) != RP_OK) ||
        host->calls->start(host->cluster, policy, &request, (uintptr_t)id, &read_id) != RP_OK) {
        (void)fprintf(stderr, "%s: cannot be looked up\n", id);
        return 0;
    }
    run(host, id);
    return 1;
}

/* The ids of the command line, or else those of standard input, with positions. */
static int look_up_all(struct host *host, const struct rp_policy *policy, char **ids) {
    char line[4096];
    int good = 1;
    for (char **id = ids; good && *id != NULL; id++) {
        good = look_up(host, policy, *id, NULL);
    }
    while (good && *ids == NULL && fgets(line, sizeof line, stdin) != NULL) {
        char *rest;
        /* A line that is longer, or has a NUL byte in it, would ask for another row. */
        const int whole = strchr(line, '\n') != NULL || feof(stdin);
        const char *id = strtok_r(line, " \t\r\n", &rest);
        good = whole && (id == NULL || look_up(host, policy, id, strtok_r(NULL, " \n", &rest)));
    }
    return good;
}

/* NULL, with what is wrong on standard error. */
static const struct rp_plugin *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    rp_entry_function entry = NULL;
    *(void **)&entry = library != NULL ? dlsym(library, RP_ENTRY_SYMBOL) : NULL; /* as POSIX says */
    const struct rp_plugin *plugin = entry != NULL ? entry() : NULL;
    if (plugin == NULL || plugin->magic != RP_PLUGIN_MAGIC || plugin->abi_major != RP_ABI_MAJOR ||
        !RP_HAS(plugin, cluster)) {
        (void)fprintf(stderr, "%s\n", entry == NULL ? dlerror() : "not a plugin of ABI 1");
        return NULL;
    }
    return plugin;
}

int main(int argc, char **argv) {
    static struct host host;
    struct rp_cluster_options options = {
        .struct_size = sizeof options, .max_servers = SERVERS, .max_reads = 1, .now_ns = now_ns()};
    struct rp_set *set;
    char text[RP_ERROR_BYTES] = "no entropy";
    if (argc < 7) {
        (void)fprintf(stderr,
                      "usage: minimal-host PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]\n");
        return 2;
    }
    const struct rp_plugin *plugin = load(argv[1]);
    if (plugin == NULL) {
        return 2;
    }
    host.calls = plugin->cluster;
    const uint32_t can = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION;
    const int opened = plugin->open(argv[2], can, &set, text, sizeof text) == RP_OK &&
                       getentropy(&options.seed, sizeof options.seed) == 0 &&
                       host.calls->open(set, &options, &host.cluster, text, sizeof text) == RP_OK;
    const struct rp_policy *policy = opened ? plugin->policy(set, argv[3]) : NULL;
    if (policy == NULL) {
        (void)fprintf(stderr, "%s%s\n", opened ? "no section " : text, opened ? argv[3] : "");
        return 2;
    }
    for (uint32_t i = 0; i < SERVERS; i++) {
        host.conninfo[i] = argv[4 + i];
        (void)snprintf(host.read_sql[i], sizeof host.read_sql[i], read_form, argv[6],
                       i == RP_TARGET_REPLICA ? replica_only : "");
        (void)host.calls->server_set(host.cluster, i, i == 0 ? "replica" : "primary",
                                     i == 0 ? RP_EXPECT_REPLICA : RP_EXPECT_PRIMARY, RP_SERVER_ON,
                                     now_ns());
    }
    const int good = look_up_all(&host, policy, argv + 7);
    for (uint32_t i = 0; i < SERVERS; i++) {
        hang_up(&host, i);
    }
    (void)host.calls->close(host.cluster);
    plugin->close(set);
    return good ? 0 : 2;
}
