/*
 * hit.c - lookups of rows that exist, from a real replica over the host's links, with the cluster's
 * calls in the loop and without them.
 *
 * hit PLUGIN INI SECTION CONNINFO TARGETS LINKS AT_ONCE ROUNDS SLICE_MS
 *     prints subject,lookups_per_s,client_cpu_us for every slice of time; "with" and "without" take
 *     turns.
 *
 * "with" adds 64 random bits, start, answer and next, which is called as snapshot-host calls it:
 * after start until the lookup has been sent, after answer until it is over, and at the end of a
 * turn; and the answer's position. Both read the clock when a lookup begins and when its answer
 * arrives, as snapshot-host does for its histogram of durations and for the replica's health;
 * decision.c measures what that costs.
 */
#include "host-sample/base/entropy.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/wake_ups.h"
#include "host-sample/postgres/server.h"
#include "host-sample/snapshots/read.h"
#include "known_servers.h"
#include "loaded.h"
#include "targets.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_AT_ONCE 200
#define A_LOOKUP_NS UINT64_C(5000000000)
#define LATE_NS     UINT64_C(10000000000)

struct lookup;

struct run {
    const struct rp_plugin *plugin;
    struct lookup *lookups;
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    const struct rp_policy *policy;
    struct event_base *base;
    struct wake_ups wake_ups;
    struct pg_server *server;
    struct snapshot_sql *sql;
    struct targets targets;
    struct byte_buffer body;
    uint64_t random;
    bool with_plugin;
    bool stopping;
    uint64_t done;
    uint32_t under_way;
};

struct lookup {
    struct pg_statement statement; /* first, so that a statement's address is its lookup's */
    struct run *run;
    bool with_plugin;
    bool sent;
    bool found;
    uint64_t action; /* with the plugin: what the answer is to */
    const char *values[2];
};

/* One thing that the cluster wants done. False: there is nothing. */
static bool carry_out(struct run *run, uint64_t now_ns) {
    struct rp_action action;
    uint64_t wake_ns;
    action.struct_size = sizeof action;
    if (!run->calls->next(run->cluster, now_ns, &action, &wake_ns)) {
        return false;
    }
    struct lookup *lookup = &run->lookups[action.tag];
    switch (action.kind) {
    case RP_ACTION_READ:
        if (action.target != RP_TARGET_REPLICA) {
            give_up("a hit is read from the primary");
        }
        lookup->action = action.id;
        lookup->sent = true;
        pg_server_submit(run->server, &lookup->statement);
        break;
    case RP_ACTION_ASK:
        run->calls->answer(run->cluster, action.id, RP_ANSWERED, known_servers_say(&action), NULL,
                           now_ns);
        break;
    case RP_ACTION_DONE:
        lookup->found = action.verdict == RP_VERDICT_FOUND;
        break;
    default:
        break;
    }
    return true;
}

static void begin(struct lookup *lookup) {
    struct run *run = lookup->run;
    const struct target *target = targets_next(&run->targets);
    lookup->values[0] = target->snapshot;
    lookup->values[1] = target->run;
    lookup->with_plugin = run->with_plugin;
    const uint64_t now_ns = monotonic_ns();
    run->under_way++;
    if (!lookup->with_plugin) {
        pg_server_submit(run->server, &lookup->statement);
        return;
    }
    uint64_t read_id;
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = now_ns,
                                       .deadline_ns = now_ns + A_LOOKUP_NS,
                                       .entropy = entropy_next(&run->random)};
    if (run->calls->start(run->cluster, run->policy, &request, (uint64_t)(lookup - run->lookups),
                          &read_id) != RP_OK) {
        give_up("a read could not be begun");
    }
    lookup->sent = false;
    while (!lookup->sent && carry_out(run, now_ns)) {
    }
}

static void answered(struct pg_statement *statement, struct pg_reply *reply) {
    struct lookup *lookup = (struct lookup *)statement;
    struct run *run = lookup->run;
    const uint64_t now_ns = monotonic_ns();
    run->under_way--;
    if (reply->status == PG_REPLY_FAILED) {
        give_up("%s", reply->error);
    }
    struct snapshot_result read;
    const struct snapshot_question asked = {
        .snapshot = {lookup->values[0], strlen(lookup->values[0])},
        .run = {lookup->values[1], strlen(lookup->values[1])},
    };
    lookup->found = snapshot_read(&read, reply->rows, &asked) == SNAPSHOT_FOUND;
    if (lookup->with_plugin) {
        const int32_t outcome = lookup->found ? RP_FOUND : RP_MISSING;
        lookup->found = false;
        run->calls->answer(run->cluster, lookup->action, outcome, NULL, read.head.after, now_ns);
        while (!lookup->found && carry_out(run, now_ns)) {
        }
    }
    byte_buffer_reset(&run->body, SIZE_MAX);
    if (!lookup->found || !snapshot_answer_write(&run->body, &read, 0)) {
        give_up("a row that should exist is not found");
    }
    run->done++;
    if (!run->stopping) {
        begin(lookup);
    }
}

