/*
 * world.h - what all processes of one run share: the time, the servers' state, the books.
 */
#ifndef WORLD_H
#define WORLD_H

#include "arrivals.h"
#include "event_queue.h"
#include "figures.h"
#include "lookup_pool.h"
#include "scenario.h"

struct world {
    const struct scenario *scenario;
    const struct rp_plugin *plugin;
    uint64_t now_ns;
    struct event_queue events;
    struct arrivals arrivals;
    struct lag_course replicas[SCENARIO_MAX_REPLICAS];
    struct lookup_pool lookups;
    uint64_t lookups_under_way;
    struct figures *figures;
    bool out_of_memory;
};

/* Where a server stands now: see sim_event.server and lag_model.h. The primary has committed all
 * that was committed by now. */
static inline uint64_t world_position(struct world *world, uint16_t server) {
    return server == 0 ? world->now_ns + 1
                       : lag_course_position(&world->replicas[server - 1], world->now_ns);
}

#endif
