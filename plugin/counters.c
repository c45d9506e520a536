/*
 * counters.c - the table of counters.
 */
#include "counters.h"

#include "slot.h"

#include <stdio.h>

struct counter_row {
    const char *suffix;
    const char *help;
    const char *attribute;
    const char *attribute_value;
};

static const char miss_help[] =
    "Reads that missed on the replica and were then found, by what found them.";

static const struct counter_row rows[COUNTER_COUNT] = {
    [COUNTER_MISS_REPLICA_RETRY] = {"replica_miss", miss_help, "outcome", "replica_retry"},
    [COUNTER_MISS_PRIMARY] = {"replica_miss", miss_help, "outcome", "primary"},
    [COUNTER_PROVEN_ABSENT] = {"proven_absent",
                               "Reads of rows that a replica proved absent without a read of the "
                               "primary's tables.",
                               NULL, NULL},
    [COUNTER_PRIMARY_SHED] = {"primary_shed",
                              "Reads turned away because the primary's budget was used up.", NULL,
                              NULL},
};

void counters_name(struct rp_plan *plan) {
    for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
        (void)snprintf(plan->metric_names[i], sizeof plan->metric_names[i], "%s.%s",
                       plan->options.metric_prefix, rows[i].suffix);
    }
}

void counters_read(const struct rp_policy *slot, uint32_t counter, struct rp_metric *metric) {
    const struct rp_plan *plan = atomic_load_explicit(&slot->current, memory_order_acquire);
    metric->name = plan->metric_names[counter];
    metric->help = rows[counter].help;
    metric->section = slot->name;
    metric->attribute = rows[counter].attribute;
    metric->attribute_value = rows[counter].attribute_value;
    metric->value = atomic_load_explicit(&slot->state->counters[counter], memory_order_relaxed);
}
