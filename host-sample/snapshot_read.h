/*
 * snapshot_read.h - the lookup "snapshots of run R since snapshot S": its statements and its answer.
 *
 * One SQL statement gives the whole answer under one MVCC snapshot, as raw columns in binary format;
 * the JSON is written here. Nothing of libpq's connection handling is known here, only PGresult.
 */
#ifndef SNAPSHOT_READ_H
#define SNAPSHOT_READ_H

#include "byte_buffer.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The statements, with and without an environment. Parameters, all text:
 * $1 snapshot id, $2 run id, and $3 environment id where there is one. */
enum snapshot_statement {
    SNAPSHOT_STATEMENT_ANY_ENVIRONMENT,
    SNAPSHOT_STATEMENT_ONE_ENVIRONMENT,
    SNAPSHOT_STATEMENT_COUNT
};

struct snapshot_statement_text {
    const char *name; /* for PQprepare */
    const char *sql;
    int parameter_count;
};
const struct snapshot_statement_text *snapshot_statement(enum snapshot_statement which);

enum snapshot_outcome {
    SNAPSHOT_FOUND,   /* the since row is there, and all that must come with the newer rows */
    SNAPSHOT_PARTIAL, /* the latest row's waitpoint links are fewer than its completedWaitpointOrder names */
    SNAPSHOT_MISSING, /* no since row */
    SNAPSHOT_MALFORMED /* the result is not of the statement's shape: a failure */
};

/* Looks at the result (PGRES_TUPLES_OK) of a snapshot statement. Never reads past a column. */
enum snapshot_outcome snapshot_outcome_of(const PGresult *result);

/* Appends {"snapshots":[...]} for a result that is FOUND or PARTIAL. now_ms: Unix time, printed where
 * completedAt is NULL. False if the result is malformed (out is then to be thrown away) or out failed. */
bool snapshot_answer_write(struct byte_buffer *out, const PGresult *result, int64_t now_ms);

#endif
