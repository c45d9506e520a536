/*
 * core.c - what the cluster adds to a decision: reads that hit, through start, next, answer and
 * next, against begin and next alone.
 *
 * core PLUGIN INI SECTION ROUNDS READS
 *     prints subject,ns for every round: alone, cluster, cluster with a position, each in turn
 */
#include "known_servers.h"
#include "loaded.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define US UINT64_C(1000)

struct ground {
    const struct rp_plugin *plugin;
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    const struct rp_policy *policy;
    uint64_t now_ns;
    uint64_t entropy;
};

static double cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void alone(struct ground *ground, uint32_t reads) {
    for (uint32_t i = 0; i < reads; i++) {
        struct rp_read read = {.struct_size = sizeof read};
        const struct rp_request request = {.struct_size = sizeof request,
                                           .replicas = 1,
                                           .now_ns = ground->now_ns += 2 * US,
                                           .deadline_ns = ground->now_ns + 5000000 * US,
                                           .entropy = ground->entropy++};
        const struct rp_report report = {
            .struct_size = sizeof report, .outcome = RP_FOUND, .now_ns = ground->now_ns + US};
        (void)ground->plugin->begin(ground->policy, &request, &read);
        if (ground->plugin->next(&read, &report)->verdict != RP_VERDICT_FOUND) {
            give_up("a hit was not found");
        }
    }
}

/* Everything that the cluster wants done; returns the id of the read that it wants sent, or 0. */
static uint64_t run(struct ground *ground) {
    struct rp_action action;
    uint64_t wake_ns;
    uint64_t id = 0;
    action.struct_size = sizeof action; /* next fills in the rest */
    while (ground->calls->next(ground->cluster, ground->now_ns, &action, &wake_ns)) {
        if (action.kind == RP_ACTION_READ) {
            id = action.id;
        } else if (action.kind == RP_ACTION_ASK) {
            ground->calls->answer(ground->cluster, action.id, RP_ANSWERED,
                                  known_servers_say(&action), NULL, ground->now_ns);
        } else if (action.kind == RP_ACTION_DONE && action.verdict != RP_VERDICT_FOUND) {
            give_up("a hit was not found");
        }
    }
    return id;
}

static void through_cluster(struct ground *ground, uint32_t reads, const char *after) {
    for (uint32_t i = 0; i < reads; i++) {
        uint64_t read_id;
        const struct rp_request request = {.struct_size = sizeof request,
                                           .now_ns = ground->now_ns += 2 * US,
                                           .deadline_ns = ground->now_ns + 5000000 * US,
                                           .entropy = ground->entropy++};
        if (ground->calls->start(ground->cluster, ground->policy, &request, i, &read_id) != RP_OK) {
            give_up("a read could not be begun");
        }
        uint64_t id = run(ground);
        ground->calls->answer(ground->cluster, id, RP_FOUND, NULL, after, ground->now_ns + US);
        (void)run(ground);
    }
}

static double time_of(struct ground *ground, int subject, uint32_t reads) {
    const double begun = cpu_ns();
    switch (subject) {
    case 0:
        alone(ground, reads);
        break;
    case 1:
        through_cluster(ground, reads, NULL);
        break;
    default:
        through_cluster(ground, reads, "0/5000100");
        break;
    }
    return (cpu_ns() - begun) / reads;
}

int main(int argc, char **argv) {
    static const char *const subjects[] = {"alone", "cluster", "cluster with a position"};
    struct ground ground = {.now_ns = 1000000 * US, .entropy = 1};
    if (argc != 6) {
        give_up("usage: core PLUGIN INI SECTION ROUNDS READS");
    }
    ground.plugin = load_plugin(argv[1]);
    ground.calls = ground.plugin->cluster;
    struct rp_set *set = open_set(ground.plugin, argv[2]);
    ground.policy = find_policy(ground.plugin, set, argv[3]);
    ground.cluster = known_servers_open(ground.plugin, set, 64, ground.now_ns);
    (void)run(&ground);
    const int rounds = atoi(argv[4]);
    const uint32_t reads = (uint32_t)atoi(argv[5]);
    for (int round = 0; round < rounds; round++) {
        for (int turn = 0; turn < 3; turn++) {
            const int subject = round % 2 == 0 ? turn : 2 - turn;
            (void)time_of(&ground, subject, reads / 20 + 1);
            printf("%s,%.2f\n", subjects[subject], time_of(&ground, subject, reads));
        }
    }
    (void)ground.calls->close(ground.cluster);
    ground.plugin->close(set);
    return EXIT_SUCCESS;
}
