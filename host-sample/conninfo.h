/*
 * conninfo.h - what is wrong with a connection string, said without showing any of it.
 */
#ifndef CONNINFO_H
#define CONNINFO_H

#include <stdbool.h>
#include <stddef.h>

/* Checks the string as libpq would when it connects, without connecting: its form, ports, the words
 * of sslmode and the like, and that its service is known. False with one sentence in `why`, which
 * names keywords and what would be accepted, and never what the string holds: a mistake may have
 * put a password anywhere in it, and libpq's own messages quote it. */
bool conninfo_check(const char *conninfo, char *why, size_t why_length);

/* Writes what tells servers apart: service, host, address, port and database, with their defaults.
 * Empty if the string cannot be taken apart. */
void conninfo_identity(const char *conninfo, char *identity, size_t identity_length);

#endif
