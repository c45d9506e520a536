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
    size_t max_bytes; /* of a line and a 0 byte, without its end; at most TEXT_LINES_MAX_BYTES */
    /* A line without its end; number: from 1. NULL, or what is wrong with it. */
    const char *(*take)(void *context, const char *line, unsigned long number);
    /* A line that is too long or has a 0 byte in it, which is what `wrong` says. NULL to leave it
     * out, or what is wrong. Without this function no such line is left out, and never one that
     * goes on beyond 1 MiB. */
    const char *(*take_odd)(void *context, const char *wrong, unsigned long number);
    /* After the last line. NULL, or what is wrong with them all. */
    const char *(*end)(void *context);
    void *context;
};

/* Reads what is left of the file; a byte order mark at its beginning does not count. False, with a
 * message that names path, line and what stands there. */
bool text_lines_read(const struct text_lines *lines, FILE *file, const char *path, char *err,
                     size_t err_length);

#endif
