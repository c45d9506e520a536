/*
 * figures.h - the result of a section's run: the numbers that are reported.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "latency_histogram.h"
#include "tools/policy-sim/model/scenario.h"

#include <stdbool.h>
#include <stddef.h>

/* How a lookup ends. */
enum lookup_end {
    FOUND_REPLICA,
    FOUND_REPLICA_RETRY,
    FOUND_PRIMARY,
    NOT_FOUND_PRIMARY, /* the primary said so */
    NOT_FOUND_REPLICA, /* proven absent, or by a policy that asks no other server */
    ENDED_FAILED,      /* an error, or not done in time */
    ENDED_SHED,        /* the primary's budget is used up */
    ENDED_REFUSED,     /* too many lookups under way in its process */
    LOOKUP_ENDS
};

/* One second of the run. */
struct figures_second {
    uint32_t primary_reads;
    uint32_t sheds;
    uint64_t longest_added_ns;
    uint64_t longest_lag_ns; /* of all replicas */
};

struct figures {
    uint64_t lookups;
    uint64_t ends[LOOKUP_ENDS];
    uint64_t missed; /* a replica missed the row at least once */
    uint64_t wrong;  /* not found, though the row existed when the lookup arrived */
    uint64_t replica_reads;
    uint64_t primary_reads;
    uint64_t locates;
    uint64_t watches;  /* position questions to replicas while lookups await one */
    uint64_t polls;    /* questions to every server about who and where it is */
    uint64_t repeats;  /* lookups that a client repeated; each counts as a lookup of its own */
    uint64_t given_up; /* not answered, and not repeated */
    uint64_t span_ns;
    uint32_t bursts[SCENARIO_MAX_REPLICAS]; /* of its lag, of those that have bursts */
    struct latency_histogram lag;           /* of all replicas, every FIGURES_TICK_NS */
    /* A lookup's whole time less that of the read that gave its answer; for verdicts found and not
     * found. */
    struct latency_histogram added;
    struct latency_histogram added_missed; /* only those that missed */
    struct figures_second *seconds;
    size_t second_count;
    size_t second_capacity;
    bool out_of_memory;
};

struct figures_lookup {
    enum lookup_end end;
    uint64_t now_ns;
    uint64_t added_ns;
    bool missed;
    bool wrong;
    bool repeated; /* it will be */
};

/* How often figures_add_lag is to be called for each replica. */
#define FIGURES_TICK_NS UINT64_C(100000000)

/* NULL: out of memory. */
struct figures *figures_new(void);
void figures_free(struct figures *figures);

void figures_add_lookup(struct figures *figures, const struct figures_lookup *lookup);
void figures_add_primary_read(struct figures *figures, uint64_t now_ns);
void figures_add_lag(struct figures *figures, uint64_t now_ns, uint64_t lag_ns);

uint64_t figures_bursts(const struct figures *figures);

/* The most reads of the primary in any one second, counted from the run's start. */
uint32_t figures_peak_primary_reads(const struct figures *figures);

#endif
