/*
 * destination.h - where a conninfo leads to: its addresses, how long each may take, and what libpq
 * would say on stderr.
 *
 * libpq tries the hosts of a conninfo and the addresses of each one after the other, but only its
 * blocking connect has a time limit for each: stepped with PQconnectPoll, one address that accepts
 * and says nothing hides all others. So the addresses are found here and tried one by one.
 *
 * [one thread]: of an attempt. Looking up a name may block.
 */
#ifndef PG_DESTINATION_H
#define PG_DESTINATION_H

#include <libpq-fe.h>
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keywords and values for PQconnectStartParams, ended by a NULL. Of a keyword that stands twice the
 * later one wins, but for an empty value. */
enum { PG_KEYWORDS_MAX = 80 };
struct pg_keywords {
    const char *keywords[PG_KEYWORDS_MAX];
    const char *values[PG_KEYWORDS_MAX];
    size_t count;
};

/* value = NULL: nothing is added. */
void pg_keywords_add(struct pg_keywords *list, const char *keyword, const char *value);

struct pg_destination {
    /* As the string, its service and the environment give them together. */
    char *hosts, *hostaddrs, *ports; /* lists with commas; "" if there are none */
    uint32_t host_count;             /* at least 1 */
    uint32_t timeout_s;              /* for each address */
    bool prefers_standby;            /* target_session_attrs = prefer-standby */
    /* The password file is one that libpq would not use, but complain about: why, in one line; else
     * "". */
    char warning[256];
};

/* keywords: the conninfo's and what goes with it. False: out of memory. */
bool pg_destination_read(struct pg_destination *destination, const struct pg_keywords *keywords,
                         uint32_t timeout_s);
void pg_destination_free(struct pg_destination *destination);

/* The addresses of one host. */
enum { PG_ADDRESS_BYTES = 128 };
struct pg_host {
    char *host, *port;      /* "": as the conninfo says */
    char *hostaddr;         /* given, "" if not */
    struct addrinfo *found; /* NULL: none was looked for, there is one address */
    uint32_t address_count;
};

/* Looks its name up, if need be. False and err, one line: not found, or out of memory. */
bool pg_host_find(struct pg_host *host, const struct pg_destination *destination, uint32_t number,
                  char *err, size_t err_length);
void pg_host_free(struct pg_host *host);

/* What leads to that address, of address_count. Valid as long as host and buffer. */
void pg_host_add(const struct pg_host *host, uint32_t address, struct pg_keywords *list,
                 char buffer[PG_ADDRESS_BYTES]);

#endif
