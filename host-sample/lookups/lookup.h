/*
 * lookup.h - one lookup, from its request to its answer: does what the cluster says.
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

struct http_exchange;

/* Begins a lookup, if need be after lookups_go or when most of its time is over, that answers the
 * exchange, now or later, and writes down how it ended; returns 0. If none can be begun, answers
 * and returns the status of that answer. */
uint32_t lookup_start(struct lookups *lookups, struct http_exchange *exchange,
                      const struct lookup_request *request);

/* Those that have come begin now, and later ones at once. */
void lookups_go(struct lookups *lookups);

/* The exchange's client left: nothing further is asked on its behalf. */
void lookup_abandon(struct lookup *lookup);

/* The exchange's client has ended its side of the connection: it may have left. */
void lookup_hang_up(struct lookup *lookup);

/* Before and after a thread's loop. `servers` is to have lookups_user() as its user; random: see
 * entropy.h. False: no memory. lookups_free is harmless where all of it is zero. */
bool lookups_init(struct lookups *lookups, struct lookup_service *service, struct servers *servers,
                  uint64_t *random);
void lookups_free(struct lookups *lookups);

/* Follows this configuration from now on, which must outlive the next one's coming. Its max_lookups
 * are at most the servers' reads. */
void lookups_configure(struct lookups *lookups, const struct host_config *config);

/* What the servers are to call. */
struct servers_user lookups_user(struct lookups *lookups);

#endif
