/*
 * lag_trace.h - a replica's lag over time, from a CSV file: "time,lag", both in seconds.
 *
 * The file begins with the line "time,lag"; times grow from line to line, on any clock: those of
 * `policy-sim record` are Unix time. `policy-sim record`
 * writes this format, and monitoring systems can export it.
 */
#ifndef LAG_TRACE_H
#define LAG_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAG_TRACE_MAX_SAMPLES 50000000u

struct lag_sample {
    uint64_t at_ns; /* since the first sample */
    uint64_t lag_ns;
};

struct lag_trace {
    struct lag_sample *samples;
    size_t count;       /* at least 2 once loaded */
    uint64_t begins_ns; /* the first sample's time, of its own clock */
    uint64_t span_ns;   /* from the first sample to the last */
    uint64_t period_ns; /* from the first sample to where the trace starts again */
};

/* False with one line in err that names file, line and what is wrong. */
bool lag_trace_load(struct lag_trace *trace, const char *path, char *err, size_t err_length);

/* The lag so long after the first sample; the trace is repeated as for a replica. */
uint64_t lag_trace_at(const struct lag_trace *trace, uint64_t after_ns);

void lag_trace_free(struct lag_trace *trace);

#endif
