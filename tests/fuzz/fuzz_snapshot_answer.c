/*
 * fuzz_snapshot_answer.c - libFuzzer target: results made of any bytes, and what must hold of their
 * outcome and answer.
 *
 * The input is a shape and a list of rows: a kind, a number of bytes, and those. Raw rows are taken
 * as they are. In the others the fuzzer only chooses fields, so that it need not find out the
 * format of a record.
 */
#undef NDEBUG /* the assertions are the test */
#include "host-sample/snapshots/read.h"
#include "host-sample/snapshots/rows.h"
#include "input.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS        INT64_C(1795456897042)
#define LARGEST_VALUE 4096
#define MAX_INPUT     65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- input ---- */

static struct input take_part(struct input *input, size_t size) {
    const struct input part = {input->at, size < input->left ? size : input->left};
    input->at += part.left;
    input->left -= part.left;
    return part;
}

/* ---- rows ---- */

struct value {
    char bytes[LARGEST_VALUE];
    size_t length;
};

static void put(struct value *value, const void *bytes, size_t length) {
    assert(value->length + length <= sizeof(value->bytes));
    memcpy(value->bytes + value->length, bytes, length);
    value->length += length;
}

static void put_integer(struct value *value, uint32_t integer) {
    const uint8_t bytes[] = {(uint8_t)(integer >> 24), (uint8_t)(integer >> 16),
                             (uint8_t)(integer >> 8), (uint8_t)integer};
    put(value, bytes, sizeof(bytes));
}

/* Few ids, so that they meet: in the order, as waitpoints and as snapshots. */
static void put_id(struct value *value, struct input *input) {
    const uint8_t choice = take_byte(input);
    put_integer(value, 2);
    put(value, (const char[]){'w', (char)('a' + choice % 8)}, 2);
}

static void put_array(struct value *value, struct input *input) {
    const uint8_t count = take_byte(input) % 16;
    put_integer(value, 20 + 6u * count);
    put_integer(value, 1);
    put_integer(value, 0);
    put_integer(value, 25);
    put_integer(value, count);
    put_integer(value, 1);
    for (int i = 0; i < count; i++) {
        put_id(value, input);
    }
}

/* A well-formed field of the type that belongs there. */
static void put_good_field(struct value *value, enum field_type type, struct input *input) {
    switch (type) {
    case FIELD_TEXT:
        put_id(value, input);
        break;
    case FIELD_BOOLEAN:
        put_integer(value, 1);
        put(value, (const char[]){(char)(take_byte(input) % 2)}, 1);
        break;
    case FIELD_INTEGER:
        put_integer(value, 4);
        put_integer(value, take_byte(input));
        break;
    case FIELD_TIME:
        put_integer(value, 8);
        put_integer(value, 0);
        put_integer(value, take_byte(input) % 4);
        break;
    case FIELD_TEXT_ARRAY:
        put_array(value, input);
        break;
    }
}

/* Most often the one that is asked for. */
static void put_run(struct value *value, struct input *input) {
    put_integer(value, 2);
    put(value, take_byte(input) < 240 ? "wa" : "wb", 2);
}

static uint32_t oid_of(enum field_type type) {
    static const uint32_t oids[] = {[FIELD_TEXT] = 25,
                                    [FIELD_BOOLEAN] = 16,
                                    [FIELD_INTEGER] = 23,
                                    [FIELD_TIME] = 1114,
                                    [FIELD_TEXT_ARRAY] = 1009};
    return oids[type];
}

/* Well-formed, NULL, or any bytes. */
static void put_field(struct value *value, enum field_type type, struct input *input) {
    const uint8_t choice = take_byte(input);
    put_integer(value, oid_of(type));
    if (choice < 192) {
        put_good_field(value, type, input);
    } else if (choice < 224) {
        put_integer(value, UINT32_MAX);
    } else {
        const struct input part = take_part(input, choice - 224);
        put_integer(value, (uint32_t)part.left);
        put(value, part.at, part.left);
    }
}

#define FIELD_TYPE(name, column, type, null) type,
static const enum field_type lean_types[] = {SNAPSHOT_FIELDS(FIELD_TYPE, FIELD_TYPE)
                                                 LEAN_FIELDS(FIELD_TYPE) FIELD_BOOLEAN};
static const enum field_type full_types[] = {SNAPSHOT_FIELDS(FIELD_TYPE, FIELD_TYPE)};
static const enum field_type checkpoint_types[] = {CHECKPOINT_FIELDS(FIELD_TYPE, FIELD_TYPE)};
static const enum field_type waitpoint_types[] = {WAITPOINT_FIELDS(FIELD_TYPE, FIELD_TYPE)};

enum { CHECKPOINT_FIELD_COUNT = sizeof(checkpoint_types) / sizeof(checkpoint_types[0]) };

static void put_fields(struct value *value, const enum field_type *types, uint32_t count,
                       struct input *input) {
    put_integer(value, count);
    for (uint32_t i = 0; i < count; i++) {
        if (types == lean_types && i == SNAPSHOT_RUN_ID) {
            put_integer(value, 25);
            put_run(value, input);
        } else {
            put_field(value, types[i], input);
        }
    }
}

/* In a column that the result has; length -1: NULL. A row that is not there yet is added. */
static void set_column(PGresult *result, int row, int column, char *bytes, int length) {
    /* Memory of its exact size is what the sanitizer watches; libpq's copy has a NUL after it. */
    assert(column >= PQnfields(result) || PQsetvalue(result, row, column, bytes, length) != 0);
}

/* A field without the type and the length that precede it in a record. */
static void set_field(PGresult *result, int row, int column, enum field_type type,
                      struct input *input) {
    static struct value value;
    uint32_t length;
    value.length = 0;
    put_field(&value, type, input);
    memcpy(&length, value.bytes + 4, sizeof(length));
    set_column(result, row, column, value.bytes + 8, (int32_t)be32toh(length));
}

