/*
 * rows.c - see rows.h. Nothing is read before its length has been checked.
 */
#include "rows.h"

#include "host-sample/base/utc_date.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* 2000-01-01, where PostgreSQL's timestamps begin. */
#define POSTGRES_EPOCH_MS INT64_C(946684800000)

struct field_rule {
    enum field_type type;
    bool required;
    const char *column; /* with its table, for people */
};

#define REQUIRED                              true
#define NULLABLE                              false
#define RULE(name, table, column, type, null) [name] = {type, null, table " " column},
#define OF_SNAPSHOT(name, column, type, null)                                                      \
    RULE(name, "TaskRunExecutionSnapshot", column, type, null)
#define OF_CHECKPOINT(name, column, type, null) RULE(name, "TaskRunCheckpoint", column, type, null)
#define OF_WAITPOINT(name, column, type, null)  RULE(name, "Waitpoint", column, type, null)

static const struct field_rule lean_rules[] = {
    SNAPSHOT_FIELDS(OF_SNAPSHOT, OF_SNAPSHOT)
        LEAN_FIELDS(OF_SNAPSHOT)[LEAN_HAS_LINK] = {FIELD_BOOLEAN, NULLABLE, NULL}};
static const struct field_rule full_rules[] = {SNAPSHOT_FIELDS(OF_SNAPSHOT, OF_SNAPSHOT)
                                                   CHECKPOINT_FIELDS(OF_CHECKPOINT, OF_CHECKPOINT)};
static const struct field_rule waitpoint_rules[] = {WAITPOINT_FIELDS(OF_WAITPOINT, OF_WAITPOINT)};
static const struct field_rule environment_rule = {FIELD_TEXT, NULLABLE,
                                                   "TaskRunExecutionSnapshot n.\"environmentId\""};

enum { CHECKPOINT_FIELD_COUNT = (int)FULL_ROW_FIELD_COUNT - (int)SNAPSHOT_FIELD_COUNT };

static_assert((int)LEAN_COLUMN_COUNT < (int)FULL_COLUMN_COUNT,
              "the number of columns tells which statement's they are");
static_assert(LEAN_ROW_FIELD_COUNT <= ROW_MAX_FIELDS && FULL_ROW_FIELD_COUNT <= ROW_MAX_FIELDS &&
                  WAITPOINT_ROW_FIELD_COUNT <= ROW_MAX_FIELDS,
              "every row fits");

/* ---- bytes ---- */

/* What is left of a value. */
struct cursor {
    const char *at;
    size_t size;
};

static bool take_integer(struct cursor *cursor, int32_t *value) {
    uint32_t bytes;
    if (cursor->size < sizeof(bytes)) {
        return false;
    }
    memcpy(&bytes, cursor->at, sizeof(bytes));
    *value = (int32_t)be32toh(bytes);
    cursor->at += sizeof(bytes);
    cursor->size -= sizeof(bytes);
    return true;
}

/* A length, -1 for NULL, and that many bytes. */
static bool take_text(struct cursor *cursor, struct text *text) {
    int32_t length;
    if (!take_integer(cursor, &length) || length < -1) {
        return false;
    }
    *text = (struct text){.bytes = NULL};
    if (length >= 0) {
        if ((size_t)length > cursor->size) {
            return false;
        }
        *text = (struct text){.bytes = cursor->at, .length = (size_t)length};
        cursor->at += length;
        cursor->size -= (size_t)length;
    }
    return true;
}

/* ---- arrays ---- */

/* Dimensions, a flag, the element type's OID; for each dimension its size and lower bound; then the
 * elements. An empty array has no dimension. */
static bool open_array(const struct text *value, struct text_array *array) {
    struct cursor cursor = {value->bytes, value->length};
    int32_t dimensions, flag, type, lower_bound;
    int32_t count = 0;
    bool good = take_integer(&cursor, &dimensions) && take_integer(&cursor, &flag) &&
                take_integer(&cursor, &type) && (dimensions == 0 || dimensions == 1);
    if (good && dimensions == 1) {
        good = take_integer(&cursor, &count) && take_integer(&cursor, &lower_bound) && count >= 0;
    }
    *array = (struct text_array){.at = cursor.at, .size = cursor.size, .count = count};
    return good;
}

