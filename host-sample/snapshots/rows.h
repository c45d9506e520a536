/*
 * rows.h - the rows that the snapshot statements return, and how to parse them.
 *
 * A lean row has two columns: the head (head.h) and a composite value in binary format
 * (PostgreSQL's record_send), because the server spends on each column of a result, rows or none,
 * and the commonest poll has none. A full row has a column for each field, because with many rows
 * it is the composite values that cost; the head is the first row there, in the column of the
 * snapshot's id, and all other columns of that row are NULL. Where an environment was asked for,
 * the last field, or column, says of which the snapshot is. The lists here are both the statements'
 * columns and the reader's rules, so that they cannot disagree.
 *
 * A well-formed row has been checked completely, so the accessors need no checks. They return
 * pointers into the PGresult.
 */
#ifndef SNAPSHOT_ROWS_H
#define SNAPSHOT_ROWS_H

#include "host-sample/postgres/result_rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_MAX_ROWS      50 /* newer snapshots in an answer: the newest */
#define SNAPSHOT_MAX_LEAN_ROWS 3  /* in an answer of the lean statement */

/* The type of a field. A group of fields whose first field is NULL is absent as a whole (the row
 * looked for does not exist); in one that is present, a REQUIRED field is not NULL. */
enum field_type {
    FIELD_TEXT, /* or an enum's label */
    FIELD_BOOLEAN,
    FIELD_INTEGER, /* of any size */
    FIELD_TIME,    /* in the years 0001 to 9999; infinity is none of them */
    FIELD_TEXT_ARRAY
};

/* Both kinds of snapshot row begin with these. X(name, column, type, REQUIRED or NULLABLE); FIRST
 * is the same for the first one. */
#define SNAPSHOT_FIELDS(FIRST, X)                                                                  \
    FIRST(SNAPSHOT_ID, "n.id", FIELD_TEXT, REQUIRED)                                               \
    X(SNAPSHOT_EXECUTION_STATUS, "n.\"executionStatus\"", FIELD_TEXT, REQUIRED)                    \
    X(SNAPSHOT_DESCRIPTION, "n.description", FIELD_TEXT, REQUIRED)                                 \
    X(SNAPSHOT_RUN_ID, "n.\"runId\"", FIELD_TEXT, REQUIRED)                                        \
    X(SNAPSHOT_RUN_STATUS, "n.\"runStatus\"", FIELD_TEXT, REQUIRED)                                \
    X(SNAPSHOT_BATCH_ID, "n.\"batchId\"", FIELD_TEXT, NULLABLE)                                    \
    X(SNAPSHOT_ATTEMPT_NUMBER, "n.\"attemptNumber\"", FIELD_INTEGER, NULLABLE)                     \
    X(SNAPSHOT_ORDER, "n.\"completedWaitpointOrder\"", FIELD_TEXT_ARRAY, NULLABLE)                 \
    X(SNAPSHOT_CREATED_AT, "n.\"createdAt\"", FIELD_TIME, REQUIRED)

/* A lean row goes on with these, and then with whether the snapshot has links; NULL: unknown. */
#define LEAN_FIELDS(X)                                                                             \
    X(LEAN_HAS_CHECKPOINT, "n.\"checkpointId\" IS NOT NULL", FIELD_BOOLEAN, REQUIRED)

/* A full row continues with these: a separate group in a separate column, which is a composite
 * value or NULL. In struct row they are like all others. */
#define CHECKPOINT_FIELDS(FIRST, X)                                                                \
    FIRST(CHECKPOINT_ID, "c.id", FIELD_TEXT, REQUIRED)                                             \
    X(CHECKPOINT_FRIENDLY_ID, "c.\"friendlyId\"", FIELD_TEXT, REQUIRED)                            \
    X(CHECKPOINT_TYPE, "c.type", FIELD_TEXT, REQUIRED)                                             \
    X(CHECKPOINT_LOCATION, "c.location", FIELD_TEXT, REQUIRED)                                     \
    X(CHECKPOINT_IMAGE_REF, "c.\"imageRef\"", FIELD_TEXT, NULLABLE)                                \
    X(CHECKPOINT_REASON, "c.reason", FIELD_TEXT, NULLABLE)

/* A link of the latest snapshot and its waitpoint; absent if the link points to nothing. They come
 * in a row of their own, as a composite value in the last column; all other columns are NULL. */
