/*
 * options.h - what a front listens on, what it looks at, and its limits.
 */
#ifndef HTTP_OPTIONS_H
#define HTTP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strings are copied, or not used after the front has been made, except the names of headers. */
struct http_front_options {
    const char *address; /* IPv4 or IPv6 literal */
    uint16_t port;       /* 0: any free one, see http_front_port */
    bool reuse_port;     /* SO_REUSEPORT: several loops listen on one port */
    /* Names, in small letters, of the request headers that the host looks at; all others are
     * skipped, whatever they hold. */
    const char *const *headers;
    uint32_t header_count;     /* at most HTTP_MAX_HEADERS */
    uint32_t max_connections;  /* more are accepted and closed at once with 503 */
    _Atomic uint64_t *serving; /* connections of all fronts that share max_connections, which must
                                  stay until they are freed. NULL: there is but this one */
    int max_descriptor; /* connections wait in the system's queue, rather than be given a descriptor
                           from here on: the rest is for others. 0: none is too high */
    uint32_t idle_timeout_ms; /* keep-alive connection without a request */
    uint32_t keep_alive_s; /* what clients are told: less, so that no connection is closed while a
                              request is on its way. 0: they are told nothing */
    uint32_t request_timeout_ms; /* from the first byte of a request to its last */
    uint32_t reply_timeout_ms;   /* from the reply being ready to its last byte sent */
    size_t max_unsent_bytes;     /* memory held by all replies that are not sent whole; over it, the
                                    reader that has been slow for longest is cut off. If its reply
                                    is larger than that by itself, the others may hold so much */
};

#endif