static void turn(struct run *run) {
    if (event_base_loop(run->base, EVLOOP_ONCE) < 0) {
        give_up("the event loop failed");
    }
    do {
        if (run->with_plugin) {
            const uint64_t now_ns = monotonic_ns();
            while (carry_out(run, now_ns)) {
            }
        }
    } while (pg_server_flush(run->server));
}

static uint64_t cpu_ns(void) {
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}

/* A slice of time, in which one lookup is answered at least, however long the machine has stopped;
 * those under way at its start and at its end roughly cancel out. */
static void slice(struct run *run, bool with_plugin, uint32_t slice_ms, bool print) {
    run->with_plugin = with_plugin;
    uint64_t begun = monotonic_ns(), cpu = cpu_ns(), done = run->done;
    uint64_t end = begun + slice_ms * UINT64_C(1000000);
    while (monotonic_ns() < end || run->done == done) {
        turn(run);
    }
    double seconds = (double)(monotonic_ns() - begun) / 1e9;
    double lookups = (double)(run->done - done);
    if (print) {
        printf("%s,%.1f,%.4f\n", with_plugin ? "with" : "without", lookups / seconds,
               (double)(cpu_ns() - cpu) / 1000 / lookups);
    }
}

static void connect_server(struct run *run, const char *conninfo, uint32_t links) {
    run->sql = snapshot_sql_new("");
    if (run->sql == NULL) {
        give_up("out of memory");
    }
    const struct pg_server_options options = {
        .name = "replica",
        .conninfo = conninfo,
        .links = links,
        .use_prepared = true,
        .statement_timeout_ms = 5000,
        .connect_timeout_s = 3,
        .settings = snapshot_settings,
        .setting_count = SNAPSHOT_SETTING_COUNT,
        .prepared = run->sql->statements[0],
        .prepared_count = SNAPSHOT_STATEMENT_COUNT,
        .jitter_seed = 1,
    };
    char err[256];
    run->server = pg_server_new(run->base, &run->wake_ups, &options, err, sizeof err);
    if (run->server == NULL) {
        give_up("%s", err);
    }
    uint64_t late = monotonic_ns() + LATE_NS;
    struct pg_server_counters counters;
    do {
        turn(run);
        pg_server_read_counters(run->server, &counters);
    } while (counters.links_up < links && monotonic_ns() < late);
    if (counters.links_up < links) {
        give_up("the replica cannot be reached: %s", pg_server_last_error(run->server));
    }
}

int main(int argc, char **argv) {
    static struct lookup lookups[MAX_AT_ONCE];
    if (argc != 10) {
        give_up("usage: hit PLUGIN INI SECTION CONNINFO TARGETS LINKS AT_ONCE ROUNDS SLICE_MS");
    }
    uint32_t links = (uint32_t)atoi(argv[6]), at_once = (uint32_t)atoi(argv[7]);
    uint32_t rounds = (uint32_t)atoi(argv[8]), slice_ms = (uint32_t)atoi(argv[9]);
    if (links < 1 || links > 64 || at_once < 1 || at_once > MAX_AT_ONCE) {
        give_up("expected 1 to 64 links, and 1 to %d lookups at once", MAX_AT_ONCE);
    }
    struct run run = {
        .plugin = load_plugin(argv[1]), .base = event_base_new(), .random = 1, .lookups = lookups};
    struct rp_set *set = open_set(run.plugin, argv[2]);
    run.calls = run.plugin->cluster;
    run.cluster = known_servers_open(run.plugin, set, MAX_AT_ONCE, monotonic_ns());
    while (carry_out(&run, monotonic_ns())) {
    }
    if (!wake_ups_init(&run.wake_ups, run.base)) {
        give_up("cannot make a timer");
    }
    run.policy = find_policy(run.plugin, set, argv[3]);
    run.targets = targets_read(argv[5]);
    connect_server(&run, argv[4], links);
    for (uint32_t i = 0; i < at_once; i++) {
        lookups[i].run = &run;
        lookups[i].statement.kind = PG_READ;
        lookups[i].statement.prepared = SNAPSHOT_LEAN;
        lookups[i].statement.values = lookups[i].values;
        lookups[i].statement.done = answered;
        begin(&lookups[i]);
    }
    while (pg_server_flush(run.server)) {
    }
    slice(&run, true, 4 * slice_ms, false);
    for (uint32_t round = 0; round < rounds; round++) {
        slice(&run, round % 2 == 0, slice_ms, true);
        slice(&run, round % 2 != 0, slice_ms, true);
    }
    run.stopping = true;
    while (run.under_way > 0) {
        turn(&run);
    }
    (void)run.calls->close(run.cluster);
    pg_server_free(run.server);
    snapshot_sql_release(run.sql);
    wake_ups_free(&run.wake_ups);
    event_base_free(run.base);
    byte_buffer_free(&run.body);
    targets_free(&run.targets);
    run.plugin->close(set);
    return EXIT_SUCCESS;
}
