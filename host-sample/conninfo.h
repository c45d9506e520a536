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

/* Files that the string names by a relative path (passfile, sslrootcert and the like) begin in
 * `folder` from now on, which libpq would look for where the process was started. False: the string
 * would not fit in `size` bytes, and is as it was. */
bool conninfo_resolve_files(char *conninfo, size_t size, const char *folder);

/* What stands between the string and one more keyword: " ", "?" or "&". */
const char *conninfo_separator(const char *conninfo);

/* The one host that the string names. False: there are several, or none, or a socket's folder, or
 * an address is given beside it, or it does not fit. */
bool conninfo_host(const char *conninfo, char *host, size_t host_length);

/* Writes what tells servers apart: service, host, address, port and database, with their defaults.
 * Empty if the string cannot be taken apart. */
void conninfo_identity(const char *conninfo, char *identity, size_t identity_length);

#endif
