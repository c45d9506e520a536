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

/* Takes over what has been found since, and looks such names up again. Returns after how many
 * milliseconds it is to be called next; after the start and a reload it is HOST_LOOK_SOON_MS. */
#define HOST_LOOK_SOON_MS 50u
uint32_t host_look_up(struct host *host);

/* Notes what the two files that were just loaded say, for pages. [one thread]: the main one. */
void host_keep_facts(struct host *host);

#endif
