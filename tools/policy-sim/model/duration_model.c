/*
 * duration_model.c - see duration_model.h.
 */
#include "duration_model.h"

#include "model_text.h"

bool duration_model_parse(const char *text, struct duration_model *model) {
    struct model_text parts;
    if (!model_text_parse(text, &parts)) {
        return false;
    }
    const uint64_t *values = parts.values;
    if (model_text_is(&parts, "constant", 1, 1)) {
        *model = (struct duration_model){.min_ns = values[0], .max_ns = values[0]};
    } else if (model_text_is(&parts, "uniform", 2, 2) && values[0] <= values[1]) {
        *model = (struct duration_model){.min_ns = values[0], .max_ns = values[1]};
    } else if (model_text_is(&parts, "exponential", 1, 2)) {
        *model = (struct duration_model){
            .kind = DURATION_EXPONENTIAL, .mean_ns = values[0], .min_ns = values[1]};
    } else {
        return false;
    }
    return true;
}

uint64_t duration_model_draw(const struct duration_model *model, struct random_stream *random) {
    if (model->kind == DURATION_EXPONENTIAL) {
        return model->min_ns + random_exponential(random, model->mean_ns);
    }
    return model->min_ns == model->max_ns ? model->min_ns
                                          : random_uniform(random, model->min_ns, model->max_ns);
}
