/*
 * exchange.h - one request and its reply, as the host sees them.
 *
 * [one thread]: an exchange belongs to the thread of its front.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "host-sample/base/byte_buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_exchange;

#define HTTP_MAX_REQUEST_LINE 8192 /* bytes of the target; longer: 414 */
#define HTTP_MAX_HEADER_BYTES 8192 /* bytes of all header lines, as sent; more: 431 */
#define HTTP_MAX_HEADERS      8    /* that a host may look at */

struct http_text {
    const char *bytes; /* NULL: absent. Not NUL-terminated */
    size_t length;
    uint32_t seen; /* how often the request has the header; the last one is kept */
};

struct http_request {
    struct http_text method;
    struct http_text target; /* raw, as sent: nothing decoded, query string included */
    /* Those of http_front_options.headers, in that order; values trimmed of spaces and tabs. */
    struct http_text headers[HTTP_MAX_HEADERS];
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
    /* The client of an exchange that is not watched has ended its side: it has left, or waits for
     * the answer. Watching it now leads to on_gone. NULL: not called. */
    void (*on_hang_up)(void *context, struct http_exchange *exchange, void *user);
    /* Connections begin to wait in the system's queue, for there is no descriptor or memory for
     * them; `error` is accept's. NULL: not called. */
    void (*on_exhausted)(void *context, int error);
    /* A connection over max_connections is refused. NULL: not called. */
    void (*on_refused)(void *context);
    /* A reply is about to be sent on that socket: the answer to an exchange, within
     * http_exchange_reply, or one of the front's own. The bytes are those of its body. NULL: not
     * called. */
    void (*on_reply)(void *context, int fd, uint32_t status, size_t body_bytes);
    void *context;
};

/* The host's own pointer for the exchange, for on_gone and on_hang_up; NULL at first. */
void http_exchange_set_user(struct http_exchange *exchange, void *user);

/* The client's socket, for client_address.h. */
int http_exchange_socket(const struct http_exchange *exchange);

/* Sends the reply; the exchange is gone when this call returns. A reply whose body ran out of
 * memory (body->failed) becomes a 500. */
void http_exchange_reply(struct http_exchange *exchange, struct http_reply *reply);

/* From now on a client that closes its connection before its answer is noticed (on_gone); one that
 * resets it always is. For an answer that takes a while; a quick one need not pay for it. */
void http_exchange_watch_client(struct http_exchange *exchange);

#endif
