/*
 * result_rows.h - the part of a PGresult that answers one statement.
 *
 * Reads that were sent as a group (group.h) share a result, of which each has some rows, and the
 * first column is not theirs.
 */
#ifndef RESULT_ROWS_H
#define RESULT_ROWS_H

#include <libpq-fe.h>

struct result_rows {
    PGresult *result;
    int first; /* row */
    int count;
    int column; /* the first one that is the statement's */
};

/* All of a result that is of one statement. */
static inline struct result_rows result_rows_all(PGresult *result) {
    return (struct result_rows){.result = result, .count = PQntuples(result)};
}

#endif
