/*
 * host_process.c - opens, admits, dispatches events, and ends what takes too long.
 */
#include "host_process.h"

#include "lookup_steps.h"
#include "position_question.h"

#include <stdio.h>

#define PROCESS_STREAM 2000000u

/* ---- life ------------------------------------------------------------------------------------ */

bool host_process_open(struct host_process *process, struct world *world, uint32_t index,
                       const char *file, const char *section, char *err, uint32_t err_length) {
    const uint32_t capabilities = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION;
    const struct scenario *scenario = world->scenario;
    *process = (struct host_process){.world = world, .index = index};
    process->random = random_begin(scenario->seed, PROCESS_STREAM + index);
    TAILQ_INIT(&process->under_way);
    const uint16_t replicas = (uint16_t)scenario->replica_count;
    for (uint16_t server = 0; server <= replicas; server++) {
        struct station *station = &process->stations[server];
        station_init(station, &world->events, world->figures);
        station->process = index;
        station->server = server;
        station->links = scenario->links;
        position_question_init(&process->questions[server], server);
    }
    if (world->plugin->open(file, capabilities, &process->set, err, err_length) != RP_OK) {
        return false;
    }
    process->policy = world->plugin->policy(process->set, section);
    if (process->policy == NULL) {
        (void)snprintf(err, err_length, "%s: no section [%s]", file, section);
    }
    return process->policy != NULL;
}

void host_process_close(struct host_process *process) {
    if (process->set != NULL) {
        process->world->plugin->close(process->set);
        process->set = NULL;
    }
}

/* ---- lookups arrive and time out ------------------------------------------------------------- */

static void arm_deadline(struct host_process *process) {
    const struct lookup *oldest = TAILQ_FIRST(&process->under_way);
    if (oldest == NULL || process->deadline_armed) {
        return;
    }
    const struct sim_event event = {
        .at_ns = oldest->arrived_ns + process->world->scenario->timeout_ns,
        .kind = EVENT_DEADLINE,
        .process = process->index,
    };
    process->deadline_armed = true;
    event_queue_put(&process->world->events, &event);
}

/* All have the same timeout, so the oldest is due first: one event serves them all. */
static void deadline_passed(struct host_process *process) {
    const uint64_t timeout_ns = process->world->scenario->timeout_ns;
    struct lookup *oldest;
    process->deadline_armed = false;
    while ((oldest = TAILQ_FIRST(&process->under_way)) != NULL &&
           oldest->arrived_ns + timeout_ns <= process->world->now_ns) {
        lookup_give_up(process, oldest);
    }
    arm_deadline(process);
}

void host_process_arrival(struct host_process *process, const struct arrival *arrival) {
    struct world *world = process->world;
    if (process->under_way_count >= world->scenario->max_lookups) {
        const struct figures_lookup books = {.end = ENDED_REFUSED, .now_ns = world->now_ns};
        figures_add_lookup(world->figures, &books);
        return;
    }
    struct lookup *lookup = lookup_pool_take(&world->lookups);
    if (lookup == NULL) {
        world->out_of_memory = true;
        return;
    }
    TAILQ_INSERT_TAIL(&process->under_way, lookup, entry);
    process->under_way_count++;
    world->lookups_under_way++;
    lookup->arrived_ns = world->now_ns;
    arm_deadline(process);
    lookup_begin(process, lookup, arrival);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void read_event(struct host_process *process, struct lookup *lookup,
                       const struct sim_event *event) {
    if (lookup == NULL) {
        return; /* it has been given up in the meantime */
    }
    if (event->kind == EVENT_SNAPSHOT) {
        lookup_snapshot(process, lookup, event->server);
    } else {
        lookup_answered(process, lookup);
    }
}

static void question_event(struct host_process *process, const struct sim_event *event) {
    if (event->kind == EVENT_SNAPSHOT) {
        position_question_snapshot(process, event->server);
    } else {
        position_question_answered(process, event->server);
    }
}

void host_process_event(struct host_process *process, const struct sim_event *event) {
    struct world *world = process->world;
    struct lookup *lookup;
    switch (event->kind) {
    case EVENT_SNAPSHOT:
    case EVENT_ANSWER:
        if (event->kind == EVENT_ANSWER) {
            station_answered(&process->stations[event->server], world->now_ns);
        }
        if (event->statement == STATEMENT_READ) {
            lookup = lookup_pool_find(&world->lookups, event->lookup, event->generation);
            read_event(process, lookup, event);
        } else {
            question_event(process, event);
        }
        break;
    case EVENT_TIMER:
        lookup = lookup_pool_find(&world->lookups, event->lookup, event->generation);
        if (lookup != NULL) {
            lookup_timer(process, lookup);
        }
        break;
    case EVENT_PAUSE_OVER:
        position_question_pause_over(process, event->server);
        break;
    default:
        deadline_passed(process);
        break;
    }
}
