/*
 * process.h - what one process of the host is made of.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "plugin/read_policy.h"
#include "station.h"
#include "tools/policy-sim/model/random.h"
#include "waiters.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

/* See position_question.h. */
struct position_question {
    struct statement statement;
    struct waiter_list waiting;
    struct waiter_list asked; /* of the primary alone: whom the question under way is for */
    bool under_way;
    bool pausing;            /* of a replica alone: between two questions */
    uint32_t asked_in_a_row; /* of a replica alone: since a lookup began to wait */
    uint64_t position;       /* at the snapshot of the question under way */
};

struct host_process {
    struct world *world;
    uint32_t index;
    struct rp_set *set;
    const struct rp_policy *policy;
    struct station stations[1 + SCENARIO_MAX_REPLICAS]; /* by sim_event.server */
    struct position_question questions[1 + SCENARIO_MAX_REPLICAS];
    struct lookup_list under_way; /* oldest first */
    uint32_t under_way_count;
    bool deadline_armed;
    struct random_stream random; /* for what belongs to no single lookup */
};

#endif
