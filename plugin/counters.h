/*
 * counters.h - the counters of every section: names, help, values.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include "plan.h"

/* Writes the plan's metric names, from its metric_prefix. */
void counters_name(struct rp_plan *plan);

/* Fills in `metric` for a counter of the section, as read_policy.h says. */
void counters_read(const struct rp_policy *slot, uint32_t counter, struct rp_metric *metric);

#endif
