/*
 * utc_date.h - a moment as JavaScript prints it: 2026-11-23T18:01:37.042Z.
 *
 * Pure functions; the proleptic Gregorian calendar, as in PostgreSQL and JavaScript.
 */
#ifndef UTC_DATE_H
#define UTC_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define UTC_DATE_LENGTH 24 /* bytes of text, without a NUL */

/* Unix time in milliseconds lies in the years 0001 to 9999, which four digits can name. */
bool utc_date_is_printable(int64_t unix_ms);

/* Writes exactly UTC_DATE_LENGTH bytes, no NUL. unix_ms must be printable. */
void utc_date_print(int64_t unix_ms, char text[UTC_DATE_LENGTH]);

#endif
