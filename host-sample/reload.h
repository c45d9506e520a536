/*
 * reload.h - both files anew, while lookups are served.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>
#include <stdint.h>

struct host;

/* All or nothing: an error in either file, and both stay as they were. Returns when every thread
 * follows the new configuration; servers come and go for some seconds after that, see roster.h.
 * [one thread]: the main one. */
void host_reload(struct host *host);

/* For the start: finds the servers of names that are several, see addresses.h. False: no memory. */
bool host_find_addresses(struct host *host);

/* Takes over what has been found since; whether there are such names. If so, or after a reload, it
 * is to be called every now and then. [one thread]: the main one. */
bool host_take_addresses(struct host *host);

/* Notes what the two files that were just loaded say, for pages. [one thread]: the main one. */
void host_keep_facts(struct host *host);

#endif