static void set_record(PGresult *result, int row, int column, const enum field_type *types,
                       uint32_t count, struct input *input) {
    static struct value value;
    value.length = 0;
    put_fields(&value, types, count, input);
    set_column(result, row, column, value.bytes, (int)value.length);
}

/* Its checkpoint is one, NULL or any bytes. */
static void add_full_row(PGresult *result, int row, struct input *input) {
    const uint8_t choice = take_byte(input);
    char wa[] = "wa";
    for (int i = 0; i < SNAPSHOT_FIELD_COUNT; i++) {
        if (i == SNAPSHOT_RUN_ID) {
            set_column(result, row, i, wa, take_byte(input) < 240 ? 2 : 1);
            continue;
        }
        set_field(result, row, i, full_types[i], input);
    }
    if (choice < 128) {
        set_record(result, row, CHECKPOINT_COLUMN, checkpoint_types, CHECKPOINT_FIELD_COUNT, input);
    } else if (choice >= 192) {
        set_field(result, row, CHECKPOINT_COLUMN, FIELD_TEXT, input);
    }
}

/* Of the question; the rows may belong to another. */
static const struct snapshot_question asked = {{"wb", 2}, {"wa", 2}, {NULL, 0}, true};

/* The good one, one of a missing row, or any bytes. */
static void set_head(PGresult *result, int row, struct input *input) {
    static char found[] = "wb\nwa\nrf0/1", missing[] = "wb\nwa\nrm0/1";
    const uint8_t choice = take_byte(input);
    if (choice < 224) {
        char *head = choice < 192 ? found : missing;
        set_column(result, row, HEAD_COLUMN, head, (int)strlen(head));
    } else {
        const struct input part = take_part(input, choice - 224);
        set_column(result, row, HEAD_COLUMN, (char *)(uintptr_t)part.at, (int)part.left);
    }
}

enum { RAW, ABSENT, LEAN, FULL, WAITPOINT, KINDS };

static void add_row(PGresult *result, struct input *input) {
    const int row = PQntuples(result);
    const uint8_t kind = take_byte(input) % KINDS;
    struct input part = take_part(input, take_byte(input));
    set_column(result, row, HEAD_COLUMN, NULL, -1);
    if (row == 0 || kind == LEAN) {
        set_head(result, row, &part);
    }
    if (kind == RAW) {
        const int column = part.left > 0 ? part.at[0] % PQnfields(result) : 0;
        set_column(result, row, column, (char *)(uintptr_t)part.at, (int)part.left);
    } else if (kind == LEAN) {
        set_record(result, row, LEAN_COLUMN, lean_types, LEAN_ROW_FIELD_COUNT, &part);
    } else if (kind == FULL) {
        add_full_row(result, row, &part);
    } else if (kind == WAITPOINT) {
        set_record(result, row, WAITPOINT_COLUMN, waitpoint_types, WAITPOINT_ROW_FIELD_COUNT,
                   &part);
    }
}

/* ---- what must hold ---- */

/* Braces and brackets match outside strings, and every string ends: JSON as far as that goes. */
static void check_json(const struct byte_buffer *json) {
    char open[8];
    size_t depth = 0;
    bool in_string = false;
    assert(json->length > 2 && json->data[0] == '{' && json->data[json->length - 1] == '}');
    for (size_t i = 0; i < json->length; i++) {
        const char character = json->data[i];
        assert((unsigned char)character >= 0x20);
        if (in_string) {
            i += character == '\\';
            in_string = character != '"';
        } else if (character == '{' || character == '[') {
            assert(depth < sizeof(open));
            open[depth++] = character;
        } else if (character == '}' || character == ']') {
            assert(depth > 0 && open[--depth] == (character == '}' ? '{' : '['));
            assert(json->data[i - 1] != ',');
        } else {
            in_string = character == '"';
        }
    }
    assert(depth == 0 && !in_string);
}

static void check(PGresult *result) {
    struct byte_buffer out = BYTE_BUFFER_EMPTY;
    struct snapshot_result read;
    const enum snapshot_outcome outcome = snapshot_read(&read, result_rows_all(result), &asked);
    const bool answered = snapshot_answer_write(&out, &read, NOW_MS);
    assert(answered == (outcome == SNAPSHOT_FOUND || outcome == SNAPSHOT_PARTIAL));
    assert(outcome != SNAPSHOT_MISSING || PQntuples(result) == 1);
    if (answered) {
        check_json(&out);
    }
    byte_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    if (size > MAX_INPUT) {
        return -1;
    }
    /* Of the lean statement, the full one, perhaps with an environment, or neither. */
    const uint8_t shape = take_byte(&input);
    const int full = FULL_COLUMN_COUNT + (shape % 4 == 3);
    const int count = shape == 254 ? 1 : shape % 2 == 0 ? LEAN_COLUMN_COUNT : full;
    PGresAttDesc columns[FULL_COLUMN_COUNT + 1];
    for (int i = 0; i < count; i++) {
        const bool is_field = i < SNAPSHOT_FIELD_COUNT && count >= FULL_COLUMN_COUNT;
        const uint32_t other = i < ENVIRONMENT_COLUMN ? 2249 : 25; /* a record, or text */
        columns[i] = (PGresAttDesc){.name = (char *)(uintptr_t)"r",
                                    .typid = is_field ? oid_of(full_types[i]) : other,
                                    .typlen = -1,
                                    .format = shape != 255};
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert(result != NULL && PQsetResultAttrs(result, count, columns) != 0);
    while (input.left > 0) {
        add_row(result, &input);
    }
    check(result);
    PQclear(result);
    return 0;
}
