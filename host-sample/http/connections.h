/*
 * connections.h - all connections of a front together: deadlines, drain, the end.
 *
 * [one thread]: everything belongs to the thread of the event base.
 */
#ifndef HTTP_CONNECTIONS_H
#define HTTP_CONNECTIONS_H

#include "connection.h"
#include "options.h"

#include <stdbool.h>

/* False if memory ran out. */
bool http_connections_init(struct http_connections *connections, struct event_base *base,
                           const struct http_front_options *options,
                           const struct http_front_handlers *handlers);

/* Closes every connection; on_gone for each open exchange. Not from within a handler. */
void http_connections_free(struct http_connections *connections);

void http_connections_drain(struct http_connections *connections);

/* No exchange is open and no reply unsent. */
bool http_connections_idle(const struct http_connections *connections);

#endif
