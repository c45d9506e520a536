/*
 * lag_trace.c - reads a trace, all of it or none.
 */
#include "lag_trace.h"

#include "quantity.h"
#include "text_lines.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

#define HEADER         "time,lag"
#define MAX_LINE_BYTES 256u

/* A line with two decimal numbers of seconds. */
static bool parse_line(const char *text, struct lag_sample *sample) {
    const char *end;
    return quantity_moment(text, &sample->at_ns, &end) && *end == ',' &&
           quantity_seconds(end + 1, &sample->lag_ns, &end) && *end == '\0';
}

static bool append(struct lag_trace *trace, size_t *capacity, const struct lag_sample *sample) {
    if (trace->count == *capacity) {
        size_t larger = *capacity == 0 ? 1024 : *capacity * 2;
        struct lag_sample *samples = realloc(trace->samples, larger * sizeof *samples);
        if (samples == NULL) {
            return false;
        }
        trace->samples = samples;
        *capacity = larger;
    }
    trace->samples[trace->count++] = *sample;
    return true;
}

struct loading {
    struct lag_trace *trace;
    size_t capacity;
};

static const char *take_line(void *context, const char *line, unsigned long number) {
    struct loading *loading = context;
    struct lag_trace *trace = loading->trace;
    struct lag_sample sample;
    if (number == 1) {
        return strcmp(line, HEADER) == 0 ? NULL : "expected the header \"" HEADER "\"";
    }
    if (!parse_line(line, &sample)) {
        return "expected a time and a lag in seconds, such as 12.5,0.003";
    }
    if (trace->count > 0 && sample.at_ns <= trace->samples[trace->count - 1].at_ns) {
        return "the time is not after that of the line before";
    }
    if (trace->count > 0 && sample.at_ns - trace->samples[0].at_ns > QUANTITY_MAX_NS) {
        return "the time is more than 31 days after the first";
    }
    if (trace->count == LAG_TRACE_MAX_SAMPLES) {
        return "too many lines";
    }
    return append(trace, &loading->capacity, &sample) ? NULL : "out of memory";
}

static const char *after_lines(void *context) {
    const struct loading *loading = context;
    return loading->trace->count >= 2 ? NULL : "expected at least two samples";
}

/* Times count from the first sample; after the last one the trace starts again, as long after it as
 * samples are apart on average. */
static void make_periodic(struct lag_trace *trace) {
    assert(trace->count >= 2);
    uint64_t first = trace->samples[0].at_ns;
    uint64_t span = trace->samples[trace->count - 1].at_ns - first;
    for (size_t i = 0; i < trace->count; i++) {
        trace->samples[i].at_ns -= first;
    }
    trace->begins_ns = first;
    trace->span_ns = span;
    trace->period_ns = span + span / (trace->count - 1);
}

bool lag_trace_load(struct lag_trace *trace, const char *path, char *err, size_t err_length) {
    struct loading loading = {.trace = trace};
    const struct text_lines lines = {
        .max_bytes = MAX_LINE_BYTES, .take = take_line, .end = after_lines, .context = &loading};
    *trace = (struct lag_trace){0};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(err, err_length, "%s: %s", path, strerror(errno));
        return false;
    }
    bool good = text_lines_read(&lines, file, path, err, err_length);
    (void)fclose(file);
    if (!good) {
        lag_trace_free(trace);
        return false;
    }
    make_periodic(trace);
    return true;
}

uint64_t lag_trace_at(const struct lag_trace *trace, uint64_t after_ns) {
    size_t low = 0; /* the last sample that is not after it */
    size_t high = trace->count;
    after_ns %= trace->period_ns;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace->samples[middle].at_ns <= after_ns) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct lag_sample *before = &trace->samples[low];
    if (high == trace->count) {
        return before->lag_ns;
    }
    const struct lag_sample *after = &trace->samples[high];
    const uint64_t whole = after->at_ns - before->at_ns;
    const uint64_t part = after_ns - before->at_ns;
    return (uint64_t)(((uint128)before->lag_ns * (whole - part) + (uint128)after->lag_ns * part) /
                      whole);
}

void lag_trace_free(struct lag_trace *trace) {
    free(trace->samples);
    *trace = (struct lag_trace){0};
}
