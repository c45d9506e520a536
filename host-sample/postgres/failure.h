/*
 * failure.h - what an error says: of the statement, of the link's session, of the server.
 */
#ifndef PG_FAILURE_H
#define PG_FAILURE_H

#include "statement.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

/* "" if the result has none. */
const char *pg_error_sqlstate(const PGresult *error);

/* The error in one line, and what to do about it where the server's words do not tell. */
void pg_error_explain(const PGresult *error, char *text, size_t size);

/* What the reply to the statement is to say. server_encoding: of the database, as the server has
 * told it; NULL: it has not. */
enum pg_failure pg_failure_of(const PGresult *error, const char *server_encoding);

/* Cancelled by recovery, serialization or a deadlock; the same may work at once. */
bool pg_error_is_conflict(const PGresult *error);

/* Whether the session has lost what its set-up gave it, or cannot use it any more: a prepared
 * statement is gone (a pooler's DISCARD ALL) or was prepared for other columns, or messages have
 * gone astray, and not those of a connection of the statement's own. A new session will do. */
bool pg_error_voids_session(const PGresult *error);

/* Whether a new session may do, if it is the error of a statement that was prepared, and so was all
 * right then: a table, column or type that it names is another one now, or gone, and something else
 * may stand in its place (XX000: in the midst of the change); or a message has gone astray, and it
 * is not known where. If a new session says the same, it is something else: a row level policy, or
 * a foreign table whose server is away. */
bool pg_error_doubts_session(const PGresult *error);

/* The same where nothing was prepared: it is about what a session keeps all the same. That is its
 * role (one that was dropped, and made anew by that name, may do nothing any more), and what was
 * found when it was set up, the tables that there are. */
bool pg_error_doubts_bare_session(const PGresult *error);

/* Cancelled by a time limit, of the host's or of a pooler's or a role's; or by an operator. */
bool pg_error_is_cancellation(const PGresult *error);

#endif
