/*
 * decision.c - what a policy's decision costs: begin and next of the most common reads, against the
 * same number of bare calls through a similar table.
 *
 * decision PLUGIN BARE INI paths
 *     lists the paths: policy,path,calls
 * decision PLUGIN BARE INI time ROUNDS READS
 *     prints policy,path,subject,ns for every round, each subject in turn in every round
 * decision PLUGIN BARE INI count READS
 *     runs read_loop_run once for each path and each of the subjects none, bare, plugin, in this
 *     order, for callgrind to count
 */
#include "loaded.h"
#include "read_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_BY(who) RP_VERDICT_FOUND, RP_SERVED_BY_##who
#define END           READ_PATH_END

static const struct read_path paths[] = {
    {"primary_only", "hit", 1, FOUND_BY(PRIMARY), {RP_FOUND, END}},
    {"replica_only", "hit", 1, FOUND_BY(REPLICA), {RP_FOUND, END}},
    {"replica_then_primary", "hit", 1, FOUND_BY(REPLICA), {RP_FOUND, END}},
    {"replica_then_primary", "no replica", 0, FOUND_BY(PRIMARY), {RP_FOUND, END}},
    {"replica_then_primary",
     "miss, wait, found",
     1,
     FOUND_BY(REPLICA_RETRY),
     {RP_MISSING, RP_WAITED, RP_FOUND, END}},
    {"replica_then_primary",
     "miss, wait, miss, primary",
     1,
     FOUND_BY(PRIMARY),
     {RP_MISSING, RP_WAITED, RP_MISSING, RP_FOUND, END}},
    {"no_retry", "miss, primary", 1, FOUND_BY(PRIMARY), {RP_MISSING, RP_FOUND, END}},
    {"budgeted", "miss, budget, primary", 1, FOUND_BY(PRIMARY), {RP_MISSING, RP_FOUND, END}},
    {"replica_backoff", "hit", 1, FOUND_BY(REPLICA), {RP_FOUND, END}},
    {"replica_backoff",
     "miss, wait, found",
     1,
     FOUND_BY(REPLICA_RETRY),
     {RP_MISSING, RP_WAITED, RP_FOUND, END}},
    {"read_index", "hit", 1, FOUND_BY(REPLICA), {RP_FOUND, END}},
    {"read_index",
     "miss, locate, await, found",
     1,
     FOUND_BY(REPLICA_RETRY),
     {RP_MISSING, RP_LOCATED, RP_REACHED, RP_FOUND, END}},
    {"read_index",
     "miss, locate, await, absent",
     1,
     RP_VERDICT_NOT_FOUND,
     RP_SERVED_BY_REPLICA_RETRY,
     {RP_MISSING, RP_LOCATED, RP_REACHED, RP_MISSING, END}},
    {"read_index_always",
     "locate, await, hit",
     1,
     FOUND_BY(REPLICA),
     {RP_LOCATED, RP_REACHED, RP_FOUND, END}},
};
#define PATHS (sizeof paths / sizeof paths[0])

struct tables {
    struct bare_calls plugin;
    const struct bare_calls *bare;
    const struct rp_policy *policies[PATHS];
};

static struct read_loop loop_of(const struct tables *tables, size_t path, bool plugin,
                                enum read_calls calls) {
    struct read_loop loop = read_loop_along(&paths[path]);
    loop.table = plugin ? &tables->plugin : tables->bare;
    loop.policies = &tables->policies[path];
    loop.policy_count = 1;
    loop.calls = calls;
    return loop;
}

static uint32_t number(const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value == 0 || value > 1000000000) {
        give_up("%s: expected a number from 1 to 1000000000", text);
    }
    return (uint32_t)value;
}

static void time_paths(const struct tables *tables, uint32_t rounds, uint32_t reads) {
    static const struct {
        const char *name;
        bool plugin;
        enum read_calls calls;
    } subjects[] = {{"bare", false, READ_CALLS_MADE},
                    {"plugin", true, READ_CALLS_MADE},
                    {"bare with clock", false, READ_CALLS_WITH_CLOCK},
                    {"plugin with clock", true, READ_CALLS_WITH_CLOCK}};
    const size_t count = sizeof subjects / sizeof subjects[0];
    for (uint32_t round = 0; round < rounds; round++) {
        for (size_t path = 0; path < PATHS; path++) {
            for (size_t turn = 0; turn < count; turn++) {
                /* Back and forth, so that a drift of the machine's speed affects all alike. */
                size_t s = round % 2 == 0 ? turn : count - 1 - turn;
                struct read_loop loop =
                    loop_of(tables, path, subjects[s].plugin, subjects[s].calls);
                (void)read_loop_run(&loop, reads / 20 + 1);
                printf("%s,\"%s\",%s,%.3f\n", paths[path].policy, paths[path].name,
                       subjects[s].name, read_loop_time(&loop, reads));
            }
        }
    }
}

static void count_paths(const struct tables *tables, uint32_t reads) {
    for (size_t path = 0; path < PATHS; path++) {
        struct read_loop none = loop_of(tables, path, false, READ_CALLS_NONE);
        struct read_loop bare = loop_of(tables, path, false, READ_CALLS_MADE);
        struct read_loop plugin = loop_of(tables, path, true, READ_CALLS_MADE);
        (void)read_loop_run(&none, reads);
        (void)read_loop_run(&bare, reads);
        (void)read_loop_run(&plugin, reads);
    }
}

static void list_paths(void) {
    for (size_t path = 0; path < PATHS; path++) {
        uint32_t calls = read_loop_along(&paths[path]).reports + 1;
        printf("%s,\"%s\",%u\n", paths[path].policy, paths[path].name, calls);
    }
}

int main(int argc, char **argv) {
    if (argc < 5) {
        give_up("usage: decision PLUGIN BARE INI paths | time ROUNDS READS | count READS");
    }
    struct tables tables;
    const struct rp_plugin *plugin = load_plugin(argv[1]);
    tables.plugin = (struct bare_calls){.begin = plugin->begin, .next = plugin->next};
    tables.bare = load_bare_calls(argv[2]);
    struct rp_set *set = open_set(plugin, argv[3]);
    for (size_t path = 0; path < PATHS; path++) {
        tables.policies[path] = find_policy(plugin, set, paths[path].policy);
        struct read_loop loop = loop_of(&tables, path, true, READ_CALLS_MADE);
        if (!read_loop_is_on_path(&loop, &paths[path])) {
            give_up("%s does not follow the path \"%s\"", paths[path].policy, paths[path].name);
        }
    }
    if (argc == 5 && strcmp(argv[4], "paths") == 0) {
        list_paths();
    } else if (argc == 7 && strcmp(argv[4], "time") == 0) {
        time_paths(&tables, number(argv[5]), number(argv[6]));
    } else if (argc == 6 && strcmp(argv[4], "count") == 0) {
        count_paths(&tables, number(argv[5]));
    } else {
        give_up("%s: expected paths, time or count with their numbers", argv[4]);
    }
    plugin->close(set);
    return EXIT_SUCCESS;
}
