/*
 * position_question.h - asks a server for its WAL position on behalf of many lookups, as the sample
 * host does (locator.h and position_watcher.h there).
 *
 * The primary: at most one question under way; an answer is for all lookups that were waiting
 * before it was asked, and for none that came later. A replica: while lookups await a position, one
 * question at a time, each a moment after the last answer; an answer is for all lookups whose
 * position it has reached.
 */
#ifndef POSITION_QUESTION_H
#define POSITION_QUESTION_H

#include "process.h"

#include <stdint.h>

void position_question_init(struct position_question *question, uint16_t server);

/* A lookup locates the primary (server 0), or awaits waiter->target on a replica; waiter->come is
 * called for it, later, unless waiter_leave comes first. */
void position_question_join(struct host_process *process, uint16_t server, struct waiter *waiter);

/* Events of the question. */
void position_question_snapshot(struct host_process *process, uint16_t server);
void position_question_answered(struct host_process *process, uint16_t server);
void position_question_pause_over(struct host_process *process, uint16_t server);

#endif
