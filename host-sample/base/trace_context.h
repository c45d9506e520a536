/*
 * trace_context.h - the traceparent header of W3C Trace Context, carried from a request to its log
 * lines.
 *
 * Only there: in a statement's text it would make every statement different, and none could be
 * prepared.
 */
#ifndef TRACE_CONTEXT_H
#define TRACE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#define TRACEPARENT_BYTES 55u /* version 00: 2 + 1 + 32 + 1 + 16 + 1 + 2 */

struct trace_context {
    char traceparent[TRACEPARENT_BYTES + 1]; /* "" if there is none */
};

/* Takes the header's value if it is well-formed by the standard; else there is none. */
void trace_context_read(struct trace_context *context, const char *bytes, size_t length);

/* For a log field: the header, or NULL. */
const char *trace_context_field(const struct trace_context *context);

#endif
