/*
 * questions.h - what the host asks a server about the server itself, and how it reads the
 * answers.
 */
#ifndef PG_QUESTIONS_H
#define PG_QUESTIONS_H

#include "identity.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* One row, one pg_lsn or NULL, in binary. On a server that is in recovery the primary's statement
 * is an error, as it must be. */
const char *pg_position_sql(enum pg_server_role role, bool insert_position);

/* The answer to pg_position_sql. 0, unknown, if it is NULL or not of that shape. */
uint64_t pg_position_of(const PGresult *result);

/* Each is one row of one column: boolean, bigint, integer. Apart, because a role may be allowed to
 * see one and not another, and what it may not see is an error. */
extern const char pg_recovery_sql[];
extern const char pg_system_sql[];
extern const char pg_timeline_sql[];

#endif
