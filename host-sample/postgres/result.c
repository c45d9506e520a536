/*
 * result.c - see result.h.
 */
#include "result.h"

const char *pg_result_error(const PGresult *result) {
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (text == NULL) {
        text = PQresultErrorMessage(result); /* libpq's own errors have no fields */
    }
    return text[0] != '\0' ? text : "the server answered, but not what it was asked";
}

bool pg_single_value(const PGresult *result, uint64_t *value) {
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 ||
        PQnfields(result) != 1 || PQfformat(result, 0) != 1) {
        return false;
    }
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, 0, 0);
    const int length = PQgetlength(result, 0, 0); /* of a NULL 0 */
    if (length < 1 || length > 8) {
        return false;
    }
    *value = 0;
    for (int i = 0; i < length; i++) { /* big-endian, like all of PostgreSQL's binary formats */
        *value = *value << 8 | bytes[i];
    }
    return true;
}
