/*
 * name_search.h - several names looked up at once, in threads of their own.
 *
 * Where name servers are silent the system's resolver takes a minute or more, and nothing
 * interrupts it. Who searches waits as long as it likes, and looks again later for what has come
 * meanwhile.
 */
#ifndef NAME_SEARCH_H
#define NAME_SEARCH_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

struct name_search;

/* NULL: no memory. */
struct name_search *name_search_new(void);

/* Begins to look a name up; one that cannot be is never found. At most HOST_MAX_SERVERS of them. */
void name_search_add(struct name_search *search, const char *host);

/* Whether all have been looked up, found or not, within limit_ms. */
bool name_search_wait(struct name_search *search, uint32_t limit_ms);

/* The addresses of a name, valid as long as the search; NULL: it has not been found yet. */
const struct addrinfo *name_search_found(struct name_search *search, const char *host);

/* NULL is allowed. Threads that still wait for the resolver end by themselves. */
void name_search_free(struct name_search *search);

#endif
