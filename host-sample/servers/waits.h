/*
 * waits.h - the link on which a server may take its time: for questions that it answers when it has
 * got somewhere, and that nothing else may stand behind.
 *
 * A server that is never asked such a question has none. [one thread]: of the event base.
 */
#ifndef WAITS_H
#define WAITS_H

#include "host-sample/config.h"
#include "host-sample/postgres/server.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;

/* All zero: not dialled. */
struct waits {
    struct pg_server *links;
};

/* NULL: it is not up. The first call dials the server; random: see entropy.h. */
struct pg_server *waits_link(struct waits *waits, struct event_base *base,
                             const struct server_config *server, uint64_t *random);

/* Sends what was submitted; true if callbacks were made. */
bool waits_flush(struct waits *waits);

void waits_redial(struct waits *waits);

/* Closes it; what is under way is forgotten. */
void waits_end(struct waits *waits);

#endif
