/*
 * failure.c - see failure.h.
 */
#include "failure.h"

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

static bool is_of_class(const char *sqlstate, const char *class) {
    return strncmp(sqlstate, class, 2) == 0;
}

/* Not of a row's text, which may lack a character in the client's encoding and says nothing about
 * the parameters. From PostgreSQL 14 on the error's context names the parameter. */
static bool is_of_parameter(const PGresult *error) {
    const char *context = PQresultErrorField(error, PG_DIAG_CONTEXT);
    return context != NULL && strchr(context, '$') != NULL;
}

enum pg_failure pg_failure_of(const PGresult *error) {
    static const char *const conflicts[] = {"40001", "40P01", NULL};
    static const char *const encodings[] = {"22021", "22P05", NULL};
    static const char *const farewells[] = {"57P01", "57P02", "57P03", NULL};
    const char *sqlstate = pg_error_sqlstate(error);
    if (is_one_of(sqlstate, conflicts)) {
        return PG_CONFLICT;
    }
    if (is_one_of(sqlstate, encodings) && is_of_parameter(error)) {
        return PG_NO_SUCH_TEXT;
    }
    return is_one_of(sqlstate, farewells) ? PG_SERVER_GONE : PG_FAILED_HERE;
}

bool pg_error_voids_session(const PGresult *error, bool of_prepared) {
    static const char *const always[] = {
        "26000", /* no such prepared statement */
        "0A000", /* cached plan must not change result type */
        NULL,
    };
    static const char insufficient_privilege[] = "42501"; /* a new session has no more */
    const char *sqlstate = pg_error_sqlstate(error);
    if (is_one_of(sqlstate, always) || is_of_class(sqlstate, "08")) {
        return true;
    }
    /* Of a statement that was all right: a table, column or type that it names is another one now,
     * or gone, and something else may stand in its place (XX000: in the midst of the change). */
    return of_prepared && strcmp(sqlstate, insufficient_privilege) != 0 &&
           (is_of_class(sqlstate, "42") || is_of_class(sqlstate, "XX"));
}

bool pg_error_is_cancellation(const PGresult *error) {
    return strcmp(pg_error_sqlstate(error), "57014") == 0;
}
