/*
 * requests.h - what each HTTP request is answered with: routes, credentials, ids.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "host-sample/host.h"

/* Handlers for http_front_new; their context is the worker. */
extern const struct http_front_handlers requests_handlers;

#endif
