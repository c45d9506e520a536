/*
 * lookups.c - see lookups.h.
 */
#include "lookups.h"

#include "tools/policy-sim/model/quantity.h"

/* ---- beginning and ending -------------------------------------------------------------------- */

/* A failure is repeated after this, doubled each time, as the published clients do. */
#define FAILURE_WAIT_NS (500 * NS_PER_MS)
#define MAX_DOUBLINGS   3u

static uint64_t repeat_wait(const struct world *world, struct lookup *lookup, enum lookup_end end) {
    if (end != ENDED_FAILED) {
        return duration_model_draw(&world->scenario->repeat_wait, &lookup->random);
    }
    return FAILURE_WAIT_NS << (lookup->repeated < MAX_DOUBLINGS ? lookup->repeated : MAX_DOUBLINGS);
}

/* The client asks again later, of any process, if it may. */
static bool will_be_repeated(struct world *world, struct lookup *lookup, enum lookup_end end) {
    if (end <= NOT_FOUND_REPLICA || lookup->repeats == 0) {
        return false;
    }
    const uint64_t wait_ns = repeat_wait(world, lookup, end);
    lookup->repeats--;
    lookup->repeated++;
    const struct sim_event event = {
        .at_ns = world->now_ns + wait_ns,
        .kind = EVENT_REPEAT,
        .process = (uint32_t)random_uniform(&lookup->random, 0, world->scenario->processes - 1),
        .asker = lookup->index,
        .generation = lookup->generation,
    };
    event_queue_put(&world->events, &event);
    return true;
}

static void finish(struct host_process *process, struct lookup *lookup, enum lookup_end end) {
    struct world *world = process->world;
    bool answered = end <= NOT_FOUND_REPLICA;
    bool not_found = end == NOT_FOUND_PRIMARY || end == NOT_FOUND_REPLICA;
    bool repeated = will_be_repeated(world, lookup, end);
    const struct figures_lookup books = {
        .end = end,
        .now_ns = world->now_ns,
        .added_ns = world->now_ns - lookup->arrived_ns - (answered ? lookup->read_ns : 0),
        .missed = lookup->missed,
        .wrong = not_found && lookup->row_position != ROW_NOWHERE,
        .repeated = repeated,
    };
    figures_add_lookup(world->figures, &books);
    if (!repeated) {
        world->lookups_open--;
        lookup_pool_give(&world->lookups, lookup);
    }
}

static enum lookup_end end_of(const struct rp_action *action) {
    switch (action->verdict) {
    case RP_VERDICT_FOUND:
        return action->served_by == RP_SERVED_BY_PRIMARY         ? FOUND_PRIMARY
               : action->served_by == RP_SERVED_BY_REPLICA_RETRY ? FOUND_REPLICA_RETRY
                                                                 : FOUND_REPLICA;
    case RP_VERDICT_NOT_FOUND:
        return action->served_by == RP_SERVED_BY_PRIMARY ? NOT_FOUND_PRIMARY : NOT_FOUND_REPLICA;
    case RP_VERDICT_SHED:
        return ENDED_SHED;
    default:
        return ENDED_FAILED;
    }
}

static void begin(struct host_process *process, struct lookup *lookup, uint64_t entropy) {
    const struct world *world = process->world;
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = world->now_ns,
                                       .deadline_ns = world->now_ns + world->scenario->timeout_ns,
                                       .entropy = entropy,
                                       .position = lookup->floor * WAL_PER_POSITION};
    uint64_t read_id;
    lookup->statement = (struct statement){.kind = STATEMENT_READ, .asker = lookup->index};
    lookup->arrived_ns = world->now_ns;
    lookup->missed = false;
    lookup->read_ns = 0;
    if (process->calls->start(process->cluster, process->policy, &request, lookup->index,
                              &read_id) != RP_OK) {
        finish(process, lookup, ENDED_REFUSED);
    }
}

