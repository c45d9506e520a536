/*
 * requests.h - what each HTTP request is answered with: routes, credentials, ids.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "host-sample/http/exchange.h"
#include "lookups.h"

/* Of one thread. */
struct requests {
    struct lookups *lookups;
    /* Appends the page of metrics. */
    void (*write_metrics)(void *context, struct byte_buffer *out);
    void *metrics_context;
};

/* The headers that the front is to look at, for http_front_options. */
enum { REQUESTS_HEADER_COUNT = 5 };
extern const char *const requests_headers[REQUESTS_HEADER_COUNT];

/* Handlers for http_front_new; their context is to be a struct requests. */
extern const struct http_front_handlers requests_handlers;

#endif
