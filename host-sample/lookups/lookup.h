/*
 * lookup.h - one lookup, from its request to its answer: does what the policy's steps say.
 *
 * A lookup that waits is a timer and holds no link. Its memory is fixed and reused.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "lookup_request.h"
#include "lookups.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct http_exchange;

/* Begins a lookup that answers the exchange, now or later, and writes down how it ended; returns 0.
 * If none can be begun, answers and returns the status of that answer. */
uint32_t lookup_start(struct lookups *lookups, struct http_exchange *exchange,
                      const struct lookup_request *request);

/* The exchange's client left: nothing further is asked on its behalf. */
void lookup_abandon(struct lookup *lookup);

/* Before and after a thread's loop. `replicas` are as many as the configuration has; random: see
 * entropy.h. False: no descriptor. lookups_free is harmless where all of it is zero. */
bool lookups_init(struct lookups *lookups, struct lookup_service *service, struct event_base *base,
                  struct pg_server *primary, struct pg_server *const *replicas, uint64_t *random);
void lookups_free(struct lookups *lookups);

/* The end of a turn, before the servers are flushed. */
void lookups_flush(struct lookups *lookups);

#endif