bool text_array_next(struct text_array *array, struct text *text) {
    struct cursor cursor = {array->at, array->size};
    if (array->count == 0 || !take_text(&cursor, text)) {
        return false;
    }
    *array = (struct text_array){.at = cursor.at, .size = cursor.size, .count = array->count - 1};
    return true;
}

/* All elements are there, and nothing else. */
static bool is_array(const struct text *value) {
    struct text_array array;
    struct text element;
    if (!open_array(value, &array)) {
        return false;
    }
    while (text_array_next(&array, &element)) {
    }
    return array.count == 0 && array.size == 0;
}

struct text_array row_text_array(const struct row *row, int field) {
    struct text_array array = {.count = 0};
    if (row->fields[field].bytes != NULL) {
        (void)open_array(&row->fields[field], &array);
    }
    return array;
}

/* ---- fields ---- */

bool row_is_blank(const struct row *row, int field) {
    return row->fields[field].length == 0;
}

bool row_boolean(const struct row *row, int field) {
    return row->fields[field].bytes[0] != 0;
}

/* Of two, four or eight bytes, the first bit the sign. */
int64_t row_integer(const struct row *row, int field) {
    const struct text *value = &row->fields[field];
    uint64_t bits = (value->bytes[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < value->length; i++) {
        bits = bits << 8 | (unsigned char)value->bytes[i];
    }
    return (int64_t)bits;
}

static int64_t time_of(const struct text *value) {
    uint64_t bytes;
    memcpy(&bytes, value->bytes, sizeof(bytes));
    return (int64_t)be64toh(bytes);
}

static int64_t unix_ms_of(const struct text *value) {
    const int64_t us = time_of(value);
    return us / 1000 - (us % 1000 < 0) + POSTGRES_EPOCH_MS;
}

int64_t row_time(const struct row *row, int field) {
    return time_of(&row->fields[field]);
}

int64_t row_unix_ms(const struct row *row, int field) {
    return unix_ms_of(&row->fields[field]);
}

static bool is_of_type(const struct text *value, enum field_type type) {
    switch (type) {
    case FIELD_TEXT:
        return true;
    case FIELD_BOOLEAN:
        return value->length == 1;
    case FIELD_INTEGER:
        return value->length == 2 || value->length == 4 || value->length == 8;
    case FIELD_TIME:
        return value->length == sizeof(int64_t) && utc_date_is_printable(unix_ms_of(value));
    case FIELD_TEXT_ARRAY:
        return is_array(value);
    }
    return false;
}

/* An enum's, a domain's, an extension's: what it is sent as only its bytes tell. No text has a NUL,
 * as numbers have, and what has a format of its own (jsonb in a domain, ltree) begins with the
 * format's version. */
static bool may_be_text(const struct text *value) {
    return value->length == 0 ||
           (value->bytes[0] != 1 && memchr(value->bytes, '\0', value->length) == NULL);
}

/* By its number in pg_type.dat, which has never changed. A real is as long as an integer, and jsonb
 * is no text: what a column of another type holds would be answered as what it is not. */
static bool is_builtin_for(uint32_t oid, enum field_type type) {
    enum { INT8 = 20, INT2 = 21, INT4 = 23 };
    enum { BOOL = 16, NAME = 19, TEXT = 25, JSON = 114, BPCHAR = 1042, VARCHAR = 1043 };
    enum { NAMES = 1003, TEXTS = 1009, BPCHARS = 1014, VARCHARS = 1015 };
    enum { TIMESTAMP = 1114, TIMESTAMPTZ = 1184 };
    switch (type) {
    case FIELD_TEXT:
        return oid == TEXT || oid == VARCHAR || oid == BPCHAR || oid == NAME || oid == JSON;
    case FIELD_BOOLEAN:
        return oid == BOOL;
    case FIELD_INTEGER:
        return oid == INT4 || oid == INT8 || oid == INT2;
    case FIELD_TIME:
        return oid == TIMESTAMP || oid == TIMESTAMPTZ;
    case FIELD_TEXT_ARRAY:
        return oid == TEXTS || oid == VARCHARS || oid == BPCHARS || oid == NAMES;
    }
    return false;
}

static bool is_type_for(uint32_t oid, enum field_type type, const struct text *value) {
    enum { FIRST_OWN = 16384 }; /* from here on they are the database's own */
    return oid < FIRST_OWN ? is_builtin_for(oid, type) : type != FIELD_TEXT || may_be_text(value);
}

/* ---- rows ---- */

static bool fields_fit(const struct text *fields, const struct field_rule *rules, int count,
                       const char **fault) {
    for (int i = 0; i < count; i++) {
        const bool null = fields[i].bytes == NULL;
        if (null ? rules[i].required : !is_of_type(&fields[i], rules[i].type)) {
            *fault = rules[i].column;
            return false;
        }
    }
    return true;
}

/* Of a composite value: the OID of its type, and its value. A NULL is one of any type. */
static bool take_field(struct cursor *cursor, const struct field_rule *rule, struct text *field,
                       const char **fault) {
    int32_t oid;
    if (!take_integer(cursor, &oid) || !take_text(cursor, field)) {
        return false;
    }
    const bool good = field->bytes == NULL || is_type_for((uint32_t)oid, rule->type, field);
    *fault = good ? NULL : rule->column;
    return good;
}

/* A composite value of `count` fields, or one more, the environment, if it may have one: their
 * number, and then they. */
static bool take_composite(const struct text *value, const struct field_rule *rules,
                           struct text *fields, int count, struct text *environment,
                           const char **fault) {
    struct cursor cursor = {value->bytes, value->length};
    int32_t sent;
    if (!take_integer(&cursor, &sent) ||
        (sent != count && (environment == NULL || sent != count + 1))) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!take_field(&cursor, &rules[i], &fields[i], fault)) {
            return false;
        }
    }
    if (sent > count && !take_field(&cursor, &environment_rule, environment, fault)) {
        return false;
    }
    return cursor.size == 0;
}

