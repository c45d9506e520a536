/*
 * lookup.h - one lookup, from its request to its answer: does what the policy's steps say.
 *
 * A lookup that waits is a timer and holds no link. Its memory is fixed and reused.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "friendly_id.h"
#include "host-sample/base/trace_context.h"
#include "host-sample/host.h"

struct lookup_request {
    struct database_id run;
    struct database_id snapshot;
    struct database_id environment; /* length 0: any */
    uint64_t position;              /* WAL position that the caller has seen; 0: none */
    struct trace_context trace;
};

/* Begins a lookup that answers the exchange, now or later, and writes down how it ended; returns 0.
 * If none can be begun, answers and returns the status of that answer. */
uint32_t lookup_start(struct worker *worker, struct http_exchange *exchange,
                      const struct lookup_request *request);

/* The exchange's client left: nothing further is asked on its behalf. */
void lookup_abandon(struct lookup *lookup);

/* Once for each worker, before and after its loop. */
bool lookup_worker_init(struct worker *worker);
void lookup_worker_free(struct worker *worker);

#endif
