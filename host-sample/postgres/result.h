/*
 * result.h - reads a PGresult: errors, and integers in binary.
 */
#ifndef PG_RESULT_H
#define PG_RESULT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* The text of a result that is an error, or not of the kind that was asked for; may be of several
 * lines, and is never empty. */
const char *pg_result_error(const PGresult *result);

/* The binary integer (or boolean) of a result of one row and one column, as 64 bits. False if it is
 * NULL or does not have an integer's length, or if the result is NULL or not of that shape. */
bool pg_single_value(const PGresult *result, uint64_t *value);

#endif
