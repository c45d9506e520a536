/*
 * counters.h - the counters of every section: names, help, values.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include "ends.h"
#include "strict-ini/strict_ini.h"

/* A prefix, ".", and what is appended here. */
#define RP_METRIC_NAME_BYTES (INI_MAX_VALUE_BYTES + 32)

/* Writes the metrics' names. */
void counters_name(char names[COUNTER_COUNT][RP_METRIC_NAME_BYTES], const char *prefix);

/* Fills in help and attribute, as read_policy.h says. */
void counters_describe(uint32_t counter, struct rp_metric *metric);

#endif
