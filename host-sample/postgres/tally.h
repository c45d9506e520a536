/*
 * tally.h - what a server has done, counted by its own thread and read by any.
 */
#ifndef PG_TALLY_H
#define PG_TALLY_H

#include "host-sample/base/counter.h"

enum { PG_TOOK_READ, PG_TOOK_QUESTION, PG_TOOK_KINDS };
enum { PG_TOOK_BUCKETS = 10 }; /* and one more, which has no upper bound */

struct pg_tally {
    _Atomic uint64_t statements, reads, executions, failures, resends, batches;
    _Atomic uint64_t connects, connect_failures, links_up, in_flight;
    _Atomic uint64_t took[PG_TOOK_KINDS][PG_TOOK_BUCKETS + 1]; /* see pg_took_bounds_us */
    _Atomic uint64_t took_us[PG_TOOK_KINDS];
};

#endif