#define WAITPOINT_FIELDS(FIRST, X)                                                                 \
    FIRST(WAITPOINT_ID, "w.id", FIELD_TEXT, REQUIRED)                                              \
    X(WAITPOINT_FRIENDLY_ID, "w.\"friendlyId\"", FIELD_TEXT, REQUIRED)                             \
    X(WAITPOINT_TYPE, "w.type", FIELD_TEXT, REQUIRED)                                              \
    X(WAITPOINT_COMPLETED_AT, "w.\"completedAt\"", FIELD_TIME, NULLABLE)                           \
    X(WAITPOINT_IDEMPOTENCY_KEY, "w.\"idempotencyKey\"", FIELD_TEXT, REQUIRED)                     \
    X(WAITPOINT_USER_PROVIDED, "w.\"userProvidedIdempotencyKey\"", FIELD_BOOLEAN, REQUIRED)        \
    X(WAITPOINT_INACTIVE_KEY, "w.\"inactiveIdempotencyKey\"", FIELD_TEXT, NULLABLE)                \
    X(WAITPOINT_COMPLETED_BY_RUN, "w.\"completedByTaskRunId\"", FIELD_TEXT, NULLABLE)              \
    X(WAITPOINT_COMPLETED_AFTER, "w.\"completedAfter\"", FIELD_TIME, NULLABLE)                     \
    X(WAITPOINT_COMPLETED_BY_BATCH, "w.\"completedByBatchId\"", FIELD_TEXT, NULLABLE)              \
    X(WAITPOINT_OUTPUT, "w.output", FIELD_TEXT, NULLABLE)                                          \
    X(WAITPOINT_OUTPUT_TYPE, "w.\"outputType\"", FIELD_TEXT, REQUIRED)                             \
    X(WAITPOINT_OUTPUT_IS_ERROR, "w.\"outputIsError\"", FIELD_BOOLEAN, REQUIRED)

#define FIELD_NAME(name, column, type, null) name,
enum snapshot_field { SNAPSHOT_FIELDS(FIELD_NAME, FIELD_NAME) SNAPSHOT_FIELD_COUNT };
enum lean_field {
    LEAN_BEFORE = SNAPSHOT_FIELD_COUNT - 1,
    LEAN_FIELDS(FIELD_NAME) LEAN_HAS_LINK,
    LEAN_ROW_FIELD_COUNT
};
enum full_field {
    CHECKPOINT_BEFORE = SNAPSHOT_FIELD_COUNT - 1,
    CHECKPOINT_FIELDS(FIELD_NAME, FIELD_NAME) FULL_ROW_FIELD_COUNT
};
enum waitpoint_field { WAITPOINT_FIELDS(FIELD_NAME, FIELD_NAME) WAITPOINT_ROW_FIELD_COUNT };
#undef FIELD_NAME

#define ROW_MAX_FIELDS 16

enum {
    HEAD_COLUMN, /* of a full result SNAPSHOT_ID's, too */
    LEAN_COLUMN,
    LEAN_COLUMN_COUNT,
    CHECKPOINT_COLUMN = SNAPSHOT_FIELD_COUNT, /* before it a column for each field */
    WAITPOINT_COLUMN,
    FULL_COLUMN_COUNT,
    ENVIRONMENT_COLUMN = FULL_COLUMN_COUNT /* one more, where an environment was asked for */
};

enum row_kind {
    ROW_MALFORMED,
    ROW_NOTHING, /* but a head, or the head's own row */
    ROW_LEAN,
    ROW_FULL,
    ROW_WAITPOINT
};

struct text {
    const char *bytes; /* NULL: the field is NULL */
    size_t length;
};

struct row {
    struct text fields[ROW_MAX_FIELDS]; /* as they came, in binary format */
    struct text environment;            /* of a snapshot; bytes NULL: it does not say */
    const char *fault; /* of a malformed one the column whose value no answer can have, for people;
                          NULL: it is of another shape */
};

/* Whether the columns are those of one of the statements. */
bool rows_have_columns(const struct result_rows *rows);

/* Whether they are those of a lean statement, if they are any. */
bool rows_are_lean(const struct result_rows *rows);

/* Of a full statement's columns one, for people, that has a value of another type than its field's.
 * NULL: there is none. */
const char *rows_column_of_other_type(const struct result_rows *rows);

/* The first row's head. bytes NULL: there is no row, or no head in it. */
struct text rows_head(const struct result_rows *rows);

/* Takes row `number` (from 0) of those, which have the columns, apart and checks it whole. */
enum row_kind row_read(const struct result_rows *rows, int number, struct row *row);

/* Of a full statement's rows, which have been read before, whether this one is a waitpoint that
 * exists; its id. Costs next to nothing. */
bool row_waitpoint_id(const struct result_rows *rows, int number, struct text *id);

/* Takes one of those apart. */
void row_read_waitpoint(const struct result_rows *rows, int number, struct row *row);

/* NULL or ''. */
bool row_is_blank(const struct row *row, int field);

/* The field must not be NULL. */
bool row_boolean(const struct row *row, int field);
int64_t row_integer(const struct row *row, int field);
int64_t row_time(const struct row *row, int field);    /* microseconds since 2000, to compare */
int64_t row_unix_ms(const struct row *row, int field); /* rounded down; printable as a utc_date */

/* The elements of a text[]; none if it is NULL. */
struct text_array {
    const char *at;
    size_t size; /* bytes left at `at` */
    int count;   /* elements left */
};
struct text_array row_text_array(const struct row *row, int field);

/* The next element, text.bytes NULL for a NULL. False if there is none. */
bool text_array_next(struct text_array *array, struct text *text);

#endif
