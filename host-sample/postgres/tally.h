/*
 * tally.h - what a server has done, counted by its own thread and read by any.
 */
#ifndef PG_TALLY_H
#define PG_TALLY_H

#include "host-sample/base/counter.h"

struct pg_tally {
    _Atomic uint64_t statements, reads, executions, failures, resends, batches;
    _Atomic uint64_t connects, connect_failures, links_up, in_flight;
};

#endif
