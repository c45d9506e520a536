/*
 * roster.h - which servers there are, as the configuration says, while reads go on.
 *
 * A server that is new is dialled. One that is reached in another way than before (conninfo, links,
 * prepared, the schema, the statements' time limit) is another server: it is dialled beside the old
 * one. The old ones, and those that are not named any more, go on as before until all new ones have
 * said who they are, or have had time enough for it; then no read begins there, and when those
 * under way have been answered, or have had all their time, they are gone.
 *
 * What is remembered of the servers is forgotten at a reload, and once more when those are gone
 * that it takes out: the operator says which servers count. That a name has other addresses says
 * nothing of the kind, so whoever was deposed before is deposed still.
 *
 * [one thread]: of the servers.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include "servers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roster {
    struct servers *servers;
    struct event_base *base;
    struct snapshot_sql *sql; /* what new links say */
    uint32_t statement_timeout_ms;
    uint32_t dialled_timeout_ms; /* the longest of links that go */
    uint64_t heard_by_ns;        /* new servers are not waited for any longer */
    bool going;                  /* some server goes */
    bool forgets;                /* once they are gone */
    uint64_t history;            /* of the configuration */
    struct wake_up wake_up;
};

/* Makes the servers those of the configuration, which is not looked at afterwards. False with a
 * sentence in err: some server could not be added, the others have been; or, out of memory, all is
 * as before. */
bool roster_apply(struct roster *roster, const struct host_config *config, char *err,
                  size_t err_length);

/* The end of a turn of the loop, with servers_flush. */
void roster_flush(struct roster *roster);

/* The servers are not its own, and may be freed before or after. */
void roster_free(struct roster *roster);

#endif
