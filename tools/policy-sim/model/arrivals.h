/*
 * arrivals.h - the lookups that arrive: when, where and for what. The same for every section.
 */
#ifndef ARRIVALS_H
#define ARRIVALS_H

#include "scenario.h"

struct arrival {
    uint64_t at_ns;
    uint64_t row_position; /* a server at this position or later has the row */
    uint64_t floor;        /* the position that the client brings; 0: none */
    uint64_t entropy;      /* for the policy */
    uint64_t seed;         /* of all that is drawn for this lookup */
    uint32_t process;
};

/* Positions of rows that every server has, and of rows that none has. */
#define ROW_EVERYWHERE UINT64_C(1)
#define ROW_NOWHERE    UINT64_MAX

struct arrivals {
    const struct scenario *scenario;
    struct random_stream random;
    uint64_t left;
    uint64_t at_ns; /* of the last one */
};

void arrivals_begin(struct arrivals *arrivals, const struct scenario *scenario);

/* The next lookup, or false if all have arrived. */
bool arrivals_next(struct arrivals *arrivals, struct arrival *arrival);

#endif
