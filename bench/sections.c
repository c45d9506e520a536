/*
 * sections.c - the cost of loading a policy file, and of a hit's decision with many sections or
 * many replicas.
 *
 * sections PLUGIN ROUNDS READS (INI SECTIONS REPLICAS)...
 *     INI has the sections s1 to sSECTIONS; reads use them in turn, and choose among REPLICAS.
 *     Prints ini,load_us,hit_ns for every round, each file in turn in every round.
 */
#include "host-sample/base/monotonic.h"
#include "loaded.h"
#include "read_loop.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_FILES    32
#define MAX_SECTIONS 1000

static const struct read_path hit = {
    .policy = "s1",
    .name = "hit",
    .replicas = 1,
    .verdict = RP_VERDICT_FOUND,
    .served_by = RP_SERVED_BY_REPLICA,
    .outcomes = {RP_FOUND, READ_PATH_END},
};

struct file {
    const char *path;
    uint32_t sections, replicas;
    const struct rp_policy *policies[MAX_SECTIONS];
};

static uint32_t number(const char *text, uint32_t most) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value == 0 || value > most) {
        give_up("%s: expected a number from 1 to %u", text, most);
    }
    return (uint32_t)value;
}

static void measure(const struct rp_plugin *plugin, struct file *file, uint32_t reads) {
    const struct bare_calls table = {.begin = plugin->begin, .next = plugin->next};
    uint64_t begun = monotonic_ns();
    struct rp_set *set = open_set(plugin, file->path);
    double load_us = (double)(monotonic_ns() - begun) / 1000;
    for (uint32_t i = 0; i < file->sections; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "s%u", i + 1);
        file->policies[i] = find_policy(plugin, set, name);
    }
    struct read_loop loop = read_loop_along(&hit);
    loop.table = &table;
    loop.policies = file->policies;
    loop.policy_count = file->sections;
    loop.replicas = file->replicas;
    loop.calls = READ_CALLS_MADE;
    if (!read_loop_is_on_path(&loop, &hit)) {
        give_up("%s: a hit was not served by the replica", file->path);
    }
    (void)read_loop_run(&loop, reads / 20 + 1);
    printf("%s,%.2f,%.3f\n", file->path, load_us, read_loop_time(&loop, reads));
    plugin->close(set);
}

int main(int argc, char **argv) {
    static struct file files[MAX_FILES];
    if (argc < 7 || (argc - 4) % 3 != 0 || (argc - 4) / 3 > MAX_FILES) {
        give_up("usage: sections PLUGIN ROUNDS READS (INI SECTIONS REPLICAS)...");
    }
    const struct rp_plugin *plugin = load_plugin(argv[1]);
    uint32_t rounds = number(argv[2], 1000000);
    uint32_t reads = number(argv[3], 1000000000);
    int count = (argc - 4) / 3;
    for (int i = 0; i < count; i++) {
        files[i].path = argv[4 + 3 * i];
        files[i].sections = number(argv[5 + 3 * i], MAX_SECTIONS);
        files[i].replicas = number(argv[6 + 3 * i], 1000);
    }
    for (uint32_t round = 0; round < rounds; round++) {
        for (int turn = 0; turn < count; turn++) {
            measure(plugin, &files[round % 2 == 0 ? turn : count - 1 - turn], reads);
        }
    }
    return EXIT_SUCCESS;
}
