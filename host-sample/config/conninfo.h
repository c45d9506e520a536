/*
 * conninfo.h - what a good connection string names, and the string with other files and addresses.
 */
#ifndef CONNINFO_H
#define CONNINFO_H

#include <stdbool.h>
#include <stddef.h>

/* Files that a good string names by a relative path (passfile, sslrootcert and the like) begin in
 * `folder` from now on; libpq would look for them where the process was started. False: the string
 * would not fit in `size` bytes, and is as it was. */
bool conninfo_resolve_files(char *conninfo, size_t size, const char *folder);

/* Whether a file that it names cannot be read, and which and why; libpq may do without. */
bool conninfo_lacks_file(const char *conninfo, char *why, size_t why_length);

/* Writes the string with an address for the one host that it names. False: it does not fit. */
bool conninfo_at_address(char *at_address, size_t size, const char *conninfo, const char *address);

/* The one host that the string names. False: there are several, or none, or a socket's folder, or
 * an address is given beside it, or it does not fit. */
bool conninfo_host(const char *conninfo, char *host, size_t host_length);

/* Writes what tells servers apart: service, host, address, port and database, with their defaults.
 * Empty if the string cannot be taken apart. */
void conninfo_identity(const char *conninfo, char *identity, size_t identity_length);

#endif
