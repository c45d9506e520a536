/*
 * replayed.h - a recorded day becomes the lookups of a scenario.
 */
#ifndef REPLAYED_H
#define REPLAYED_H

#include "options.h"
#include "tools/policy-sim/day/day.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct replayed {
    struct day day;
    struct recorded_lookup *recorded;
};

/* Loads options->day, lays it over the lag of options->scenario, and makes it the scenario's
 * lookups; writes options->save_day, if there is one. False with one line in err. Call
 * replayed_free in either case. */
bool replayed_load(struct replayed *replayed, struct sim_options *options, char *err,
                   size_t err_length);
void replayed_free(struct replayed *replayed);

/* What was read, left out, and became of them on that day, in a few lines. */
void replayed_tell(const struct replayed *replayed, FILE *out);

#endif
