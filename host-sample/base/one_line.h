/*
 * one_line.h - turns libpq's messages of several lines into one line for the log.
 */
#ifndef ONE_LINE_H
#define ONE_LINE_H

#include <stddef.h>

/* Copies text into out, NUL-terminated: every run of white space and control characters becomes one
 * space, none stays at either end, what is no UTF-8 becomes U+FFFD, and what does not fit is cut
 * between two characters. size >= 1. NULL text gives "". out and text must not overlap. */
void one_line(char *out, size_t size, const char *text);

#endif
