/*
 * setup.h - what a link sends for itself: its set-up, and its questions about the server.
 */
#ifndef PG_SETUP_H
#define PG_SETUP_H

#include "options.h"
#include "pipeline.h"

#include <stdbool.h>
#include <stddef.h>

/* The prepared statement that asks for a position; its SQL is pg_position_sql's. */
extern const char pg_position_name[];

/* Whether a link to this server would be useless; `why` says why in one line. */
bool pg_setup_refuses(const PGconn *conn, const struct pg_server_options *options, char *why,
                      size_t why_length);

/* The first batches of a link: settings and prepared statements, which must succeed
 * (PG_REQUEST_SETTING), and then the questions of pg_identity_ask. False if the connection is lost.
 */
bool pg_setup_send(struct pg_pipeline *pipeline, const struct pg_server_options *options);

/* Recovery, system and timeline, each in its own batch, so that what the role may not see aborts
 * nothing else. Needs an empty batch and three free requests; false if the connection is lost.
 */
bool pg_identity_ask(struct pg_pipeline *pipeline);

/* Takes over the answer of a request of pg_identity_ask; what was not answered stays as it was.
 */
void pg_identity_take(struct pg_identity *identity, const struct pg_request *request);

#endif