void lookup_arrives(struct host_process *process, const struct arrival *arrival) {
    struct world *world = process->world;
    struct lookup *lookup = lookup_pool_take(&world->lookups);
    if (lookup == NULL) {
        world->out_of_memory = true;
        return;
    }
    world->lookups_open++;
    lookup->random = (struct random_stream){.state = arrival->seed};
    lookup->row_position = arrival->row_position;
    lookup->floor = arrival->floor;
    lookup->repeats = world->scenario->repeats;
    lookup->repeated = 0;
    begin(process, lookup, arrival->entropy);
}

void lookup_arrives_again(struct host_process *process, struct lookup *lookup) {
    process->world->figures->repeats++;
    begin(process, lookup, random_next(&lookup->random));
}

void lookup_done(struct host_process *process, const struct rp_action *action) {
    finish(process, lookup_pool_at(&process->world->lookups, (uint32_t)action->tag),
           end_of(action));
}

/* ---- reads ----------------------------------------------------------------------------------- */

void lookup_read(struct host_process *process, const struct rp_action *action) {
    const struct scenario *scenario = process->world->scenario;
    struct lookup *lookup = lookup_pool_at(&process->world->lookups, (uint32_t)action->tag);
    lookup->action = action->id;
    lookup->asked = action->text != NULL;
    lookup->read_ns = duration_model_draw(
        action->server == 0 ? &scenario->primary_read : &scenario->replica_read, &lookup->random);
    lookup->statement.generation = ++lookup->generation;
    lookup->statement.takes_ns = lookup->read_ns;
    if (lookup->asked) {
        lookup->statement.takes_ns +=
            duration_model_draw(&scenario->question_read, &lookup->random);
    }
    station_submit(&process->stations[action->server], &lookup->statement, process->world->now_ns);
}

void lookup_drop(struct host_process *process, const struct rp_action *action) {
    struct lookup *lookup = lookup_pool_at(&process->world->lookups, (uint32_t)action->tag);
    statement_forget(&lookup->statement);
    lookup->generation++;
}

/* What a question before the read says comes from the same moment: it is asked a little earlier,
 * and a server's position only grows. */
void lookup_snapshot(struct host_process *process, const struct sim_event *event) {
    struct world *world = process->world;
    struct lookup *lookup = lookup_pool_find(&world->lookups, event->asker, event->generation);
    if (lookup == NULL) {
        return; /* it is not wanted any more */
    }
    lookup->position = world_position(world, event->server);
    if (event->server == 0) { /* it has every row */
        lookup->outcome = lookup->row_position != ROW_NOWHERE ? RP_FOUND : RP_MISSING;
        return;
    }
    lookup->outcome =
        world_replica_reach(world, event->server) >= lookup->row_position ? RP_FOUND : RP_MISSING;
    if (random_uniform(&lookup->random, 0, SHARE_ALL - 1) < world->scenario->replica_failures) {
        lookup->outcome = RP_FAILED;
    }
    lookup->missed = lookup->missed || lookup->outcome == RP_MISSING;
}

void lookup_answered(struct host_process *process, const struct sim_event *event) {
    struct world *world = process->world;
    const struct lookup *lookup =
        lookup_pool_find(&world->lookups, event->asker, event->generation);
    char words[SERVER_WORDS_BYTES];
    char lsn[RP_POSITION_BYTES];
    if (lookup == NULL) {
        return;
    }
    const bool missing = lookup->outcome == RP_MISSING; /* of a row nobody here wants to know it */
    if (missing) {
        process->calls->position_print(lookup->position * WAL_PER_POSITION, lsn);
    }
    if (lookup->asked) {
        server_answer(process->calls, world, event->server, QUESTION_SHORT, lookup->position,
                      words);
    }
    process->calls->answer(process->cluster, lookup->action, lookup->outcome,
                           lookup->asked ? words : NULL, missing ? lsn : NULL, world->now_ns);
}
