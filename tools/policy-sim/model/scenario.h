/*
 * scenario.h - the world that is simulated: lookups, hosts, servers. The same for every section.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "duration_model.h"
#include "lag_model.h"
#include "recorded.h"

#define SCENARIO_MAX_REPLICAS  16u
#define SCENARIO_MAX_PROCESSES 10000u

/* Virtual time starts here: later than the longest lag, and so early that positions have space for
 * more digits. */
#define SCENARIO_START_NS (UINT64_C(1) << 53)

struct scenario {
    uint32_t seed;
    const struct recorded_lookup *recorded; /* all lookups; NULL: they are drawn */
    uint32_t lookups;
    uint64_t interval_ns; /* mean time between two lookups, of all processes together */
    uint32_t processes;
    uint32_t replica_count;
    struct lag_model replicas[SCENARIO_MAX_REPLICAS];

    /* shares of all lookups, in parts of SHARE_ALL; the rest ask for rows that every server has */
    uint32_t bogus; /* of ids that do not exist */
    uint32_t fresh; /* of rows that were committed a short while ago */
    struct duration_model age;
    uint32_t positions; /* share of the fresh ones whose client brings the row's position */

    uint64_t commit_interval_ns; /* mean time between two commits of others; 0: all the time */

    struct duration_model replica_read;
    struct duration_model primary_read;
    struct duration_model position_read; /* a server is asked for its WAL position */
    struct duration_model question_read; /* the same before a read, in its transaction */
    uint32_t replica_failures;           /* share of the reads of a replica that fail */
    uint32_t links;                      /* statements at once, per process and server; 0: any */
    uint32_t max_lookups;                /* under way at once, per process */
    uint64_t timeout_ns;                 /* of a lookup */
    uint32_t repeats;                    /* how often a client repeats what was not answered */
    struct duration_model repeat_wait;   /* after it was shed or refused */
    uint64_t timer_step_ns; /* a host's timers are rounded up to a multiple; 0: exact */
};

#endif
