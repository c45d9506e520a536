/*
 * json_line.h - a few fields of one line of JSON, as the sample host logs.
 */
#ifndef JSON_LINE_H
#define JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_FIELD_BYTES 128u

struct json_field {
    const char *name;
    char value[JSON_FIELD_BYTES]; /* a string's characters as they are written, or a number; ended
                                     with a NUL; cut if it is longer; empty: it is not there */
};

/* Fills in the fields that are members of the line's object; what stands before its brace, such as
 * a priority or a journal's prefix, does not matter. False: the line is no object of strings,
 * numbers and words. [thread-safe] */
bool json_line_read(const char *line, struct json_field *fields, size_t count);

#endif
