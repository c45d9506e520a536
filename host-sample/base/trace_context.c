/*
 * trace_context.c - see https://www.w3.org/TR/trace-context/, section 3.2.
 */
#include "trace_context.h"

#include <string.h>

static bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* version "-" trace-id "-" parent-id "-" trace-flags, all in lower-case hexadecimal; neither id is
 * all zero. Later versions may append, but begin with the fields of version 00.
 */
static bool is_well_formed(const char *bytes, size_t length) {
    static const char shape[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    if (length < TRACEPARENT_BYTES || strncmp(bytes, "ff", 2) == 0 ||
        (length > TRACEPARENT_BYTES &&
         (strncmp(bytes, "00", 2) == 0 || bytes[TRACEPARENT_BYTES] != '-'))) {
        return false;
    }
    for (size_t i = 0; i < TRACEPARENT_BYTES; i++) {
        if (shape[i] == '-' ? bytes[i] != '-' : !is_lower_hex(bytes[i])) {
            return false;
        }
    }
    return strspn(bytes + 3, "0") < 32 && strspn(bytes + 36, "0") < 16;
}

void trace_context_read(struct trace_context *context, const char *bytes, size_t length) {
    context->traceparent[0] = '\0';
    if (bytes != NULL && is_well_formed(bytes, length)) {
        memcpy(context->traceparent, bytes, TRACEPARENT_BYTES);
        context->traceparent[TRACEPARENT_BYTES] = '\0';
    }
}

const char *trace_context_field(const struct trace_context *context) {
    return context->traceparent[0] != '\0' ? context->traceparent : NULL;
}
