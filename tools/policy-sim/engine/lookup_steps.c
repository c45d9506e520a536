/*
 * lookup_steps.c - see lookup_steps.h.
 */
#include "lookup_steps.h"

#include "position_question.h"
#include "tools/policy-sim/model/quantity.h"

static void follow(struct host_process *process, struct lookup *lookup, const struct rp_step *step);

/* Reports the result of the step under way. May end the lookup, which is then released. */
static void report(struct host_process *process, struct lookup *lookup, int32_t outcome,
                   uint64_t position) {
    const struct rp_report result = {.struct_size = sizeof result,
                                     .outcome = outcome,
                                     .now_ns = process->world->now_ns,
                                     .position = position};
    lookup->generation++;
    follow(process, lookup, process->world->plugin->next(&lookup->read, &result));
}

/* ---- the end --------------------------------------------------------------------------------- */

static enum lookup_end end_of(const struct rp_step *step) {
    switch (step->verdict) {
    case RP_VERDICT_FOUND:
        return step->served_by == RP_SERVED_BY_PRIMARY         ? FOUND_PRIMARY
               : step->served_by == RP_SERVED_BY_REPLICA_RETRY ? FOUND_REPLICA_RETRY
                                                               : FOUND_REPLICA;
    case RP_VERDICT_NOT_FOUND:
        return step->served_by == RP_SERVED_BY_PRIMARY ? NOT_FOUND_PRIMARY : NOT_FOUND_REPLICA;
    case RP_VERDICT_SHED:
        return ENDED_SHED;
    default:
        return ENDED_FAILED;
    }
}

/* Records the result, cancels what is still asked for, and releases the lookup. */
static void finish(struct host_process *process, struct lookup *lookup, enum lookup_end end) {
    struct world *world = process->world;
    bool answered = end <= NOT_FOUND_REPLICA;
    bool not_found = end == NOT_FOUND_PRIMARY || end == NOT_FOUND_REPLICA;
    const struct figures_lookup books = {
        .end = end,
        .now_ns = world->now_ns,
        .added_ns =
            world->now_ns - lookup->arrived_ns - (answered ? lookup->statement.takes_ns : 0),
        .missed = lookup->missed,
        .wrong = not_found && lookup->row_position != ROW_NOWHERE,
    };
    figures_add_lookup(world->figures, &books);
    statement_forget(&lookup->statement);
    waiter_leave(&lookup->waiter);
    TAILQ_REMOVE(&process->under_way, lookup, entry);
    process->under_way_count--;
    world->lookups_under_way--;
    lookup_pool_give(&world->lookups, lookup);
}

void lookup_give_up(struct host_process *process, struct lookup *lookup) {
    finish(process, lookup, ENDED_FAILED);
}

/* ---- reads ----------------------------------------------------------------------------------- */

static void start_read(struct host_process *process, struct lookup *lookup,
                       const struct rp_step *step) {
    const struct scenario *scenario = process->world->scenario;
    struct statement *statement = &lookup->statement;
    bool primary = step->target == RP_TARGET_PRIMARY;
    uint16_t server = primary ? 0 : (uint16_t)(1 + step->replica);
    statement->generation = lookup->generation;
    statement->takes_ns = duration_model_draw(
        primary ? &scenario->primary_read : &scenario->replica_read, &lookup->random);
    station_submit(&process->stations[server], statement, process->world->now_ns);
}

void lookup_snapshot(struct host_process *process, struct lookup *lookup, uint16_t server) {
    struct world *world = process->world;
    if (server == 0) { /* it has every row; the host reports no position for it */
        lookup->outcome = lookup->row_position != ROW_NOWHERE ? RP_FOUND : RP_MISSING;
        lookup->position = 0;
        return;
    }
    lookup->position = world_replica_position(world, server);
    lookup->outcome = lookup->position >= lookup->row_position ? RP_FOUND : RP_MISSING;
    if (random_uniform(&lookup->random, 0, SHARE_ALL - 1) < world->scenario->replica_failures) {
        lookup->outcome = RP_FAILED;
    }
    lookup->missed = lookup->missed || lookup->outcome == RP_MISSING;
}

void lookup_answered(struct host_process *process, struct lookup *lookup) {
    bool with_position = (lookup->step->flags & RP_STEP_WITH_POSITION) != 0;
    report(process, lookup, lookup->outcome, with_position ? lookup->position : 0);
}

/* ---- waits ----------------------------------------------------------------------------------- */

static void set_timer(struct host_process *process, const struct lookup *lookup,
                      uint64_t until_ns) {
    const struct sim_event event = {
        .at_ns = world_timer(process->world, until_ns),
        .kind = EVENT_TIMER,
        .process = process->index,
        .lookup = lookup->index,
        .generation = lookup->generation,
    };
    event_queue_put(&process->world->events, &event);
}

void lookup_timer(struct host_process *process, struct lookup *lookup) {
    bool awaiting = lookup->step->kind == RP_STEP_AWAIT;
    waiter_leave(&lookup->waiter);
    report(process, lookup, awaiting ? RP_NOT_REACHED : RP_WAITED, 0);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void follow(struct host_process *process, struct lookup *lookup,
                   const struct rp_step *step) {
    bool replica_step = step->kind == RP_STEP_AWAIT ||
                        (step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA);
    if (replica_step && step->replica >= process->world->scenario->replica_count) {
        finish(process, lookup, ENDED_FAILED);
        return;
    }
    lookup->step = step;
    switch (step->kind) {
    case RP_STEP_READ:
        start_read(process, lookup, step);
        break;
    case RP_STEP_WAIT:
        set_timer(process, lookup, step->until_ns);
        break;
    case RP_STEP_LOCATE:
        position_question_join(process, 0, &lookup->waiter);
        break;
    case RP_STEP_AWAIT:
        lookup->waiter.target = step->position;
        set_timer(process, lookup, step->until_ns);
        position_question_join(process, (uint16_t)(1 + step->replica), &lookup->waiter);
        break;
    case RP_STEP_DONE:
        finish(process, lookup, end_of(step));
        break;
    default: /* of a newer plugin */
        finish(process, lookup, ENDED_FAILED);
        break;
    }
}

static void position_has_come(struct host_process *process, struct waiter *waiter,
                              uint64_t position) {
    struct lookup *lookup = (struct lookup *)((char *)waiter - offsetof(struct lookup, waiter));
    bool locating = lookup->step->kind == RP_STEP_LOCATE;
    report(process, lookup, locating ? RP_LOCATED : RP_REACHED, position);
}

void lookup_begin(struct host_process *process, struct lookup *lookup,
                  const struct arrival *arrival) {
    const struct world *world = process->world;
    const struct rp_request request = {.struct_size = sizeof request,
                                       .replicas = world->scenario->replica_count,
                                       .now_ns = world->now_ns,
                                       .deadline_ns = world->now_ns + world->scenario->timeout_ns,
                                       .entropy = arrival->entropy,
                                       .position = arrival->floor};
    lookup->generation++;
    lookup->read.struct_size = sizeof lookup->read;
    lookup->step = NULL;
    lookup->statement = (struct statement){.kind = STATEMENT_READ, .lookup = lookup->index};
    lookup->waiter = (struct waiter){.come = position_has_come};
    lookup->random = (struct random_stream){.state = arrival->seed};
    lookup->arrived_ns = world->now_ns;
    lookup->row_position = arrival->row_position;
    lookup->missed = false;
    follow(process, lookup, world->plugin->begin(process->policy, &request, &lookup->read));
}
