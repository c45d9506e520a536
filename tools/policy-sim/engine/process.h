/*
 * process.h - what one process of the host is made of.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "plugin/read_policy.h"
#include "server_words.h"
#include "station.h"
#include "tools/policy-sim/model/random.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

/* A question to a server, from when the cluster asks it to its answer. */
struct question {
    struct statement statement;
    uint64_t id; /* of the action; 0: none */
    enum question_form form;
    uint32_t generation;
    uint64_t position; /* the server's, at its snapshot */
};

/* More than a cluster asks one server at a time. */
#define QUESTIONS_PER_SERVER 8u

struct host_process {
    struct world *world;
    uint32_t index;
    struct rp_set *set;
    const struct rp_policy *policy;
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    struct station stations[1 + SCENARIO_MAX_REPLICAS]; /* by sim_event.server */
    struct question questions[1 + SCENARIO_MAX_REPLICAS][QUESTIONS_PER_SERVER];
    uint64_t wakes_ns;           /* when the event comes that counts; 0: none */
    struct random_stream random; /* for what belongs to no single lookup */
};

#endif
