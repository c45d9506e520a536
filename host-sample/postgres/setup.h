/*
 * setup.h - what a link sends for itself when it comes up.
 */
#ifndef PG_SETUP_H
#define PG_SETUP_H

#include "options.h"
#include "pipeline.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the session is in UTF-8, or keeps its encoding to itself. A text in another one would be
 * taken for another text, and a row with it would be missing. It was asked for; but not every
 * pooler passes that on, and one that shares the session may lose it later. */
bool pg_setup_speaks_utf8(const PGconn *conn);

/* Whether a link to this server would be useless; `why` says why in one line. */
bool pg_setup_refuses(const PGconn *conn, const struct pg_server_options *options, char *why,
                      size_t why_length);

/* The first batches of a link: settings, which must succeed (PG_REQUEST_SETTING); one transaction
 * that asks several times who answers (PG_REQUEST_WHO); and variant_sql (PG_REQUEST_VARIANT). The
 * settings have a transaction of their own: what they set holds from the next one on, and the
 * server's default may be an isolation level in which nothing can be asked. False if the connection
 * is lost. */
bool pg_setup_send(struct pg_pipeline *pipeline, const struct pg_server_options *options);

/* The answer of a PG_REQUEST_WHO, beside those before it in *instance (0: none). False if another
 * server gave it. */
bool pg_setup_is_same_server(const struct pg_request *request, uint64_t *instance);

/* Why a link is refused that leads to several. */
extern const char pg_setup_several_servers[];

/* Which set it is that the answer of a PG_REQUEST_VARIANT names. False if there is no such set. */
bool pg_setup_take_variant(const struct pg_request *request,
                           const struct pg_server_options *options, size_t *variant);

/* When those are answered, with use_prepared: the prepared statements of the set, which must
 * succeed. False if the connection is lost. */
bool pg_setup_finish(struct pg_pipeline *pipeline, const struct pg_server_options *options,
                     size_t variant);

#endif
