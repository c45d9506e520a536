/*
 * lag_model.c - the models' texts, and positions over time.
 */
#include "lag_model.h"

#include "model_text.h"
#include "quantity.h"

#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* ---- texts ----------------------------------------------------------------------------------- */

static bool parse_numbers(const char *text, struct lag_model *model) {
    struct model_text parts;
    if (!model_text_parse(text, &parts)) {
        return false;
    }
    const uint64_t *values = parts.values;
    if (model_text_is(&parts, "constant", 1, 1)) {
        *model = (struct lag_model){.kind = LAG_CONSTANT, .min_ns = values[0]};
        return true;
    }
    if (model_text_is(&parts, "exponential", 1, 2)) {
        *model =
            (struct lag_model){.kind = LAG_EXPONENTIAL, .mean_ns = values[0], .min_ns = values[1]};
        return values[0] >= LAG_MIN_MEAN_NS;
    }
    if (model_text_is(&parts, "bursts", 4, 4)) {
        *model = (struct lag_model){.kind = LAG_BURSTS,
                                    .min_ns = values[0],
                                    .peak_ns = values[1],
                                    .mean_ns = values[2],
                                    .length_ns = values[3]};
        return values[1] >= values[0] && values[2] >= LAG_MIN_MEAN_NS;
    }
    return false;
}

bool lag_model_parse(const char *text, struct lag_model *model, char *err, size_t err_length) {
    static const char trace[] = "trace:";
    if (strncmp(text, trace, sizeof trace - 1) == 0) {
        *model = (struct lag_model){.kind = LAG_TRACE};
        return lag_trace_load(&model->trace, text + sizeof trace - 1, err, err_length);
    }
    if (parse_numbers(text, model)) {
        return true;
    }
    (void)snprintf(err, err_length,
                   "%s is not a lag; expected constant:LAG, exponential:MEAN[,MIN] (a mean of at "
                   "least 10us), bursts:MIN,PEAK,EVERY,LENGTH (a peak of at least MIN) or "
                   "trace:FILE, with times such as 0.5ms or 2s",
                   text);
    return false;
}

void lag_model_free(struct lag_model *model) {
    lag_trace_free(&model->trace);
}

/* ---- courses --------------------------------------------------------------------------------- */

/* Makes the trace's next sample the one that the course is heading for. */
static void next_sample(struct lag_course *course) {
    const struct lag_trace *trace = &course->model->trace;
    if (course->sample == trace->count) {
        course->sample = 0;
        course->cycle_ns += trace->period_ns;
    }
    const struct lag_sample *sample = &trace->samples[course->sample++];
    course->before_ns = course->after_ns;
    course->before_position = course->after_position;
    course->after_ns = course->cycle_ns + sample->at_ns;
    uint64_t position = course->after_ns - sample->lag_ns;
    if (position > course->after_position) {
        course->after_position = position;
    }
}

static uint64_t trace_position(struct lag_course *course, uint64_t now_ns) {
    while (course->after_ns < now_ns) {
        next_sample(course);
    }
    if (now_ns <= course->before_ns) {
        return course->before_position;
    }
    uint64_t way = course->after_position - course->before_position;
    uint64_t passed = now_ns - course->before_ns;
    return course->before_position +
           (uint64_t)((uint128)way * passed / (course->after_ns - course->before_ns));
}

static uint64_t exponential_position(struct lag_course *course, uint64_t now_ns) {
    while (course->next_ns <= now_ns) {
        course->begun_ns = course->next_ns;
        course->next_ns += random_exponential(&course->random, course->model->mean_ns);
    }
    return course->begun_ns - course->model->min_ns;
}

static uint64_t bursts_position(struct lag_course *course, uint64_t now_ns) {
    const struct lag_model *model = course->model;
    while (course->next_ns <= now_ns) {
        course->bursts++;
        course->begun_ns = course->next_ns;
        course->next_ns += model->length_ns + random_exponential(&course->random, model->mean_ns);
    }
    if (now_ns - course->begun_ns >= model->length_ns) {
        return now_ns - model->min_ns;
    }
    uint64_t stands = course->begun_ns - model->min_ns;
    uint64_t follows = now_ns - model->peak_ns;
    return stands > follows ? stands : follows;
}

void lag_course_begin(struct lag_course *course, const struct lag_model *model,
                      struct random_stream random, uint64_t start_ns) {
    *course = (struct lag_course){.model = model, .random = random};
    switch (model->kind) {
    case LAG_EXPONENTIAL:
        course->begun_ns = start_ns - random_exponential(&course->random, model->mean_ns);
        course->next_ns = start_ns + random_exponential(&course->random, model->mean_ns);
        break;
    case LAG_BURSTS:
        course->begun_ns = start_ns - model->length_ns; /* over */
        course->next_ns = start_ns + random_exponential(&course->random, model->mean_ns);
        break;
    case LAG_TRACE:
        course->cycle_ns = start_ns - model->ahead_ns;
        next_sample(course);
        next_sample(course);
        break;
    default:
        break;
    }
}

uint64_t lag_course_position(struct lag_course *course, uint64_t now_ns) {
    switch (course->model->kind) {
    case LAG_EXPONENTIAL:
        return exponential_position(course, now_ns) + 1;
    case LAG_BURSTS:
        return bursts_position(course, now_ns) + 1;
    case LAG_TRACE:
        return trace_position(course, now_ns) + 1;
    default:
        return now_ns - course->model->min_ns + 1;
    }
}
