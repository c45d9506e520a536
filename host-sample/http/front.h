/*
 * front.h - HTTP/1.1 in, on one event loop.
 *
 * The one place that knows how HTTP is spoken; everything else sees requests and replies. It uses
 * llhttp or http-parser for the grammar and libevent for sockets and timers. Neither of the two
 * embedded servers at hand can keep what this host promises: evhttp answers an over-long line with
 * 400, libmicrohttpd writes its own HTML for 400, 414 and 431, neither bounds the time of a whole
 * request (only that between two bytes), and libmicrohttpd does not notice that the client of a
 * suspended request left.
 *
 * [one thread]: a front and all its exchanges belong to the thread of its event base.
 */
#ifndef HTTP_FRONT_H
#define HTTP_FRONT_H

#include "host-sample/base/byte_buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_front;
struct http_exchange; /* one request and its reply */

#define HTTP_MAX_REQUEST_LINE 8192 /* bytes of the target; longer: 414 */
#define HTTP_MAX_HEADER_BYTES 8192 /* bytes of all header lines together, as sent; more: 431 */

/* The request headers that the host looks at; all others are skipped, whatever they hold. */
enum http_header {
    HTTP_HEADER_AUTHORIZATION,
    HTTP_HEADER_ENVIRONMENT_ID, /* x-trigger-worker-environment-id */
    HTTP_HEADER_DEPLOYMENT_ID,  /* x-trigger-workload-deployment-id */
    HTTP_HEADER_READ_POSITION,  /* x-read-position */
    HTTP_HEADER_TRACEPARENT,
    HTTP_HEADER_COUNT
};

struct http_text {
    const char *bytes; /* NULL: absent. Not NUL-terminated */
    size_t length;
    uint32_t seen; /* how often the header stood in the request; the last one is kept */
};

struct http_request {
    struct http_text method;
    struct http_text target; /* raw, as sent: nothing decoded, query string included */
    struct http_text headers[HTTP_HEADER_COUNT]; /* values trimmed of spaces and tabs */
};

struct http_reply {
    uint32_t status;
    const char *content_type; /* e.g. "application/json" */
    const char *headers;      /* further header lines, each ended by "\r\n", or NULL; copied */
    /* NULL: none. Empty afterwards; its memory was taken over or is left for the next reply, so
     * that the caller frees it when it has no more. */
    struct byte_buffer *body;
    bool close; /* close the connection after this reply */
};

struct http_front_handlers {
    /* A whole request has come. `request` and its bytes are valid until this call returns. Answer
     * with http_exchange_reply, now or later. */
    void (*on_request)(void *context, struct http_exchange *exchange,
                       const struct http_request *request);
    /* The client of an unanswered exchange left, or the front is going down: forget the exchange,
     * it is gone when this call returns. Not called for an exchange that was answered. */
    void (*on_gone)(void *context, struct http_exchange *exchange, void *user);
    void *context;
};

struct http_front_options {
    const char *address;         /* IPv4 or IPv6 literal */
    uint16_t port;               /* 0: any free one, see http_front_port */
    bool reuse_port;             /* SO_REUSEPORT: several loops listen on one port */
    bool paused;                 /* connections wait in the system's queue until http_front_start */
    uint32_t max_connections;    /* more are accepted and closed at once with 503 */
    uint32_t idle_timeout_ms;    /* keep-alive connection without a request */
    uint32_t request_timeout_ms; /* from the first byte of a request to its last */
    uint32_t reply_timeout_ms;   /* from the reply being ready to its last byte sent */
    size_t max_unsent_bytes;     /* memory held by all replies that are not sent whole; over it, the
                                    reader that has been slow for longest is cut off */
};

struct http_front_counters { /* for /metrics; each written by the front's thread only */
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t connections_refused; /* over max_connections */
    uint64_t timeouts;            /* closed as idle or slow */
    uint64_t bad_requests;        /* answered by the front itself: 400, 408, 413, 414, 431, 505 */
    uint64_t unsent_bytes;        /* as in max_unsent_bytes, now */
};

/* Binds and listens. NULL on failure, with a sentence in err that names address and port. Strings
 * in `options` are not used after the call. */
struct http_front *http_front_new(struct event_base *base, const struct http_front_options *options,
                                  const struct http_front_handlers *handlers, char *err,
                                  size_t err_length);

/* Accepts, if options.paused kept the front from it; does nothing once it drains. False if memory
 * ran out. */
bool http_front_start(struct http_front *front);

/* The port in fact listened on. */
uint16_t http_front_port(const struct http_front *front);

/* Drain: listens no longer, closes idle connections, answers what is under way with
 * "Connection: close". http_front_is_idle: no exchange is open and no reply unsent. */
void http_front_drain(struct http_front *front);
bool http_front_is_idle(const struct http_front *front);

/* Closes everything, and calls on_gone for every exchange that is open. NULL is ignored. Not to be
 * called from within a handler; every other function here may be, and none of them calls one. */
void http_front_free(struct http_front *front);

/* The host's own pointer for the exchange; NULL at first. */
void http_exchange_set_user(struct http_exchange *exchange, void *user);
void *http_exchange_user(const struct http_exchange *exchange);

/* Sends the reply; the exchange is gone when this call returns. A reply whose body ran out of
 * memory (body->failed) becomes a 500. */
void http_exchange_reply(struct http_exchange *exchange, struct http_reply *reply);

/* While set, a client that closes its connection before its answer is noticed (on_gone). The host
 * sets it when a lookup begins to wait, so that a quick answer pays nothing for it. */
void http_exchange_watch_client(struct http_exchange *exchange, bool watch);

/* A snapshot of the counters; callable from any thread (relaxed loads). */
void http_front_read_counters(const struct http_front *front, struct http_front_counters *counters);

#endif
