/*
 * name_search.h - names that are looked up again and again, each in a thread of its own.
 *
 * Where name servers are silent the system's resolver takes a minute or more, and nothing
 * interrupts it: neither the caller nor the other names wait for it. [one thread], the caller's.
 */
#ifndef NAME_SEARCH_H
#define NAME_SEARCH_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

struct name_search;

/* NULL: no memory. */
struct name_search *name_search_new(void);

/* Begins to look a name up, now and some seconds after each time that it was found or not. At most
 * HOST_MAX_SERVERS of them. */
void name_search_add(struct name_search *search, const char *host);

/* Until each has been looked up once, for limit_ms at most. */
void name_search_wait(struct name_search *search, uint32_t limit_ms);

/* Takes over what was found, or not found any more, since the last call. Whether there was any. */
bool name_search_take(struct name_search *search);

/* The addresses of a name, valid until the next name_search_take; NULL: it is not found, or not
 * yet. */
const struct addrinfo *name_search_found(const struct name_search *search, const char *host);

/* NULL is allowed. Threads that still wait for the resolver end by themselves. */
void name_search_free(struct name_search *search);

#endif
