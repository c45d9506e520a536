/*
 * read.h - the lookup "snapshots of run R since snapshot S": its statements and its
 * answer.
 *
 * Every answer comes from one statement, and so from one MVCC snapshot. The columns are raw, in
 * binary format; the JSON is written here. Of libpq only PGresult is known here, no connection.
 *
 * There are two statements. The lean one returns everything for an answer with few rows and neither
 * a checkpoint nor a completed waitpoint, which is the most common, and tells when it is not
 * enough: then the full one is to be run on the same server, and only its result counts, outcome
 * included. A result itself tells which statement it comes from.
 */
#ifndef SNAPSHOT_READ_H
#define SNAPSHOT_READ_H

#include "host-sample/base/byte_buffer.h"
#include "host-sample/postgres/prepared.h"
#include "host-sample/postgres/result_rows.h"
#include "rows.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The statements, with and without an environment. Parameters, all text:
 * $1 snapshot id, $2 run id, and $3 environment id where there is one. */
enum snapshot_statement {
    SNAPSHOT_STATEMENT_ANY_ENVIRONMENT, /* full */
    SNAPSHOT_STATEMENT_ONE_ENVIRONMENT,
    SNAPSHOT_STATEMENT_LEAN_ANY_ENVIRONMENT,
    SNAPSHOT_STATEMENT_LEAN_ONE_ENVIRONMENT,
    SNAPSHOT_STATEMENT_COUNT
};

extern const struct pg_prepared snapshot_statements[SNAPSHOT_STATEMENT_COUNT];

/* What the statements need from the server and from each link to it. */
enum { SNAPSHOT_MIN_SERVER_VERSION = 130000 /* FETCH FIRST ... WITH TIES */ };
enum { SNAPSHOT_SETTING_COUNT = 2 };
extern const char *const snapshot_settings[SNAPSHOT_SETTING_COUNT];

enum snapshot_outcome {
    SNAPSHOT_FOUND,      /* the since row is there, and all that must come with the newer rows */
    SNAPSHOT_PARTIAL,    /* the latest row's waitpoint links are fewer than the distinct ids in its
                            completedWaitpointOrder */
    SNAPSHOT_MISSING,    /* no since row */
    SNAPSHOT_NEEDS_FULL, /* of a lean statement only: run the full one */
    SNAPSHOT_MALFORMED   /* the result is not of a statement's shape, or out of memory: a failure */
};

/* A snapshot's row and its place among the others. */
struct snapshot_place {
    int64_t created_at;
    int row; /* in snapshot_result.rows */
};

/* A statement's result, its snapshots parsed: 13 kB, for the stack. It points into the PGresult. */
struct snapshot_result {
    struct result_rows source;
    enum snapshot_outcome outcome;
    bool lean;
    int count; /* of newest_first */
    int links; /* of the latest to waitpoints, whether or not the waitpoint is there */
    /* One more than an answer may have, for the row under inspection. */
    struct snapshot_place newest_first[SNAPSHOT_MAX_ROWS + 1];
    struct row rows[SNAPSHOT_MAX_ROWS + 1];
};

/* Parses everything that a snapshot statement returned (rows of a PGRES_TUPLES_OK) and says what it
 * means. Never reads past a column. */
enum snapshot_outcome snapshot_read(struct snapshot_result *read, struct result_rows rows);

/* Appends {"snapshots":[...]} for a result that is FOUND or PARTIAL. now_ms: Unix time, printed
 * where completedAt is NULL. False if the result is anything else (discard out then), if now_ms
 * lies outside the years 1 to 9999, or if memory ran out (out->failed is then set). */
bool snapshot_answer_write(struct byte_buffer *out, const struct snapshot_result *read,
                           int64_t now_ms);

#endif
