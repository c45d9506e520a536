/*
 * snapshot_rows.c - see snapshot_rows.h. Nothing is read before its length is known to be there.
 */
#include "snapshot_rows.h"

#include "utc_date.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* 2000-01-01, where PostgreSQL's timestamps begin. */
#define POSTGRES_EPOCH_MS INT64_C(946684800000)

struct field_rule {
    enum field_type type;
    bool required;
};

#define REQUIRED                             true
#define NULLABLE                             false
#define FIELD_RULE(name, column, type, null) [name] = {type, null},

static const struct field_rule lean_rules[] = {SNAPSHOT_FIELDS(FIELD_RULE, FIELD_RULE)
                                                   LEAN_FIELDS(FIELD_RULE)};
static const struct field_rule full_rules[] = {SNAPSHOT_FIELDS(FIELD_RULE, FIELD_RULE)
                                                   CHECKPOINT_FIELDS(FIELD_RULE, FIELD_RULE)};
static const struct field_rule waitpoint_rules[] = {WAITPOINT_FIELDS(FIELD_RULE, FIELD_RULE)};

/* As they come: a full row's checkpoint is one field. */
enum {
    CHECKPOINT_FIELD_COUNT = FULL_ROW_FIELD_COUNT - SNAPSHOT_FIELD_COUNT,
    FULL_ROW_SENT_COUNT = SNAPSHOT_FIELD_COUNT + 1
};

static_assert((int)LEAN_ROW_FIELD_COUNT != (int)FULL_ROW_SENT_COUNT &&
                  (int)FULL_ROW_SENT_COUNT != (int)WAITPOINT_ROW_FIELD_COUNT &&
                  (int)LEAN_ROW_FIELD_COUNT != (int)WAITPOINT_ROW_FIELD_COUNT,
              "a row's number of fields tells what it is");
static_assert(LEAN_ROW_FIELD_COUNT <= ROW_MOST_FIELDS && FULL_ROW_FIELD_COUNT <= ROW_MOST_FIELDS &&
                  WAITPOINT_ROW_FIELD_COUNT <= ROW_MOST_FIELDS,
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

/* A length, -1 for NULL, and as many bytes. */
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

int32_t row_integer(const struct row *row, int field) {
    uint32_t bytes;
    memcpy(&bytes, row->fields[field].bytes, sizeof(bytes));
    return (int32_t)be32toh(bytes);
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
        return value->length == sizeof(int32_t);
    case FIELD_TIME:
        return value->length == sizeof(int64_t) && utc_date_is_printable(unix_ms_of(value));
    case FIELD_TEXT_ARRAY:
        return is_array(value);
    }
    return false;
}

/* ---- rows ---- */

static bool obey(const struct text *fields, const struct field_rule *rules, int count) {
    for (int i = 0; i < count; i++) {
        const bool null = fields[i].bytes == NULL;
        if (null ? rules[i].required : !is_of_type(&fields[i], rules[i].type)) {
            return false;
        }
    }
    return true;
}

/* A number of fields; for each the OID of its type, which is not looked at, and its value. Returns
 * the number, 0 if that is not what stands there. */
static int32_t take_fields(struct cursor cursor, struct text *fields, int32_t most) {
    int32_t count;
    if (!take_integer(&cursor, &count) || count < 1 || count > most) {
        return 0;
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t type;
        if (!take_integer(&cursor, &type) || !take_text(&cursor, &fields[i])) {
            return 0;
        }
    }
    return cursor.size == 0 ? count : 0;
}

/* Puts the fields of the checkpoint in the place of the one that they came in. */
static bool take_checkpoint(struct row *row) {
    const struct text sent = row->fields[SNAPSHOT_FIELD_COUNT];
    struct text *fields = row->fields + SNAPSHOT_FIELD_COUNT;
    if (sent.bytes == NULL) {
        fields[0] = sent; /* the first NULL says it of all */
        return true;
    }
    return take_fields((struct cursor){sent.bytes, sent.length}, fields, CHECKPOINT_FIELD_COUNT) ==
               CHECKPOINT_FIELD_COUNT &&
           obey(fields, full_rules + SNAPSHOT_FIELD_COUNT, CHECKPOINT_FIELD_COUNT);
}

enum row_kind row_read(const struct result_rows *rows, int number, struct row *row) {
    const int at = rows->first + number;
    const struct cursor value = {PQgetvalue(rows->result, at, rows->column),
                                 (size_t)PQgetlength(rows->result, at, rows->column)};
    bool good = false;
    enum row_kind kind = ROW_MALFORMED;
    switch (take_fields(value, row->fields, ROW_MOST_FIELDS)) { /* a NULL has no bytes, so none */
    case LEAN_ROW_FIELD_COUNT:
        kind = ROW_LEAN;
        good = obey(row->fields, lean_rules, LEAN_ROW_FIELD_COUNT);
        break;
    case FULL_ROW_SENT_COUNT:
        kind = ROW_FULL;
        good = obey(row->fields, full_rules, SNAPSHOT_FIELD_COUNT) && take_checkpoint(row);
        break;
    case WAITPOINT_ROW_FIELD_COUNT:
        kind = ROW_WAITPOINT;
        good = row->fields[0].bytes == NULL ||
               obey(row->fields, waitpoint_rules, WAITPOINT_ROW_FIELD_COUNT);
        break;
    default:
        break;
    }
    return good ? kind : ROW_MALFORMED;
}
