/*
 * checked_sql.h - a statement of a test's own, which must succeed.
 */
#ifndef CHECKED_SQL_H
#define CHECKED_SQL_H

#include <libpq-fe.h>

/* Of less than 2 kB. Within a test: where it fails, the test does. Its result is not kept. */
void __attribute__((format(printf, 2, 3))) checked_sql(PGconn *connection, const char *format, ...);

#endif
