/*
 * requests.h - what each HTTP request is answered with: routes, credentials, ids.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "host-sample/http/exchange.h"
#include "lookups.h"
#include "routes.h"

/* What a listener answers: where operators have one of their own, the public one has lookups and
 * health only. */
enum requests_listener { LISTENER_ONLY, LISTENER_PUBLIC, LISTENER_ADMIN };

/* Of one listener of one thread. */
struct requests {
    struct lookups *lookups;
    enum requests_listener listener;
    /* Appends the page of a route that is no lookup; returns its status, and of any but 200 what
     * has been appended is the reason, as text. */
    uint32_t (*write_page)(void *context, enum route route, struct byte_buffer *out);
    void *pages_context;
};

/* The headers that the front is to look at, for http_front_options. */
enum { REQUESTS_HEADER_COUNT = 5 };
extern const char *const requests_headers[REQUESTS_HEADER_COUNT];

/* Handlers for http_front_new; their context is to be a struct requests. */
extern const struct http_front_handlers requests_handlers;

#endif
