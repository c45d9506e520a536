/*
 * lag_sampler.h - the positions of the primary and of each replica, sampled once a second for
 * /metrics.
 *
 * Lag in bytes is the distance of two positions of the same round. Lag in seconds is the age of the
 * primary's newest position that the replica has reached, so it is exact to one round and does not
 * depend on the replica's clock. Unknown lag is NaN, never zero.
 *
 * One worker samples; its event loop's thread owns everything here, but for the results, which any
 * thread may read.
 */
#ifndef LAG_SAMPLER_H
#define LAG_SAMPLER_H

#include "host-sample/config.h"
#include "host-sample/postgres/server.h"

#include <event2/event_struct.h>
#include <stdatomic.h>

#define LAG_HISTORY                                                                                \
    128u /* rounds of which the primary's position is remembered: about two minutes */

struct lag_sampler;

struct lag_sample {
    struct lag_sampler *sampler;
    struct pg_statement statement;
    struct pg_server *server;
    _Atomic uint64_t position;  /* 0: unknown */
    _Atomic uint64_t lag_bytes; /* LAG_UNKNOWN: unknown */
    _Atomic uint64_t lag_ms;    /* LAG_UNKNOWN: unknown */
};

#define LAG_UNKNOWN UINT64_MAX

struct lag_sampler {
    struct event_base *base; /* NULL: this sampler is not running */
    struct event timer;
    struct lag_sample primary;
    struct lag_sample replicas[HOST_MAX_REPLICAS];
    uint32_t replica_count;
    struct {
        uint64_t at_ns;
        uint64_t position;
    } history[LAG_HISTORY]; /* a ring; entries of position 0 are not used yet */
    uint32_t rounds;
};

/* Starts sampling. replicas: replica_count servers. */
void lag_sampler_start(struct lag_sampler *sampler, struct event_base *base,
                       struct pg_server *primary, struct pg_server *const *replicas,
                       uint32_t replica_count);
void lag_sampler_stop(struct lag_sampler *sampler);

#endif
