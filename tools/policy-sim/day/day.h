/*
 * day.h - the lookups of a recorded day: when each arrived, and what it was for.
 *
 * Two formats are read. A CSV file with the header "time,age,found": seconds (of any clock), the
 * row's age in seconds, or nothing if the row is old, and 1 or 0. Or the sample host's access log
 * ([log] access = yes), from which the ages follow only when the lag of that day is known:
 * day_resolve.
 */
#ifndef DAY_H
#define DAY_H

#include "tools/policy-sim/model/duration_model.h"
#include "tools/policy-sim/model/lag_model.h"
#include "tools/policy-sim/model/recorded.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DAY_HEADER "time,age,found"

#define DAY_MAX_LOOKUPS 100000000u

/* What the log says became of a lookup. */
enum day_end {
    DAY_END_UNTOLD,
    DAY_END_REPLICA,
    DAY_END_RETRY,
    DAY_END_PRIMARY,
    DAY_END_ABSENT,
    DAY_END_SHED,
    DAY_END_FAILED,
    DAY_ENDS
};

enum day_row {
    DAY_ROW_OLD,    /* every server has it */
    DAY_ROW_AGED,   /* of age_ns */
    DAY_ROW_ABSENT, /* there is none */
    DAY_ROW_MISSED, /* a replica did not have it, the primary did; of no known age yet */
    DAY_ROW_LATE,   /* the replica had it when it was asked again */
    DAY_ROW_UNTOLD  /* a replica did not have it, and the answer does not tell whether there is one
                     */
};

struct day_lookup {
    uint64_t at_ns; /* of the day's clock */
    uint64_t age_ns;
    uint64_t took_ns;
    uint64_t client; /* a hash of what was looked up; 0: not known */
    uint8_t row;     /* enum day_row */
    uint8_t end;     /* enum day_end */
};

struct day {
    struct day_lookup *lookups; /* in the order of their arrival */
    size_t count;
    size_t capacity;
    bool from_log;
    uint64_t repeats; /* left out by day_leave_out_repeats */
    uint64_t outside; /* left out by day_cut */
};

/* Of a day that is all zero, too. */
void day_free(struct day *day);

/* Leaves out what a client asked again after it was turned away or an error came: for runs in which
 * the clients of the model repeat. */
bool day_leave_out_repeats(struct day *day);

/* Leaves out what arrived before `begin_ns` or after `end_ns`. */
void day_cut(struct day *day, uint64_t begin_ns, uint64_t end_ns);

/* Gives each row that a replica missed an age that agrees with it, between what the lag allows: as
 * drawn from `age` where that is open. `begin_ns` is where the lag's course begins. Unresolved are
 * only those whose lag is not told by its model: false then. */
bool day_resolve(struct day *day, const struct lag_model *lag, uint64_t begin_ns,
                 const struct duration_model *age, uint32_t seed);

/* The lookups of a resolved day as a scenario takes them, to be released with free; NULL: out of
 * memory. `begin_ns`, not after the first of them, is the scenario's start. */
struct recorded_lookup *day_recorded(const struct day *day, uint64_t begin_ns);

/* Writes it as CSV, with the times that it has. */
void day_write(const struct day *day, FILE *out);

#endif
