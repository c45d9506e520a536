/*
 * waits.c - see waits.h.
 */
#include "waits.h"

#include "host-sample/base/entropy.h"

#define CONNECT_TIMEOUT_S 3u

/* More than a server is ever told to wait. */
#define STATEMENT_TIMEOUT_MS 2000u

static struct pg_server *dial(const struct waits_dial *how) {
    char err[256];
    const struct pg_server_options options = {
        .name = how->server->name,
        .conninfo = how->server->conninfo,
        .application_name = "snapshot-host",
        .links = 1,
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
        .jitter_seed = entropy_next(how->random),
        .log = how->log,
        .context = how->context,
    };
    return pg_server_new(how->base, how->wake_ups, &options, err, sizeof err);
}

struct pg_server *waits_link(struct waits *waits, const struct waits_dial *how) {
    if (waits->links == NULL) {
        waits->links = dial(how);
    }
    return waits->links != NULL && pg_server_is_up(waits->links) ? waits->links : NULL;
}

bool waits_flush(struct waits *waits) {
    return waits->links != NULL && pg_server_flush(waits->links);
}

void waits_redial(struct waits *waits) {
    if (waits->links != NULL) {
        pg_server_redial(waits->links);
    }
}

void waits_end(struct waits *waits) {
    pg_server_abandon(waits->links);
    waits->links = NULL;
}
