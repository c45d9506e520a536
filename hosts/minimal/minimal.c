/* minimal.c - the smallest host: blocking, two servers, one row a read, plain libpq. */
#include "plugin/read_policy.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#define NS      UINT64_C(1000000000) /* a second */
#define SERVERS 2u

/* As a replica a server that is not one shows no row, and says so (the second column). */
static const char read_form[] = "SELECT (SELECT count(*) FROM %s WHERE id = $1%s),"
                                " pg_is_in_recovery(), " RP_AFTER_COLUMN;
static const char replica_only[] = " AND (SELECT pg_is_in_recovery())";
static const char settings[] = "SET default_transaction_isolation = 'read committed';"
                               "SET statement_timeout = 1000";

struct host {
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    const char *conninfo[SERVERS];
    PGconn *server[SERVERS];
    char read_sql[2][512]; /* by enum rp_target */
};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static PGconn *connection(struct host *host, uint32_t server) {
    if (host->server[server] == NULL || PQstatus(host->server[server]) != CONNECTION_OK) {
        PQfinish(host->server[server]);
        host->server[server] = PQconnectdb(host->conninfo[server]);
        PQclear(PQexec(host->server[server], settings));
    }
    return host->server[server];
}

/* One row of text; the caller clears it. */
static PGresult *ask(PGconn *server, const char *sql, const char *id) {
    return PQexecParams(server, sql, id != NULL, NULL, &id, NULL, NULL, 0);
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

/* The question, if there is one, comes before the read, in its transaction. */
static void do_as_told(struct host *host, const struct rp_action *action) {
    PGconn *server = connection(host, action->server);
    const char *id = (const char *)(uintptr_t)action->tag;
    const char *sql = action->kind == RP_ACTION_ASK ? action->text : host->read_sql[action->target];
    const char *question = action->kind == RP_ACTION_READ ? action->text : NULL;
    PQclear(PQexec(server, "BEGIN"));
    PGresult *before = question != NULL ? ask(server, question, NULL) : NULL;
    PGresult *result = ask(server, sql, action->kind == RP_ACTION_ASK ? NULL : id);
    PQclear(PQexec(server, "COMMIT"));
    const char *text = PQntuples(before) == 1 ? PQgetvalue(before, 0, 0) : NULL;
    const char *after = NULL;
    if (PQntuples(result) == 1) {
        text = action->kind == RP_ACTION_ASK ? PQgetvalue(result, 0, 0) : text;
        after = action->kind == RP_ACTION_ASK ? NULL : PQgetvalue(result, 0, 2);
    }
    host->calls->answer(host->cluster, action->id, outcome_of(server, result, action), text, after,
                        now_ns());
    PQclear(before);
    PQclear(result);
}

/* Until a read is done; or, without one, until every server has been heard. */
static void run(struct host *host, const char *id) {
    struct rp_action action = {.struct_size = sizeof action};
    struct rp_cluster_info info = {.struct_size = sizeof info};
    uint64_t wake_ns;
    do {
        if (!host->calls->next(host->cluster, now_ns(), &action, &wake_ns)) {
            (void)usleep((useconds_t)((wake_ns - now_ns()) / 1000 + 1));
        } else if (action.kind == RP_ACTION_ASK || action.kind == RP_ACTION_READ) {
            do_as_told(host, &action);
        } else if (action.kind == RP_ACTION_REDIAL) {
            PQfinish(host->server[action.server]);
            host->server[action.server] = NULL;
        }
        (void)host->calls->info(host->cluster, &info);
    } while (id != NULL ? action.kind != RP_ACTION_DONE : !info.settled);
    if (id != NULL) {
        (void)printf("%s: %s\n", id, action.message);
    }
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
    char text[RP_ERROR_BYTES];
    if (argc < 8) {
        (void)fprintf(stderr, "usage: PLUGIN INI SECTION REPLICA PRIMARY TABLE ID...\n");
        return 2;
    }
    const struct rp_plugin *plugin = load(argv[1]);
    if (plugin == NULL) {
        return 2;
    }
    host.calls = plugin->cluster;
    const uint32_t can = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION;
    if (plugin->open(argv[2], can, &set, text, sizeof text) != RP_OK ||
        getentropy(&options.seed, sizeof options.seed) != 0 ||
        host.calls->open(set, &options, &host.cluster, text, sizeof text) != RP_OK) {
        (void)fprintf(stderr, "%s\n", text);
        return 2;
    }
    const struct rp_policy *policy = plugin->policy(set, argv[3]);
    for (uint32_t i = 0; i < SERVERS; i++) {
        host.conninfo[i] = argv[4 + i];
        (void)snprintf(host.read_sql[i], sizeof host.read_sql[i], read_form, argv[6],
                       i == RP_TARGET_REPLICA ? replica_only : "");
        (void)host.calls->server_set(host.cluster, i, i == 0 ? "replica" : "primary",
                                     i == 0 ? RP_EXPECT_REPLICA : RP_EXPECT_PRIMARY, RP_SERVER_ON,
                                     now_ns());
    }
    run(&host, NULL);
    for (int i = 7; i < argc; i++) {
        struct rp_request request = {.struct_size = sizeof request, .now_ns = now_ns()};
        uint64_t read_id;
        if (getentropy(&request.entropy, sizeof request.entropy) != 0 ||
            host.calls->start(host.cluster, policy, &request, (uintptr_t)argv[i], &read_id) !=
                RP_OK) {
            (void)fprintf(stderr, "%s: cannot be begun\n", argv[3]);
            return 2;
        }
        run(&host, argv[i]);
    }
    for (uint32_t i = 0; i < SERVERS; i++) {
        PQfinish(host.server[i]);
    }
    (void)host.calls->close(host.cluster);
    plugin->close(set);
    return 0;
}
