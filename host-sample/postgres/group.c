/*
 * group.c - see group.h.
 */
#include "group.h"

#include <endian.h>
#include <limits.h>
#include <string.h>

enum { BINARY = 1, TEXT_OID = 25 };

uint32_t pg_group_limit(uint32_t bytes_each) {
    uint32_t limit = bytes_each > 0 ? PG_GROUP_RESULT_BYTES / bytes_each : PG_GROUP_MAX;
    limit = limit < PG_GROUP_MAX ? limit : PG_GROUP_MAX;
    return limit > 0 ? limit : 1;
}

void pg_group_append(struct pg_statement *last, struct pg_statement *statement) {
    statement->number = last->number + 1;
    statement->next_in_group = NULL;
    last->next_in_group = statement;
}

void pg_group_remove(struct pg_statement **first, struct pg_statement *statement) {
    struct pg_statement **at = first;
    while (*at != statement) {
        at = &(*at)->next_in_group;
    }
    *at = statement->next_in_group;
    statement->next_in_group = NULL;
}

/* ---- out ---- */

static void append_int32(struct byte_buffer *out, uint32_t value) {
    const char bytes[4] = {(char)(value >> 24), (char)(value >> 16), (char)(value >> 8),
                           (char)value};
    byte_buffer_append(out, bytes, sizeof(bytes));
}

/* The group's values of one parameter, as array_recv expects a text[]. */
static void append_array(struct byte_buffer *out, const struct pg_statement *first, int parameter) {
    uint32_t count = 0;
    for (const struct pg_statement *one = first; one != NULL; one = one->next_in_group) {
        count++;
    }
    append_int32(out, 1); /* dimension */
    append_int32(out, 0); /* no NULLs */
    append_int32(out, TEXT_OID);
    append_int32(out, count);
    append_int32(out, 1); /* the first element's number */
    for (const struct pg_statement *one = first; one != NULL; one = one->next_in_group) {
        const char *value = one->values[parameter];
        size_t length = one->lengths != NULL ? (size_t)one->lengths[parameter] : strlen(value);
        append_int32(out, (uint32_t)length);
        byte_buffer_append(out, value, length);
    }
}

bool pg_group_send(PGconn *conn, const struct pg_prepared *prepared, bool use_prepared,
                   const struct pg_statement *first, struct byte_buffer *scratch) {
    const char *values[PG_PARAMETERS_MAX];
    int lengths[PG_PARAMETERS_MAX];
    int formats[PG_PARAMETERS_MAX];
    size_t ends[PG_PARAMETERS_MAX];
    const int count = prepared->parameter_count;
    byte_buffer_reset(scratch, SIZE_MAX);
    for (int i = 0; i < count; i++) {
        append_array(scratch, first, i);
        ends[i] = scratch->length;
    }
    if (scratch->failed || scratch->length > INT_MAX) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        const size_t begin = i > 0 ? ends[i - 1] : 0;
        values[i] = scratch->data + begin;
        lengths[i] = (int)(ends[i] - begin);
        formats[i] = BINARY;
    }
    return (use_prepared ? PQsendQueryPrepared(conn, prepared->group_name, count, values, lengths,
                                               formats, BINARY)
                         : PQsendQueryParams(conn, prepared->group_sql, count, NULL, values,
                                             lengths, formats, BINARY)) == 1;
}

/* ---- in ---- */

/* Of a row that has one. */
static uint64_t number_of(const PGresult *result, int row) {
    uint64_t number;
    memcpy(&number, PQgetvalue(result, row, 0), sizeof(number));
    return be64toh(number);
}

bool pg_group_is_result(const PGresult *result, uint32_t reads) {
    const int rows = PQntuples(result);
    uint64_t before = 1;
    if (PQnfields(result) < 2 || PQfformat(result, 0) != BINARY) {
        return false;
    }
    for (int row = 0; row < rows; row++) {
        if (PQgetlength(result, row, 0) != sizeof(uint64_t)) {
            return false;
        }
        const uint64_t number = number_of(result, row);
        if (number < before || number > reads) {
            return false;
        }
        before = number;
    }
    return true;
}

struct result_rows pg_group_rows(PGresult *result, uint32_t number, int *at) {
    const int rows = PQntuples(result);
    while (*at < rows && number_of(result, *at) < number) {
        (*at)++; /* of a read that was forgotten */
    }
    const int first = *at;
    while (*at < rows && number_of(result, *at) == number) {
        (*at)++;
    }
    return (struct result_rows){
        .result = result, .first = first, .count = *at - first, .column = 1};
}
