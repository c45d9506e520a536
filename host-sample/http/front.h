/*
 * front.h - HTTP/1.1 in, on one event loop.
 *
 * The one place that knows HTTP as it is on the wire; everything else sees requests and replies. It
 * uses llhttp or http-parser for the grammar and libevent for sockets and timers. Neither of the
 * two available embedded servers can keep what is promised here: evhttp answers an over-long line
 * with 400, libmicrohttpd writes its own HTML for 400, 414 and 431, neither bounds the time of a
 * whole request (only that between two bytes), and libmicrohttpd does not notice that the client of
 * a suspended request left.
 *
 * [one thread]: a front and all its exchanges belong to the thread of its event base.
 */
#ifndef HTTP_FRONT_H
#define HTTP_FRONT_H

#include "exchange.h"
#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_front;

struct http_front_counters { /* for /metrics; each written by the front's thread only */
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t connections_refused; /* over max_connections */
    uint64_t connections_waiting; /* 1: in the system's queue, without a descriptor or memory */
    uint64_t timeouts;            /* closed as idle or slow */
    uint64_t bad_requests;        /* answered by the front itself: 400, 408, 413, 414, 431, 505 */
    uint64_t unsent_bytes;        /* as in max_unsent_bytes, now */
};

/* Binds and listens. NULL on failure, with a message in err that names address and port. */
struct http_front *http_front_new(struct event_base *base, const struct http_front_options *options,
                                  const struct http_front_handlers *handlers, char *err,
                                  size_t err_length);

/* Whether another process listens there already: with reuse_port the system would not say so, and
 * share the connections out between the two. */
bool http_front_is_taken(const struct http_front_options *options);

/* The actual port. */
uint16_t http_front_port(const struct http_front *front);

/* Every reply from now on ends its connection, so that clients come back elsewhere; new ones are
 * still served. */
void http_front_say_close(struct http_front *front);

/* From now on; those that are open stay. */
void http_front_set_max_connections(struct http_front *front, uint32_t max_connections);

/* Drain: stops listening, closes idle connections, answers what is under way with "Connection:
 * close". http_front_is_idle: no exchange is open and no reply unsent. */
void http_front_drain(struct http_front *front);
bool http_front_is_idle(const struct http_front *front);

/* Closes everything, and calls on_gone for every exchange that is open. NULL is ignored. Not to be
 * called from within a handler; every other function here may be, and none of them calls one. */
void http_front_free(struct http_front *front);

/* How many replies were sent with that status, the front's own too. [thread-safe] */
uint64_t http_front_answers(const struct http_front *front, uint32_t status);

/* A snapshot of the counters; callable from any thread (relaxed loads). */
void http_front_read_counters(const struct http_front *front, struct http_front_counters *counters);

#endif
