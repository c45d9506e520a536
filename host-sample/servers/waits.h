/*
 * waits.h - the link for questions that block until a position is reached, behind which nothing
 * else may stand.
 *
 * A server that is never asked such a question has none. [one thread]: of the event base.
 */
#ifndef WAITS_H
#define WAITS_H

#include "host-sample/config/config.h"
#include "host-sample/postgres/server.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;

/* All zero: not dialled. */
struct waits {
    struct pg_server *links;
};

struct waits_dial {
    struct event_base *base;
    struct wake_ups *wake_ups;
    const struct server_config *server;
    uint64_t *random; /* see entropy.h */
    /* As in the options of links. */
    void (*log)(void *context, const char *level, const char *server, const char *message);
    void *context;
};

/* NULL: it is not up. The first call dials the server. */
struct pg_server *waits_link(struct waits *waits, const struct waits_dial *how);

/* Sends what was submitted; true if callbacks were made. */
bool waits_flush(struct waits *waits);

void waits_redial(struct waits *waits);

/* Closes it; what is under way is forgotten. */
void waits_end(struct waits *waits);

#endif
