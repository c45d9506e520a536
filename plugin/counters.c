/*
 * counters.c - the table of counters.
 */
#include "counters.h"

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

void counters_name(char names[COUNTER_COUNT][RP_METRIC_NAME_BYTES], const char *prefix) {
    for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
        (void)snprintf(names[i], RP_METRIC_NAME_BYTES, "%s.%s", prefix, rows[i].suffix);
    }
}

void counters_describe(uint32_t counter, struct rp_metric *metric) {
    metric->help = rows[counter].help;
    metric->attribute = rows[counter].attribute;
    metric->attribute_value = rows[counter].attribute_value;
}
