/*
 * duration_model.h - how long something takes, or how old something is: constant, uniform or
 * exponential.
 */
#ifndef DURATION_MODEL_H
#define DURATION_MODEL_H

#include "random.h"

#include <stdbool.h>

enum duration_kind { DURATION_UNIFORM, DURATION_EXPONENTIAL };

struct duration_model {
    enum duration_kind kind;
    uint64_t min_ns;
    uint64_t max_ns;  /* UNIFORM; equal to min_ns: constant */
    uint64_t mean_ns; /* EXPONENTIAL: of what is added to min_ns */
};

/* "0.3ms", "constant:0.3ms", "uniform:MIN,MAX", "exponential:MEAN[,MIN]". False, and nothing
 * set, if the text is none of them. [thread-safe] */
bool duration_model_parse(const char *text, struct duration_model *model);

uint64_t duration_model_draw(const struct duration_model *model, struct random_stream *random);

#endif
