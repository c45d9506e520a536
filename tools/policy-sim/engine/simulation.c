/*
 * simulation.c - the loop: takes the next event, sets the time to it, has it handled.
 */
#include "simulation.h"

#include "host_process.h"
#include "tools/policy-sim/model/quantity.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLICAS_STREAM 0u
#define COMMITS_STREAM  3000000u

struct simulation {
    struct world world;
    struct host_process *processes;
    struct arrival next_arrival;
    bool all_arrived;
};

static void put(struct simulation *simulation, uint64_t at_ns, enum sim_event_kind kind) {
    const struct sim_event event = {.at_ns = at_ns, .kind = (uint8_t)kind};
    event_queue_put(&simulation->world.events, &event);
}

/* Exactly one arrival is scheduled ahead. */
static void put_next_arrival(struct simulation *simulation) {
    struct arrival *arrival = &simulation->next_arrival;
    if (arrivals_next(&simulation->world.arrivals, arrival)) {
        put(simulation, arrival->at_ns, EVENT_ARRIVAL);
    } else {
        simulation->all_arrived = true;
    }
}

static void arrive(struct simulation *simulation) {
    struct world *world = &simulation->world;
    const struct arrival arrival = simulation->next_arrival;
    put_next_arrival(simulation);
    if (arrival.row_position != ROW_NOWHERE && arrival.row_position > world->newest_row) {
        world->newest_row = arrival.row_position;
    }
    host_process_arrival(&simulation->processes[arrival.process], &arrival);
}

static void tick(struct simulation *simulation) {
    struct world *world = &simulation->world;
    const uint16_t replicas = (uint16_t)world->scenario->replica_count;
    for (uint16_t server = 1; server <= replicas; server++) {
        figures_add_lag(world->figures, world->now_ns,
                        world->now_ns + 1 - world_replica_reach(world, server));
    }
    put(simulation, world->now_ns + FIGURES_TICK_NS, EVENT_TICK);
}

static void count_all(struct simulation *simulation) {
    struct world *world = &simulation->world;
    world->figures->span_ns = world->now_ns - SCENARIO_START_NS;
    for (uint32_t i = 0; i < world->scenario->processes; i++) {
        host_process_count(&simulation->processes[i]);
    }
    for (uint32_t i = 0; i < world->scenario->replica_count; i++) {
        world->figures->bursts[i] = world->replicas[i].bursts;
    }
}

static bool ran_out_of_memory(const struct world *world) {
    return world->events.out_of_memory || world->figures->out_of_memory || world->out_of_memory;
}

/* Runs until every lookup has arrived and ended. False if memory ran out, even for the first event.
 */
static bool run(struct simulation *simulation) {
    struct world *world = &simulation->world;
    struct sim_event event;
    put(simulation, SCENARIO_START_NS, EVENT_TICK);
    put_next_arrival(simulation);
    while (!ran_out_of_memory(world) && !(simulation->all_arrived && world->lookups_open == 0) &&
           event_queue_take(&world->events, &event)) {
        world->now_ns = event.at_ns;
        switch (event.kind) {
        case EVENT_ARRIVAL:
            arrive(simulation);
            break;
        case EVENT_TICK:
            tick(simulation);
            break;
        default:
            host_process_event(&simulation->processes[event.process], &event);
            break;
        }
    }
    if (ran_out_of_memory(world)) {
        return false;
    }
    count_all(simulation);
    return true;
}

static bool open_processes(struct simulation *simulation, const struct policy_text *policies,
                           const char *section, char *err, uint32_t err_length) {
    struct world *world = &simulation->world;
    for (uint32_t i = 0; i < world->scenario->processes; i++) {
        if (!host_process_open(&simulation->processes[i], world, i, policies, section, err,
                               err_length)) {
            return false;
        }
    }
    return true;
}

static void begin_world(struct world *world, const struct rp_plugin *plugin,
                        const struct scenario *scenario, struct figures *figures) {
    *world = (struct world){
        .scenario = scenario, .plugin = plugin, .now_ns = SCENARIO_START_NS, .figures = figures};
    arrivals_begin(&world->arrivals, scenario);
    lookup_pool_init(&world->lookups);
    for (uint32_t i = 0; i < scenario->replica_count; i++) {
        lag_course_begin(&world->replicas[i], &scenario->replicas[i],
                         random_begin(scenario->seed, REPLICAS_STREAM + i), SCENARIO_START_NS);
    }
    /* Commits at random moments: the time since the last one is exponentially distributed. */
    if (scenario->commit_interval_ns >= LAG_MIN_MEAN_NS) {
        world->commits =
            (struct lag_model){.kind = LAG_EXPONENTIAL, .mean_ns = scenario->commit_interval_ns};
    }
    lag_course_begin(&world->primary, &world->commits, random_begin(scenario->seed, COMMITS_STREAM),
                     SCENARIO_START_NS);
}

struct figures *simulate(const struct rp_plugin *plugin, const struct policy_text *policies,
                         const char *section, const struct scenario *scenario, char *err,
                         uint32_t err_length) {
    struct simulation *simulation = calloc(1, sizeof *simulation);
    struct figures *figures = figures_new();
    bool done = false;
    (void)snprintf(err, err_length, "out of memory");
    if (simulation == NULL || figures == NULL) {
        goto out;
    }
    begin_world(&simulation->world, plugin, scenario, figures);
    simulation->processes = calloc(scenario->processes, sizeof *simulation->processes);
    if (simulation->processes == NULL ||
        !open_processes(simulation, policies, section, err, err_length)) {
        goto out;
    }
    done = run(simulation);
    if (!done) {
        (void)snprintf(err, err_length, "out of memory");
    }
out:
    if (simulation != NULL) {
        for (uint32_t i = 0; simulation->processes != NULL && i < scenario->processes; i++) {
            host_process_close(&simulation->processes[i]);
        }
        free(simulation->processes);
        lookup_pool_free(&simulation->world.lookups);
        event_queue_free(&simulation->world.events);
        free(simulation);
    }
    if (!done) {
        figures_free(figures);
        figures = NULL;
    }
    return figures;
}
