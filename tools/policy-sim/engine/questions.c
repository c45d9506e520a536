/*
 * questions.c - see questions.h.
 */
#include "questions.h"

#include <stddef.h>

void questions_init(struct host_process *process) {
    for (uint32_t server = 0; server <= process->world->scenario->replica_count; server++) {
        for (uint32_t i = 0; i < QUESTIONS_PER_SERVER; i++) {
            process->questions[server][i].statement =
                (struct statement){.kind = STATEMENT_QUESTION, .asker = i};
        }
    }
}

/* The one with that id; 0: one that is free. */
static struct question *find(struct host_process *process, uint32_t server, uint64_t id) {
    for (uint32_t i = 0; i < QUESTIONS_PER_SERVER; i++) {
        if (process->questions[server][i].id == id) {
            return &process->questions[server][i];
        }
    }
    return NULL;
}

void question_ask(struct host_process *process, const struct rp_action *action) {
    const struct world *world = process->world;
    struct question *question = find(process, action->server, 0);
    if (question == NULL) {
        process->calls->answer(process->cluster, action->id, RP_NOT_SENT, NULL, NULL,
                               world->now_ns);
        return;
    }
    question->id = action->id;
    question->form = server_question_form(action->text);
    question->statement.generation = ++question->generation;
    question->statement.takes_ns =
        duration_model_draw(&world->scenario->position_read, &process->random);
    station_submit(&process->stations[action->server], &question->statement, world->now_ns);
}

static void release(struct question *question) {
    question->id = 0;
    question->generation++;
}

void question_drop(struct host_process *process, const struct rp_action *action) {
    struct question *question = find(process, action->server, action->id);
    if (question != NULL) {
        statement_forget(&question->statement);
        release(question);
    }
}

static struct question *question_of(struct host_process *process, const struct sim_event *event) {
    struct question *question = &process->questions[event->server][event->asker];
    return question->generation == event->generation ? question : NULL;
}

void question_snapshot(struct host_process *process, const struct sim_event *event) {
    struct question *question = question_of(process, event);
    if (question != NULL) {
        question->position = world_position(process->world, event->server);
    }
}

void question_answered(struct host_process *process, const struct sim_event *event) {
    struct question *question = question_of(process, event);
    char words[SERVER_WORDS_BYTES];
    if (question == NULL) {
        return; /* dropped in the meantime */
    }
    const uint64_t id = question->id;
    release(question);
    server_answer(process->calls, process->world, event->server, question->form, question->position,
                  words);
    process->calls->answer(process->cluster, id, RP_ANSWERED, words, NULL, process->world->now_ns);
}
