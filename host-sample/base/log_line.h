/*
 * log_line.h - one line of the log as text.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include "log_entry.h"

#define LOG_LINE_BYTES 8192

struct log_line {
    char text[LOG_LINE_BYTES]; /* not NUL-terminated */
    size_t length;
    bool full;
};

/* Makes {"time":...,"level":...,"message":..., fields}, ended by a line feed; with `priority`, the
 * journal's mark before it. Its time is the time of the call. */
void log_line_make(struct log_line *line, bool priority, enum log_level level, const char *message,
                   const struct log_field *fields);

#endif
