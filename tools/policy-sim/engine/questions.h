/*
 * questions.h - what a process's cluster asks the servers, in virtual time.
 */
#ifndef QUESTIONS_H
#define QUESTIONS_H

#include "process.h"

void questions_init(struct host_process *process);

/* The cluster asks, and wants an answer no more. */
void question_ask(struct host_process *process, const struct rp_action *action);
void question_drop(struct host_process *process, const struct rp_action *action);

/* It has come to the server's snapshot, and its answer has arrived; handed to the cluster. */
void question_snapshot(struct host_process *process, const struct sim_event *event);
void question_answered(struct host_process *process, const struct sim_event *event);

#endif
