/*
 * failure.h - what an error says: of the statement, of the link's session, of the server.
 */
#ifndef PG_FAILURE_H
#define PG_FAILURE_H

#include "statement.h"

#include <libpq-fe.h>
#include <stdbool.h>

/* "" if the result has none. */
const char *pg_error_sqlstate(const PGresult *error);

/* What the reply to the statement is to say. */
enum pg_failure pg_failure_of(const PGresult *error);

/* Whether the session has lost what its set-up gave it, or cannot use it any more: a prepared
 * statement is gone (a pooler's DISCARD ALL), the tables are not what they were when it was
 * prepared, or messages have gone astray. A new session will do. of_prepared: the error is that of
 * a statement that could be prepared, so it was all right then. */
bool pg_error_voids_session(const PGresult *error, bool of_prepared);

/* Cancelled by a time limit, of the host's or of a pooler's or a role's; or by an operator. */
bool pg_error_is_cancellation(const PGresult *error);

#endif
