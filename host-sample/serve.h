/*
 * serve.h - from the first worker's start to the last one's end.
 *
 * [one thread]: the main one.
 */
#ifndef SERVE_H
#define SERVE_H

#include <signal.h>
#include <stdbool.h>

struct host;

/* Before any thread is made, so that all inherit it and only serve sees these signals. */
void serve_block_signals(sigset_t *signals);

/* Serves what has been loaded until a signal ends it. False, said in the log: it could not begin.
 */
bool serve(struct host *host, const sigset_t *signals);

#endif
