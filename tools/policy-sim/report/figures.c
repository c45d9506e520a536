/*
 * figures.c - counting.
 */
#include "figures.h"

#include "tools/policy-sim/model/quantity.h"

#include <stdlib.h>

struct figures *figures_new(void) {
    return calloc(1, sizeof(struct figures));
}

void figures_free(struct figures *figures) {
    if (figures != NULL) {
        free(figures->seconds);
        free(figures);
    }
}

static bool grow(struct figures *figures, size_t needed) {
    size_t capacity = figures->second_capacity == 0 ? 256 : figures->second_capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    struct figures_second *seconds = realloc(figures->seconds, capacity * sizeof *seconds);
    if (seconds == NULL) {
        figures->out_of_memory = true;
        return false;
    }
    figures->seconds = seconds;
    figures->second_capacity = capacity;
    return true;
}

/* The second that contains that moment; NULL if out of memory. */
static struct figures_second *second_of(struct figures *figures, uint64_t now_ns) {
    size_t index = (size_t)((now_ns - SCENARIO_START_NS) / NS_PER_S);
    if (index >= figures->second_capacity && !grow(figures, index + 1)) {
        return NULL;
    }
    while (figures->second_count <= index) {
        figures->seconds[figures->second_count++] = (struct figures_second){0};
    }
    return &figures->seconds[index];
}

void figures_add_lookup(struct figures *figures, const struct figures_lookup *lookup) {
    struct figures_second *second = second_of(figures, lookup->now_ns);
    if (second == NULL) {
        return;
    }
    figures->lookups++;
    figures->ends[lookup->end]++;
    figures->missed += lookup->missed;
    figures->wrong += lookup->wrong;
    figures->given_up += lookup->end > NOT_FOUND_REPLICA && !lookup->repeated;
    if (lookup->end == ENDED_SHED) {
        second->sheds++;
    } else if (lookup->end <= NOT_FOUND_REPLICA) {
        latency_histogram_add(&figures->added, lookup->added_ns);
        if (lookup->missed) {
            latency_histogram_add(&figures->added_missed, lookup->added_ns);
        }
        if (lookup->added_ns > second->longest_added_ns) {
            second->longest_added_ns = lookup->added_ns;
        }
    }
}

void figures_add_primary_read(struct figures *figures, uint64_t now_ns) {
    struct figures_second *second = second_of(figures, now_ns);
    figures->primary_reads++;
    if (second != NULL) {
        second->primary_reads++;
    }
}

void figures_add_lag(struct figures *figures, uint64_t now_ns, uint64_t lag_ns) {
    struct figures_second *second = second_of(figures, now_ns);
    latency_histogram_add(&figures->lag, lag_ns);
    if (second != NULL && lag_ns > second->longest_lag_ns) {
        second->longest_lag_ns = lag_ns;
    }
}

uint64_t figures_bursts(const struct figures *figures) {
    uint64_t bursts = 0;
    for (uint32_t i = 0; i < SCENARIO_MAX_REPLICAS; i++) {
        bursts += figures->bursts[i];
    }
    return bursts;
}

uint32_t figures_peak_primary_reads(const struct figures *figures) {
    uint32_t peak = 0;
    for (size_t i = 0; i < figures->second_count; i++) {
        if (figures->seconds[i].primary_reads > peak) {
            peak = figures->seconds[i].primary_reads;
        }
    }
    return peak;
}
