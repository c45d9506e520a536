/*
 * group.h - several reads by the same prepared statement as one execution.
 *
 * Starting and ending an execution costs a server more than a point read itself. So a prepared
 * statement may have a second form, for a group: it takes an array for each parameter, and its
 * first column is the number (bigint, from 1) of the read that a row belongs to, in ascending
 * order; the columns after it are those of the plain form. All reads of a group share one MVCC
 * snapshot and one statement_timeout_ms. An error of the group is not the error of any one read:
 * its reads are sent again, each alone between two syncs, and get their own. Only if the group was
 * cancelled after more than half of statement_timeout_ms do all of them fail with it.
 *
 * [one thread]: of the server's event base.
 */
#ifndef PG_GROUP_H
#define PG_GROUP_H

#include "host-sample/base/byte_buffer.h"
#include "prepared.h"
#include "statement.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_GROUP_MAX = 16,            /* reads: beyond that there is hardly anything to gain */
    PG_GROUP_RESULT_BYTES = 65536 /* a target: no read's answer waits long for another's */
};

/* How many reads a group may have, if a read's share of a result has lately been bytes_each.
 */
uint32_t pg_group_limit(uint32_t bytes_each);

/* Appends a statement to a group, after `last`, its last one. */
void pg_group_append(struct pg_statement *last, struct pg_statement *statement);

/* Takes a statement, which must be there, out of the group that *first begins. */
void pg_group_remove(struct pg_statement **first, struct pg_statement *statement);

/* Sends the group's execution. `scratch` is for its parameters. False if the connection is lost or
 * memory ran out. */
bool pg_group_send(PGconn *conn, const struct pg_prepared *prepared, bool use_prepared,
                   const struct pg_statement *first, struct byte_buffer *scratch);

/* Whether a result (PGRES_TUPLES_OK) is that of a group of that many reads: their numbers first,
 * and ascending. */
bool pg_group_is_result(const PGresult *result, uint32_t reads);

/* The rows of read `number` in such a result; *at is where to start, 0 for the first; numbers must
 * be asked for in ascending order. */
struct result_rows pg_group_rows(PGresult *result, uint32_t number, int *at);

#endif
