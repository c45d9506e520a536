/*
 * model_text.c - see model_text.h.
 */
#include "model_text.h"

#include "quantity.h"

#include <string.h>

#define MAX_DURATION_BYTES 40u

/* Reads the text up to the comma or the end; false if it is not a duration. */
static bool take_value(const char **text, struct model_text *parts) {
    char value[MAX_DURATION_BYTES];
    size_t length = strcspn(*text, ",");
    if (parts->count == MODEL_TEXT_VALUES || length >= sizeof value) {
        return false;
    }
    memcpy(value, *text, length);
    value[length] = '\0';
    *text += length;
    return quantity_duration(value, &parts->values[parts->count++]);
}

bool model_text_parse(const char *text, struct model_text *parts) {
    const char *colon = strchr(text, ':');
    *parts = (struct model_text){.name = "constant"};
    if (colon != NULL) {
        size_t length = (size_t)(colon - text);
        if (length >= sizeof parts->name) {
            return false;
        }
        memcpy(parts->name, text, length);
        parts->name[length] = '\0';
        text = colon + 1;
    }
    while (take_value(&text, parts)) {
        if (*text == '\0') {
            return true;
        }
        text++; /* the comma */
    }
    return false;
}

bool model_text_is(const struct model_text *parts, const char *name, unsigned least,
                   unsigned most) {
    return strcmp(parts->name, name) == 0 && parts->count >= least && parts->count <= most;
}
