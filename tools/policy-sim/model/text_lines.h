/*
 * text_lines.h - a text file, line by line, up to the first line that is wrong.
 */
#ifndef TEXT_LINES_H
#define TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TEXT_LINES_MAX_BYTES 8192u

struct text_lines {
    size_t max_bytes; /* of a line, its end and a 0 byte included; at most TEXT_LINES_MAX_BYTES */
    /* A line without its end; number: from 1. NULL, or what is wrong with it. */
    const char *(*take)(void *context, const char *line, unsigned long number);
    /* After the last line. NULL, or what is wrong with them all. */
    const char *(*end)(void *context);
    void *context;
};

/* Reads what is left of the file. False, with a message that names path and line. */
bool text_lines_read(const struct text_lines *lines, FILE *file, const char *path, char *err,
                     size_t err_length);

#endif
