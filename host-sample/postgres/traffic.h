/*
 * pg_traffic.h - the host's statements on a link: how they are sent, and what their answers are
 * worth.
 */
#ifndef PG_TRAFFIC_H
#define PG_TRAFFIC_H

#include "pipeline.h"
#include "server.h"

#include <stdbool.h>

struct pg_link;

/* A server configured as the primary that is in recovery is an old primary come back as a standby,
 * or the wrong address. It may lag like any standby; taken for the primary, it would "prove" that
 * rows do not exist which it merely has not replayed yet. So nothing that it says counts: what it
 * answers is a failure, with this error. */
#define PG_FALSE_PRIMARY "configured as [primary] but in recovery"

bool pg_traffic_is_false_primary(const struct pg_link *link);

/* Puts a statement, or the group that it is the first of, on a ready link with room; it has its
 * slot from then on. False if the connection is lost. */
bool pg_traffic_send(struct pg_link *link, struct pg_statement *first);

/* Ends the batch. False if the connection is lost. */
bool pg_traffic_sync(struct pg_link *link);

/* Collects the replies of an answered slot (PG_SLOT_STATEMENT), or has its statements sent again.
 * Takes over slot->result. */
void pg_traffic_answer(struct pg_link *link, struct pg_slot *slot);

/* Collects a failure, link->error, for all statements on the link. */
void pg_traffic_fail_all(struct pg_link *link);

#endif
