/*
 * pg_traffic.h - the host's statements on a link: how they are sent, and what their answers are
 * worth.
 */
#ifndef PG_TRAFFIC_H
#define PG_TRAFFIC_H

#include "pg_pipeline.h"
#include "pg_server.h"

#include <stdbool.h>

struct pg_link;

/* Puts a statement on a ready link with room; it has its slot from then on. False if the connection
 * is lost. */
bool pg_traffic_send(struct pg_link *link, struct pg_statement *statement);

/* Ends the batch. False if the connection is lost. */
bool pg_traffic_sync(struct pg_link *link);

/* Collects the reply of an answered slot (PG_SLOT_STATEMENT), or has its statement sent again.
 * Takes over slot->result. */
void pg_traffic_answer(struct pg_link *link, struct pg_slot *slot);

/* Collects a failure, link->error, for all statements on the link. */
void pg_traffic_fail_all(struct pg_link *link);

#endif
