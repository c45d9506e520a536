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

#define ROW(name, suffix, help, attribute, value)                                                  \
    [COUNTER_##name] = {"" suffix, "" help, attribute, value},
static const struct counter_row rows[COUNTER_COUNT] = {RP_COUNTERS(ROW)};

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
