/*
 * counters.h - how the lookups of one thread went. That thread writes them, any reads them.
 */
#ifndef LOOKUP_COUNTERS_H
#define LOOKUP_COUNTERS_H

#include "host-sample/base/busy_poll.h"
#include "host-sample/base/counter.h"
#include "plugin/read_policy.h"

enum { LOOKUP_LATENCY_BUCKETS = 15 }; /* and one more, which has no upper bound */

struct lookup_counters {
    _Atomic uint64_t verdicts[RP_VERDICT_SHED + 1];       /* by enum rp_verdict; NONE: refused */
    _Atomic uint64_t served_by[RP_SERVED_BY_PRIMARY + 1]; /* by enum rp_served_by */
    _Atomic uint64_t latency[LOOKUP_LATENCY_BUCKETS + 1]; /* see lookup_latency_bounds_us */
    _Atomic uint64_t latency_sum_us;
    _Atomic uint64_t timeouts; /* of verdict failed: lookup_timeout_ms had passed */
    _Atomic uint64_t gone;     /* lookups whose client left */
    _Atomic uint64_t busy_polls[BUSY_POLL_ENDS]; /* by enum busy_poll_end */
};

#endif
