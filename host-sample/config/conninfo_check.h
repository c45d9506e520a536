/*
 * conninfo_check.h - what is wrong with a connection string, said without showing any of it.
 */
#ifndef CONNINFO_CHECK_H
#define CONNINFO_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Checks the string as libpq would when it connects, without connecting: its form, ports, the words
 * of sslmode and the like. False with one sentence in `why`, which names keywords and what would be
 * accepted, and never what the string holds: a mistake may have put a password anywhere in it, and
 * libpq's own messages quote it. */
bool conninfo_check(const char *conninfo, char *why, size_t why_length);

/* Whether its service, if it names one, is in the service file. False: as above. */
bool conninfo_service_is_known(const char *conninfo, char *why, size_t why_length);

#endif
