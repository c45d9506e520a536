/*
 * log.h - structured log lines: one JSON object per line on standard error.
 *
 * [thread-safe] Each line is one write, so lines of several threads never mix.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
    const char *name;
    const char *value; /* NULL: the field is left out */
};

/* Writes {"time":...,"level":...,"message":...} and the fields, which end with one whose name is
 * NULL; fields may be NULL for none. What does not fit into a line of 8 KiB is cut off at the end
 * of a field. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* "info", "warn" or "error" to a level; anything else is an error's. */
enum log_level log_level_of(const char *name);

#endif
