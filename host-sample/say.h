/*
 * say.h - what the host says of its configuration, in the log or, where it is only checked, to
 * whoever checks it.
 *
 * [one thread]: the main one.
 */
#ifndef SAY_H
#define SAY_H

#include "host.h"

/* The lines' texts become errors of log lines of their own; they are cut into pieces there. */
void say_lines(struct log *log, enum log_level level, const char *message, char *lines);

/* Errors, one a line, that keep the host from starting: for people with -t, else for the log. */
void say_errors(const struct host *host, char *lines);

/* What is no error, but may not be what was meant: in both files. */
void say_notes(const struct host *host);

#endif
