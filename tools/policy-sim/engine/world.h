/*
 * world.h - what all processes of one run share: the time, the servers' state, the figures.
 */
#ifndef WORLD_H
#define WORLD_H

#include "event_queue.h"
#include "lookup_pool.h"
#include "tools/policy-sim/model/arrivals.h"
#include "tools/policy-sim/model/scenario.h"
#include "tools/policy-sim/report/figures.h"

struct world {
    const struct scenario *scenario;
    const struct rp_plugin *plugin;
    uint64_t now_ns;
    struct event_queue events;
    struct arrivals arrivals;
    struct lag_course replicas[SCENARIO_MAX_REPLICAS];
    struct lag_model commits; /* how long ago the last commit of others was */
    struct lag_course primary;
    uint64_t newest_row; /* the greatest position of a row looked up so far */
    struct lookup_pool lookups;
    uint64_t lookups_open; /* under way, or to be repeated */
    struct figures *figures;
    bool out_of_memory;
};

/* The primary's position now: that of its last commit, of a row that is looked up or of another. */
static inline uint64_t world_primary_position(struct world *world) {
    uint64_t position = lag_course_position(&world->primary, world->now_ns);
    return position > world->newest_row ? position : world->newest_row;
}

/* Up to where a replica has all rows now: see sim_event.server and lag_model.h. It may be later
 * than the primary's last commit. */
static inline uint64_t world_replica_reach(struct world *world, uint16_t server) {
    return lag_course_position(&world->replicas[server - 1], world->now_ns);
}

/* A server's position now, as it would say: a replica has replayed no more than was written. */
static inline uint64_t world_position(struct world *world, uint16_t server) {
    uint64_t written = world_primary_position(world);
    uint64_t reach = server == 0 ? written : world_replica_reach(world, server);
    return reach < written ? reach : written;
}

/* When a timer that the host sets now for `until_ns` fires: a loop around poll or epoll sleeps for
 * whole milliseconds, rounded up. */
static inline uint64_t world_timer(const struct world *world, uint64_t until_ns) {
    uint64_t step_ns = world->scenario->timer_step_ns;
    uint64_t left_ns = until_ns > world->now_ns ? until_ns - world->now_ns : 0;
    return world->now_ns + (step_ns == 0 ? left_ns : (left_ns + step_ns - 1) / step_ns * step_ns);
}

#endif
