/*
 * checked_sql.c - see checked_sql.h.
 */
#include "checked_sql.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>

void checked_sql(PGconn *connection, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ck_assert_int_lt(length, (int)sizeof(text));
    PGresult *result = PQexec(connection, text);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK ||
                      PQresultStatus(result) == PGRES_TUPLES_OK,
                  "%s: %s", text, PQresultErrorMessage(result));
    PQclear(result);
}
