/*
 * position_question.c - see position_question.h.
 */
#include "position_question.h"

#include "tools/policy-sim/model/quantity.h"

/* Like the sample host's watcher: quick at first, slower for a replica that is far behind. */
#define PAUSE_NS        NS_PER_MS
#define LONG_PAUSE_NS   (5 * NS_PER_MS)
#define QUICK_QUESTIONS 64u

void position_question_init(struct position_question *question, uint16_t server) {
    question->statement.kind = server == 0 ? STATEMENT_LOCATE : STATEMENT_POLL;
    TAILQ_INIT(&question->waiting);
    TAILQ_INIT(&question->asked);
}

static void send_question(struct host_process *process, uint16_t server) {
    struct position_question *question = &process->questions[server];
    struct world *world = process->world;
    question->under_way = true;
    question->statement.takes_ns =
        duration_model_draw(&world->scenario->position_read, &process->random);
    station_submit(&process->stations[server], &question->statement, world->now_ns);
}

/* ---- the primary ----------------------------------------------------------------------------- */

static void locate_if_wanted(struct host_process *process) {
    struct position_question *question = &process->questions[0];
    struct waiter *waiter;
    if (question->under_way || TAILQ_EMPTY(&question->waiting)) {
        return;
    }
    while ((waiter = TAILQ_FIRST(&question->waiting)) != NULL) {
        waiter_leave(waiter);
        waiter_join(waiter, &question->asked);
    }
    send_question(process, 0);
}

static void located(struct host_process *process) {
    struct position_question *question = &process->questions[0];
    struct waiter *waiter;
    /* Lookups that join during a callback wait for the next answer, so this list only shrinks. */
    while ((waiter = TAILQ_FIRST(&question->asked)) != NULL) {
        waiter_leave(waiter);
        waiter->come(process, waiter, question->position);
    }
    question->under_way = false;
    locate_if_wanted(process);
}

/* ---- a replica ------------------------------------------------------------------------------- */

static void pause_polls(struct host_process *process, uint16_t server) {
    struct position_question *question = &process->questions[server];
    question->asked_in_a_row++;
    question->pausing = true;
    uint64_t pause_ns = question->asked_in_a_row < QUICK_QUESTIONS ? PAUSE_NS : LONG_PAUSE_NS;
    const struct world *world = process->world;
    const struct sim_event event = {.at_ns = world_timer(world, world->now_ns + pause_ns),
                                    .kind = EVENT_PAUSE_OVER,
                                    .server = server,
                                    .process = process->index};
    event_queue_put(&process->world->events, &event);
}

static void polled(struct host_process *process, uint16_t server) {
    struct position_question *question = &process->questions[server];
    /* Lookups that join during a callback come after `last`, and wait for the next answer. */
    const struct waiter *last = TAILQ_LAST(&question->waiting, waiter_list);
    struct waiter *waiter = TAILQ_FIRST(&question->waiting);
    question->under_way = false;
    while (waiter != NULL) {
        struct waiter *next = waiter == last ? NULL : TAILQ_NEXT(waiter, entry);
        if (question->position >= waiter->target) {
            waiter_leave(waiter);
            waiter->come(process, waiter, question->position);
        }
        waiter = next;
    }
    if (TAILQ_EMPTY(&question->waiting)) {
        question->asked_in_a_row = 0;
    } else if (!question->under_way) {
        pause_polls(process, server);
    }
}

void position_question_pause_over(struct host_process *process, uint16_t server) {
    struct position_question *question = &process->questions[server];
    question->pausing = false;
    if (!TAILQ_EMPTY(&question->waiting)) {
        send_question(process, server);
    }
}

/* ---- both ------------------------------------------------------------------------------------ */

void position_question_join(struct host_process *process, uint16_t server, struct waiter *waiter) {
    struct position_question *question = &process->questions[server];
    waiter_join(waiter, &question->waiting);
    if (server == 0) {
        locate_if_wanted(process);
    } else if (!question->under_way && !question->pausing) {
        send_question(process, server);
    }
}

void position_question_snapshot(struct host_process *process, uint16_t server) {
    process->questions[server].position = server == 0
                                              ? world_primary_position(process->world)
                                              : world_replica_position(process->world, server);
}

void position_question_answered(struct host_process *process, uint16_t server) {
    if (server == 0) {
        located(process);
    } else {
        polled(process, server);
    }
}
