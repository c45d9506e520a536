/*
 * worker.h - one event loop: its start, its turns, its drain.
 */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;
struct host_config;
struct worker;

/* Makes loop, links and listener. False with a sentence in err. Call worker_free in either case. */
bool worker_init(struct worker *worker, struct host *host, uint32_t index, uint16_t port, char *err,
                 size_t err_length);

/* Runs until drained. Called in the worker's own thread. */
void worker_run(struct worker *worker);

/* From another thread: follow this configuration, which lives until the worker has another one. */
void worker_offer(struct worker *worker, const struct host_config *config);

/* From another thread: finish what is under way, take nothing new, and return from worker_run. */
void worker_drain(struct worker *worker);

void worker_free(struct worker *worker);

#endif
