/*
 * read.h - the lookup "snapshots of run R since snapshot S": its statements and its answer.
 *
 * Every answer comes from one statement, and so from one MVCC snapshot. The columns are raw, in
 * binary format; the JSON is written here. Of libpq only PGresult is known here, no connection.
 *
 * There are two kinds of statement. The lean one gives all of an answer that has few rows and
 * neither a checkpoint nor a completed waitpoint, the commonest, and tells when that is not so:
 * then the full one is to be run on the same server, and its result alone counts, outcome included.
 * Ids that are not ASCII are for the full one from the start. Which kind a result is of, the result
 * itself tells. And there are those for a replica, which read nothing on a server that is out of
 * recovery, and those for a primary.
 */
#ifndef SNAPSHOT_READ_H
#define SNAPSHOT_READ_H

#include "head.h"
#include "host-sample/base/byte_buffer.h"
#include "host-sample/postgres/result_rows.h"
#include "rows.h"
#include "sql.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum snapshot_outcome {
    SNAPSHOT_FOUND,        /* the since row is there, and all that must come with the newer rows */
    SNAPSHOT_PARTIAL,      /* the latest row lacks waitpoints: `lacking` of them */
    SNAPSHOT_MISSING,      /* no since row */
    SNAPSHOT_NEEDS_FULL,   /* of a lean statement only: run the full one */
    SNAPSHOT_ROLE_CHANGED, /* asked as a replica, the server was out of recovery and read nothing */
    SNAPSHOT_FOREIGN,      /* not the answer to this question: the link is not to be trusted */
    SNAPSHOT_MALFORMED     /* an answer's rows are not of its shape, or out of memory: a failure */
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
    struct snapshot_head head; /* of no meaning if the outcome is FOREIGN */
    const char *fault; /* MALFORMED: the column whose value no answer can have; NULL: the shape */
    int count;         /* of newest_first */
    int links;         /* of the latest to waitpoints, whether or not the waitpoint is there */
    int lacking; /* PARTIAL: waitpoints of the latest that are not there, or not linked to it yet */
    /* One more than an answer may have, for the row under inspection. */
    struct snapshot_place newest_first[SNAPSHOT_MAX_ROWS + 1];
    struct row rows[SNAPSHOT_MAX_ROWS + 1];
};

/* Looks at all that a snapshot statement gave (rows of a PGRES_TUPLES_OK) and says what it means.
 * Never reads past a column. `asked` is not kept. */
enum snapshot_outcome snapshot_read(struct snapshot_result *read, struct result_rows rows,
                                    const struct snapshot_question *asked);

/* The same in two steps, for a caller who must know first whether it is an answer to this question
 * at all. False: it is FOREIGN. */
bool snapshot_read_head(struct snapshot_head *head, const struct result_rows *rows,
                        const struct snapshot_question *asked);

/* The rest of an answer whose head that was. FOREIGN now only for a row of another run or
 * environment, or a question in other characters. */
enum snapshot_outcome snapshot_read_rows(struct snapshot_result *read, struct result_rows rows,
                                         const struct snapshot_question *asked,
                                         const struct snapshot_head *head);

/* An order may name a waitpoint any number of times, and each of them repeats its output: a row of
 * a megabyte can ask for more than any memory holds. Beyond this no client could use an answer: it
 * is longer than the longest text of the JavaScript engine that they run on. */
#define SNAPSHOT_MAX_ANSWER_BYTES (512u << 20)

/* Appends {"snapshots":[...]} for a result that is FOUND or PARTIAL. now_ms: Unix time, printed
 * where completedAt is NULL. False if the result is anything else (discard out then), if now_ms
 * lies outside the years 1 to 9999, or, with out->failed set, if memory ran out or the waitpoints
 * take more than SNAPSHOT_MAX_ANSWER_BYTES. */
bool snapshot_answer_write(struct byte_buffer *out, const struct snapshot_result *read,
                           int64_t now_ms);

#endif
