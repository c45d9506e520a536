/*
 * failure.c - see failure.h.
 */
#include "failure.h"

#include "host-sample/base/one_line.h"
#include "result.h"

#include <stdio.h>
#include <string.h>

const char *pg_error_sqlstate(const PGresult *error) {
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    return sqlstate != NULL ? sqlstate : "";
}

static bool is_one_of(const char *sqlstate, const char *const *list) {
    while (*list != NULL && strcmp(*list, sqlstate) != 0) {
        list++;
    }
    return *list != NULL;
}

void pg_error_explain(const PGresult *error, char *text, size_t size) {
    /* No such prepared statement, or there is one already. */
    static const char *const of_prepared[] = {"26000", "42P05", NULL};
    one_line(text, size, pg_result_error(error));
    if (is_one_of(pg_error_sqlstate(error), of_prepared)) {
        const size_t length = strlen(text);
        (void)snprintf(text + length, size - length,
                       " (another client's connection: behind a pooler in transaction mode a "
                       "server needs prepared = no)");
    }
}

static bool is_of_class(const char *sqlstate, const char *class) {
    return strncmp(sqlstate, class, 2) == 0;
}

/* Not of a row's text, which may lack a character in the client's encoding and says nothing about
 * the parameters. From PostgreSQL 14 on the context of a parameter's error is one line that names
 * it, a word of its own in any language ("unnamed portal parameter $1"), and not its value, which
 * could not be converted. A dollar may stand in other contexts too: in a function's name, which has
 * quotes or parentheses about it, or among all parameters with their values, which
 * log_parameter_max_length_on_error adds to any error. */
static bool is_of_parameter(const PGresult *error) {
    const char *context = PQresultErrorField(error, PG_DIAG_CONTEXT);
    const char *number = context != NULL ? strstr(context, " $") : NULL;
    return number != NULL && number[2] >= '1' && number[2] <= '9' &&
           strpbrk(context, "\n\"(=") == NULL;
}

/* The parameters are UTF-8, so 22021, that they are no text at all, is said by a session that takes
 * them to be in another encoding, and knows nothing of them; and so is 22P05 if that encoding has
 * no such character, or a database whose own is UTF-8 none for it. What counts names UTF-8,
 * whatever the language. */
static bool is_of_no_such_text(const PGresult *error, const char *server_encoding) {
    const char *message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
    return strcmp(pg_error_sqlstate(error), "22P05") == 0 && is_of_parameter(error) &&
           server_encoding != NULL && strcmp(server_encoding, "UTF8") != 0 && message != NULL &&
           strstr(message, "UTF8") != NULL;
}

bool pg_error_is_conflict(const PGresult *error) {
    static const char *const conflicts[] = {"40001", "40P01", NULL};
    return is_one_of(pg_error_sqlstate(error), conflicts);
}

enum pg_failure pg_failure_of(const PGresult *error, const char *server_encoding) {
    static const char *const farewells[] = {"57P01", "57P02", "57P03", NULL};
    const char *sqlstate = pg_error_sqlstate(error);
    if (pg_error_is_conflict(error)) {
        return PG_CONFLICT;
    }
    if (is_of_no_such_text(error, server_encoding)) {
        return PG_NO_SUCH_TEXT;
    }
    return is_one_of(sqlstate, farewells) ? PG_SERVER_GONE : PG_FAILED_HERE;
}

/* The plan of a prepared statement gives other columns now. The error's code has other meanings,
 * its text is of any language, and its place in the server has been the same for ever. */
static bool is_of_stale_plan(const PGresult *error) {
    const char *function = PQresultErrorField(error, PG_DIAG_SOURCE_FUNCTION);
    return strcmp(pg_error_sqlstate(error), "0A000") == 0 && function != NULL &&
           strcmp(function, "RevalidateCachedQuery") == 0;
}

/* No such prepared statement; or messages that are not understood, or lead nowhere. */
static bool is_of_connection(const PGresult *error) {
    const char *sqlstate = pg_error_sqlstate(error);
    return strcmp(sqlstate, "26000") == 0 || is_of_class(sqlstate, "08");
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The connection is the link's own: a pooler says so, which names no place, or the server where it
 * reads its messages. A statement may run into the same with a connection of its own, of a foreign
 * table's, or raise it for a row. */
static bool is_of_own_messages(const PGresult *error) {
    const char *function = PQresultErrorField(error, PG_DIAG_SOURCE_FUNCTION);
    return function == NULL || strcmp(function, "FetchPreparedStatement") == 0 ||
           strncmp(function, "pq_", 3) == 0 ||
           (strncmp(function, "exec_", 5) == 0 && ends_with(function, "_message"));
}

bool pg_error_voids_session(const PGresult *error) {
    return (is_of_connection(error) && is_of_own_messages(error)) || is_of_stale_plan(error);
}

bool pg_error_doubts_session(const PGresult *error) {
    const char *sqlstate = pg_error_sqlstate(error);
    return is_of_class(sqlstate, "42") || is_of_class(sqlstate, "XX") || is_of_connection(error);
}

bool pg_error_doubts_bare_session(const PGresult *error) {
    const char *sqlstate = pg_error_sqlstate(error);
    return strcmp(sqlstate, "42501") == 0 || strcmp(sqlstate, "42P01") == 0 ||
           is_of_connection(error);
}

bool pg_error_is_cancellation(const PGresult *error) {
    return strcmp(pg_error_sqlstate(error), "57014") == 0;
}
