/*
 * model_text.h - the form that all models have on the command line: "name:duration,duration,...".
 */
#ifndef MODEL_TEXT_H
#define MODEL_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_TEXT_VALUES     4u
#define MODEL_TEXT_NAME_BYTES 16u

struct model_text {
    char name[MODEL_TEXT_NAME_BYTES];
    uint64_t values[MODEL_TEXT_VALUES]; /* ns; 0 where none is given */
    unsigned count;
};

/* A duration alone is "constant:" and that duration. [thread-safe] */
bool model_text_parse(const char *text, struct model_text *parts);

/* Whether it is the model of that name, with that number of values. */
bool model_text_is(const struct model_text *parts, const char *name, unsigned least, unsigned most);

#endif