static struct text take_column(const struct result_rows *rows, int number, int column) {
    const int row = rows->first + number;
    const int length = PQgetlength(rows->result, row, rows->column + column);
    if (length == 0 && PQgetisnull(rows->result, row, rows->column + column) != 0) {
        return (struct text){.bytes = NULL};
    }
    return (struct text){PQgetvalue(rows->result, row, rows->column + column), (size_t)length};
}

static enum row_kind read_lean(const struct result_rows *rows, int number, struct row *row) {
    const struct text value = take_column(rows, number, LEAN_COLUMN);
    if (value.bytes == NULL) {
        return ROW_NOTHING;
    }
    return take_composite(&value, lean_rules, row->fields, LEAN_ROW_FIELD_COUNT, &row->environment,
                          &row->fault) &&
                   fields_fit(row->fields, lean_rules, LEAN_ROW_FIELD_COUNT, &row->fault)
               ? ROW_LEAN
               : ROW_MALFORMED;
}

static bool take_checkpoint(const struct text *value, struct row *row) {
    struct text *fields = row->fields + SNAPSHOT_FIELD_COUNT;
    if (value->bytes == NULL) {
        fields[0] = *value; /* a NULL here stands for all of them */
        return true;
    }
    const struct field_rule *rules = full_rules + SNAPSHOT_FIELD_COUNT;
    return take_composite(value, rules, fields, CHECKPOINT_FIELD_COUNT, NULL, &row->fault) &&
           fields_fit(fields, rules, CHECKPOINT_FIELD_COUNT, &row->fault);
}

static bool take_waitpoint(const struct text *value, struct row *row) {
    return take_composite(value, waitpoint_rules, row->fields, WAITPOINT_ROW_FIELD_COUNT, NULL,
                          &row->fault) &&
           (row->fields[WAITPOINT_ID].bytes == NULL ||
            fields_fit(row->fields, waitpoint_rules, WAITPOINT_ROW_FIELD_COUNT, &row->fault));
}

static int column_count(const struct result_rows *rows) {
    return PQnfields(rows->result) - rows->column;
}

static enum row_kind read_full(const struct result_rows *rows, int number, struct row *row) {
    const struct text waitpoint = take_column(rows, number, WAITPOINT_COLUMN);
    const struct text checkpoint = take_column(rows, number, CHECKPOINT_COLUMN);
    const bool is_head = number == 0;
    int values = 0;
    if (column_count(rows) > ENVIRONMENT_COLUMN) {
        row->environment = take_column(rows, number, ENVIRONMENT_COLUMN);
        values += row->environment.bytes != NULL;
    }
    for (int i = 0; i < SNAPSHOT_FIELD_COUNT; i++) {
        row->fields[i] = take_column(rows, number, i);
        values += row->fields[i].bytes != NULL;
    }
    if (is_head) {
        return row->fields[HEAD_COLUMN].bytes != NULL && values == 1 && checkpoint.bytes == NULL &&
                       waitpoint.bytes == NULL
                   ? ROW_NOTHING
                   : ROW_MALFORMED;
    }
    if (waitpoint.bytes == NULL) {
        return fields_fit(row->fields, full_rules, SNAPSHOT_FIELD_COUNT, &row->fault) &&
                       take_checkpoint(&checkpoint, row)
                   ? ROW_FULL
                   : ROW_MALFORMED;
    }
    return values == 0 && checkpoint.bytes == NULL && take_waitpoint(&waitpoint, row)
               ? ROW_WAITPOINT
               : ROW_MALFORMED;
}

bool rows_have_columns(const struct result_rows *rows) {
    const int count = column_count(rows);
    bool binary = true;
    for (int i = 0; i < count; i++) {
        binary = binary && PQfformat(rows->result, rows->column + i) == 1;
    }
    return binary && (count == LEAN_COLUMN_COUNT || count == FULL_COLUMN_COUNT ||
                      count == ENVIRONMENT_COLUMN + 1);
}

struct text rows_head(const struct result_rows *rows) {
    return rows->count > 0 ? take_column(rows, 0, HEAD_COLUMN) : (struct text){.bytes = NULL};
}

bool rows_are_lean(const struct result_rows *rows) {
    return column_count(rows) == LEAN_COLUMN_COUNT;
}

/* A NULL is one of any type. The head is not looked at. */
static bool column_has_type(const struct result_rows *rows, int column, enum field_type type) {
    const uint32_t oid = PQftype(rows->result, rows->column + column);
    if (is_builtin_for(oid, type)) {
        return true;
    }
    for (int number = 1; number < rows->count; number++) {
        const struct text value = take_column(rows, number, column);
        if (value.bytes != NULL && !is_type_for(oid, type, &value)) {
            return false;
        }
    }
    return true;
}

const char *rows_column_of_other_type(const struct result_rows *rows) {
    for (int i = 0; i < SNAPSHOT_FIELD_COUNT; i++) {
        if (!column_has_type(rows, i, full_rules[i].type)) {
            return full_rules[i].column;
        }
    }
    return column_count(rows) == FULL_COLUMN_COUNT ||
                   column_has_type(rows, ENVIRONMENT_COLUMN, environment_rule.type)
               ? NULL
               : environment_rule.column;
}

enum row_kind row_read(const struct result_rows *rows, int number, struct row *row) {
    row->environment = (struct text){.bytes = NULL};
    row->fault = NULL;
    return rows_are_lean(rows) ? read_lean(rows, number, row) : read_full(rows, number, row);
}

bool row_waitpoint_id(const struct result_rows *rows, int number, struct text *id) {
    const struct text waitpoint = take_column(rows, number, WAITPOINT_COLUMN);
    struct cursor cursor = {waitpoint.bytes, waitpoint.length};
    int32_t count, oid;
    return take_integer(&cursor, &count) && take_integer(&cursor, &oid) && take_text(&cursor, id) &&
           id->bytes != NULL;
}

void row_read_waitpoint(const struct result_rows *rows, int number, struct row *row) {
    const struct text waitpoint = take_column(rows, number, WAITPOINT_COLUMN);
    (void)take_waitpoint(&waitpoint, row);
}
