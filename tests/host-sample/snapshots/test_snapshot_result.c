/*
 * test_snapshot_result.c - hand-made results that no server would send, or only one with other
 * tables; results of many rows; and memory that runs out. No server.
 *
 * Linked with --wrap for malloc and realloc, so that the N-th allocation can be made to fail, for
 * every N.
 */
#include "host-sample/base/utc_date.h"
#include "host-sample/snapshots/read.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* 2026-11-23T18:01:37.042Z */
#define NOW_MS INT64_C(1795456897042)

/* ---- allocations that fail ---- */

/* Weak, so that a program linked without --wrap says so by a failing test. */
void *__real_malloc(size_t size) __attribute__((weak));
void *__real_realloc(void *block, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);

static unsigned allocations;        /* since it was set to 0 */
static unsigned failing_allocation; /* 1-based; 0: none */

void *__wrap_malloc(size_t size) {
    return ++allocations == failing_allocation ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *block, size_t size) {
    return ++allocations == failing_allocation ? NULL : __real_realloc(block, size);
}

/* ---- results made by hand ---- */

struct field {
    const char *bytes; /* NULL: a NULL */
    int length;
};

#define BYTES(literal) {(literal), sizeof(literal) - 1}
#define NOTHING        {NULL, -1}
#define TRUE           BYTES("\x01")
#define FALSE          BYTES("\0")
#define DATE           BYTES("\0\x02\xe9\x0e\xdf\xb1\xa0\x00")
#define DATE_TEXT      "2025-12-16T11:34:05.195Z"
#define ORDER_W1_W2    BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\2w1\0\0\0\2w2")

/* Of the checkpoint's composite value. */
static const struct field checkpoint[] = {BYTES("c1"),   BYTES("checkpoint_c1"), BYTES("DOCKER"),
                                          BYTES("here"), BYTES("img"),           BYTES("why")};

/* Of the lean statement, of the full one (whose last column is the checkpoint), and a waitpoint. */
#define SNAPSHOT_OF_ROW                                                                            \
    BYTES("s2"), BYTES("EXECUTING"), BYTES("d"), BYTES("r1"), BYTES("EXECUTING"), NOTHING,         \
        BYTES("\0\0\0\1"), ORDER_W1_W2, DATE
static const struct field lean_row[] = {SNAPSHOT_OF_ROW, FALSE, FALSE};
static const struct field full_row[] = {SNAPSHOT_OF_ROW, NOTHING};
static const struct field waitpoint_row[] = {BYTES("w1"),  BYTES("waitpoint_w1"),
                                             BYTES("RUN"), DATE,
                                             BYTES("key"), TRUE,
                                             NOTHING,      BYTES("r9"),
                                             DATE,         BYTES("b9"),
                                             BYTES("o"),   BYTES("text/plain"),
                                             FALSE};

/* What may be NULL in a row that is there. */
static const int lean_nullable[] = {5, 6, 7, 10, -1};               /* 10: links, unknown */
static const int full_nullable[] = {5, 6, 7, 9, -1};                /* 9: no checkpoint */
static const int waitpoint_nullable[] = {0, 3, 6, 7, 8, 9, 10, -1}; /* 0: no waitpoint */

/* Of another length than these, a field is malformed; 0: any length will do; -1: an array. Another
 * run makes the row foreign. */
enum { NO_LENGTH = 99, RUN = 98 };
static const int lean_lengths[] = {0, 0, 0, RUN, 0, 0, 4, -1, 8, 1, 1, 0}; /* an environment */
static const int full_lengths[] = {0, 0, 0, RUN, 0, 0, 4, -1, 8, NO_LENGTH};
static const int waitpoint_lengths[] = {0, 0, 0, 8, 0, 1, 0, 0, 8, 0, 0, 0, 1};

static const struct {
    const struct field *fields;
    int count;
    const int *nullable, *lengths;
} kinds[] = {
    [ROW_LEAN] = {lean_row, COUNT(lean_row), lean_nullable, lean_lengths},
    [ROW_FULL] = {full_row, COUNT(full_row), full_nullable, full_lengths},
    [ROW_WAITPOINT] = {waitpoint_row, COUNT(waitpoint_row), waitpoint_nullable, waitpoint_lengths},
};

/* What comes as a composite value, and in which column. */
static const struct {
    const struct field *fields;
    int count, columns, column;
} composites[] = {
    {lean_row, COUNT(lean_row), LEAN_COLUMN_COUNT, LEAN_COLUMN},
    {waitpoint_row, COUNT(waitpoint_row), FULL_COLUMN_COUNT, WAITPOINT_COLUMN},
    {checkpoint, COUNT(checkpoint), FULL_COLUMN_COUNT, CHECKPOINT_COLUMN},
};

/* The type of a field whose length is so given: text, integer, timestamp, boolean, text[]. */
static uint32_t type_of_length(int length) {
    return length == 4 ? 23 : length == 8 ? 1114 : length == 1 ? 16 : length == -1 ? 1009 : 25;
}

/* Where it is not 0, all fields are of this type; or one of them, if that is not -1. */
static uint32_t only_type;
static int only_field = -1;

static uint32_t type_of(const int *lengths, int field) {
    const uint32_t own = lengths != NULL ? type_of_length(lengths[field]) : 25;
    return only_type != 0 && (only_field == -1 || only_field == field) ? only_type : own;
}

enum { MAX_FIELDS = 17 };

static void put_integer(struct byte_buffer *out, int32_t value) {
    const uint32_t bytes = htobe32((uint32_t)value);
    byte_buffer_append(out, (const char *)&bytes, sizeof(bytes));
}

static const int *lengths_of(int count) {
    const bool lean = count == COUNT(lean_row) || count == COUNT(lean_lengths);
    return lean ? lean_lengths : count == COUNT(waitpoint_row) ? waitpoint_lengths : NULL;
}

static void put_fields(struct byte_buffer *out, const struct field *fields, int count) {
    put_integer(out, count);
    for (int i = 0; i < count; i++) {
        put_integer(out, (int32_t)type_of(lengths_of(count), i));
        put_integer(out, fields[i].length);
        if (fields[i].length > 0) {
            byte_buffer_append(out, fields[i].bytes, (size_t)fields[i].length);
        }
    }
}

/* Where it has bytes, a snapshot's row says that it is of this environment. */
static struct field environment;

static PGresult *empty_result(int columns, int format) {
    PGresAttDesc descriptions[MAX_FIELDS];
    for (int i = 0; i < MAX_FIELDS; i++) {
        const bool is_field = i < CHECKPOINT_COLUMN && columns != LEAN_COLUMN_COUNT;
        const uint32_t other = i < ENVIRONMENT_COLUMN ? 2249 : 25; /* a record, or text */
        descriptions[i] = (PGresAttDesc){.name = (char *)(uintptr_t)"r",
                                         .typid = is_field ? type_of(full_lengths, i) : other,
                                         .typlen = -1,
                                         .atttypmod = -1,
                                         .format = format};
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    ck_assert_ptr_nonnull(result);
    ck_assert_int_ne(PQsetResultAttrs(result, columns, descriptions), 0);
    return result;
}

/* In a row that there is, or one more, whose other columns are NULL. */
static void set_value(PGresult *result, int row, int column, struct field value) {
    /* A copy of its exact size, though libpq's own copy has a NUL after it. */
    ck_assert_int_ne(PQsetvalue(result, row, column, (char *)(uintptr_t)value.bytes, value.length),
                     0);
}

static void set_composite(PGresult *result, int row, int column, const struct field *fields,
                          int count) {
    struct byte_buffer value = BYTE_BUFFER_EMPTY;
    put_fields(&value, fields, count);
    ck_assert(!value.failed);
    set_value(result, row, column, (struct field){value.data, (int)value.length});
    byte_buffer_free(&value);
}

/* What all results here are asked for, unless a test says otherwise, and their head. */
static const struct snapshot_question asked = {{"s1", 2}, {"r1", 2}, {NULL, 0}, true};
#define HEAD(letters) BYTES("s1\nr1\n" letters "16/B374D848")

static void add_head(PGresult *result) {
    set_value(result, PQntuples(result), HEAD_COLUMN, (struct field)HEAD("rf"));
}

static void add_lean_row(PGresult *result, const struct field *fields, int count) {
    struct field with_environment[MAX_FIELDS];
    memcpy(with_environment, fields, (size_t)count * sizeof(*fields));
    with_environment[count] = environment;
    const int row = PQntuples(result);
    add_head(result);
    set_composite(result, row, LEAN_COLUMN, with_environment, count + (environment.bytes != NULL));
}

/* The good row of a waitpoint stands for as many as are added: each has an id of its own. */
static void add_waitpoint(PGresult *result, const struct field *fields, int count) {
    struct field with_id[COUNT(waitpoint_row)];
    char id[16];
    const int row = PQntuples(result);
    if (fields == waitpoint_row) {
        memcpy(with_id, waitpoint_row, sizeof(waitpoint_row));
        with_id[WAITPOINT_ID] = (struct field){id, snprintf(id, sizeof(id), "w%d", row)};
        fields = with_id;
    }
    set_composite(result, row, WAITPOINT_COLUMN, fields, count);
}

static void add_row(PGresult *result, enum row_kind kind, const struct field *fields, int count) {
    const int row = PQntuples(result);
    if (kind == ROW_FULL) {
        for (int i = 0; i < count; i++) {
            set_value(result, row, i, fields[i]);
        }
        if (environment.bytes != NULL) {
            set_value(result, row, ENVIRONMENT_COLUMN, environment);
        }
    } else if (kind == ROW_LEAN) {
        add_lean_row(result, fields, count);
    } else {
        add_waitpoint(result, fields, count);
    }
}

static PGresult *begin_result(enum row_kind kind) {
    const int full = FULL_COLUMN_COUNT + (environment.bytes != NULL);
    PGresult *result = empty_result(kind == ROW_LEAN ? LEAN_COLUMN_COUNT : full, 1);
    if (kind != ROW_LEAN) {
        add_head(result);
    }
    return result;
}

/* Writes only what the outcome promises; nothing at all of what is malformed or missing. */
static enum snapshot_outcome judge(PGresult *result) {
    struct byte_buffer out = BYTE_BUFFER_EMPTY;
    struct snapshot_result read;
    const enum snapshot_outcome outcome = snapshot_read(&read, result_rows_all(result), &asked);
    const bool expected = outcome == SNAPSHOT_FOUND || outcome == SNAPSHOT_PARTIAL;
    ck_assert(snapshot_answer_write(&out, &read, NOW_MS) == expected);
    ck_assert(!out.failed);
    byte_buffer_free(&out);
    PQclear(result);
    return outcome;
}

/* A waitpoint's row alone would be malformed: it follows a snapshot's. */
static enum snapshot_outcome judge_row(int kind, const struct field *fields, int count) {
    PGresult *result = begin_result((enum row_kind)kind);
    if (kind == ROW_WAITPOINT) {
        add_row(result, ROW_FULL, full_row, COUNT(full_row));
    }
    add_row(result, (enum row_kind)kind, fields, count);
    return judge(result);
}

/* The same of a composite value of any bytes, a checkpoint's in a full row. */
static enum snapshot_outcome judge_composite(int which, struct field value) {
    const int column = composites[which].column;
    PGresult *result = empty_result(composites[which].columns, 1);
    add_head(result);
    if (composites[which].columns == FULL_COLUMN_COUNT) {
        add_row(result, ROW_FULL, full_row, COUNT(full_row));
    }
    set_value(result, column == WAITPOINT_COLUMN ? PQntuples(result) : PQntuples(result) - 1,
              column, value);
    return judge(result);
}

/* ---- shapes ---- */

START_TEST(a_good_row) {
    ck_assert_int_eq(judge_row(_i, kinds[_i].fields, kinds[_i].count), SNAPSHOT_PARTIAL);
}
END_TEST

START_TEST(a_value_cut_short) {
    struct byte_buffer value = BYTE_BUFFER_EMPTY;
    put_fields(&value, composites[_i].fields, composites[_i].count);
    for (size_t length = 0; length < value.length; length++) {
        ck_assert_msg(judge_composite(_i, (struct field){value.data, (int)length}) ==
                          SNAPSHOT_MALFORMED,
                      "%zu", length);
    }
    ck_assert_int_eq(judge_composite(_i, (struct field){value.data, (int)value.length}),
                     SNAPSHOT_PARTIAL);
    byte_buffer_append(&value, "", 1);
    ck_assert_int_eq(judge_composite(_i, (struct field){value.data, (int)value.length}),
                     SNAPSHOT_MALFORMED);
    byte_buffer_free(&value);
}
END_TEST

/* Counts and lengths that lie. */
START_TEST(a_value_with_another_integer) {
    static const int32_t others[] = {-1, -2,      0,          1,          2,       3,
                                     16, 1 << 16, 0x7fffffff, 0x7ffffff8, 1 << 30, -(1 << 30)};
    struct byte_buffer value = BYTE_BUFFER_EMPTY;
    put_fields(&value, composites[_i].fields, composites[_i].count);
    for (size_t at = 0; at + sizeof(int32_t) <= value.length; at++) {
        for (int i = 0; i < COUNT(others); i++) {
            char kept[sizeof(int32_t)];
            const uint32_t bytes = htobe32((uint32_t)others[i]);
            memcpy(kept, value.data + at, sizeof(kept));
            memcpy(value.data + at, &bytes, sizeof(bytes));
            /* whatever it is: judge() and the sanitizers look */
            (void)judge_composite(_i, (struct field){value.data, (int)value.length});
            memcpy(value.data + at, kept, sizeof(kept));
        }
    }
    byte_buffer_free(&value);
}
END_TEST

START_TEST(a_value_of_another_number_of_fields) {
    for (int count = 0; count <= MAX_FIELDS; count++) {
        struct field fields[MAX_FIELDS];
        struct byte_buffer value = BYTE_BUFFER_EMPTY;
        for (int i = 0; i < count; i++) {
            fields[i] =
                i < composites[_i].count ? composites[_i].fields[i] : (struct field)BYTES("more");
        }
        put_fields(&value, fields, count);
        ck_assert((judge_composite(_i, (struct field){value.data, (int)value.length}) ==
                   SNAPSHOT_PARTIAL) == (count == composites[_i].count));
        byte_buffer_free(&value);
    }
}
END_TEST

static bool is_in(int number, const int *list) {
    while (*list >= 0 && *list != number) {
        list++;
    }
    return *list >= 0;
}

/* A NULL, and an integer that is a bigint. */
static bool fits(int kind, int field, uint32_t type) {
    return field >= kinds[kind].count || kinds[kind].fields[field].bytes == NULL ||
           (type == 20 && kinds[kind].lengths[field] == 4);
}

/* Whose bytes would do: a real, an oid, a bytea, a jsonb, a bigint. */
START_TEST(fields_of_another_type) {
    static const uint32_t others[] = {700, 26, 17, 3802, 20};
    for (int i = 0; i < COUNT(others); i++) {
        for (int field = 0; field < kinds[_i].count; field++) {
            /* A waitpoint follows a full row, whose field it is, too. */
            const bool good = fits(_i, field, others[i]) &&
                              (_i != ROW_WAITPOINT || fits(ROW_FULL, field, others[i]));
            only_type = others[i];
            only_field = field;
            const enum snapshot_outcome outcome = judge_row(_i, kinds[_i].fields, kinds[_i].count);
            only_type = 0;
            only_field = -1;
            ck_assert_msg((outcome != SNAPSHOT_MALFORMED) == good, "type %u of field %d", others[i],
                          field);
        }
    }
}
END_TEST

/* A type of the database's own may be text, or not: a domain over jsonb, over a number. */
START_TEST(a_type_of_its_own) {
    static const struct field others[] = {BYTES("\1{}"), BYTES("\1"), BYTES("\0\0\0\7"),
                                          BYTES("a\0")};
    static const struct field texts[] = {BYTES("a"), BYTES(""), BYTES("a\1"), BYTES("\2")};
    const int field = _i == ROW_WAITPOINT ? (int)WAITPOINT_OUTPUT : (int)SNAPSHOT_DESCRIPTION;
    for (int i = 0; i < COUNT(others) + COUNT(texts); i++) {
        struct field fields[MAX_FIELDS];
        memcpy(fields, kinds[_i].fields, (size_t)kinds[_i].count * sizeof(*fields));
        fields[field] = i < COUNT(others) ? others[i] : texts[i - COUNT(others)];
        only_type = 16384;
        only_field = field;
        const enum snapshot_outcome outcome = judge_row(_i, fields, kinds[_i].count);
        only_type = 0;
        only_field = -1;
        ck_assert_msg((outcome == SNAPSHOT_MALFORMED) == (i < COUNT(others)), "value %d", i);
    }
}
END_TEST

static const struct {
    uint32_t type;
    struct field value;
    const char *json; /* NULL: malformed */
} attempts[] = {
    {23, BYTES("\0\0\0\x07"), "\"attemptNumber\":7}"},
    {21, BYTES("\xff\xfe"), "\"attemptNumber\":-2}"},
    {20, BYTES("\0\0\0\1\0\0\0\2"), "\"attemptNumber\":4294967298}"},
    {20, BYTES("\x80\0\0\0\0\0\0\0"), "\"attemptNumber\":-9223372036854775808}"},
    {700, BYTES("\0\0\0\x07"), NULL}, /* a real, and none */
    {700, NOTHING, "\"run\":{"},
};

/* Of any size, and a NULL of any type: a migration changes the one, and brings the other. */
START_TEST(an_integer) {
    for (int kind = ROW_LEAN; kind <= ROW_FULL; kind++) {
        struct field fields[MAX_FIELDS];
        struct byte_buffer out = BYTE_BUFFER_EMPTY;
        struct snapshot_result read;
        memcpy(fields, kinds[kind].fields, (size_t)kinds[kind].count * sizeof(*fields));
        fields[SNAPSHOT_ATTEMPT_NUMBER] = attempts[_i].value;
        only_field = SNAPSHOT_ATTEMPT_NUMBER;
        only_type = attempts[_i].type;
        PGresult *result = begin_result((enum row_kind)kind);
        add_row(result, (enum row_kind)kind, fields, kinds[kind].count);
        only_field = -1;
        only_type = 0;
        (void)snapshot_read(&read, result_rows_all(result), &asked);
        ck_assert(snapshot_answer_write(&out, &read, NOW_MS) == (attempts[_i].json != NULL));
        byte_buffer_append(&out, "", 1);
        ck_assert(attempts[_i].json == NULL || strstr(out.data, attempts[_i].json) != NULL);
        byte_buffer_free(&out);
        PQclear(result);
    }
}
END_TEST

START_TEST(a_null_in_each_field) {
    for (int i = 0; i < kinds[_i].count; i++) {
        struct field fields[MAX_FIELDS];
        memcpy(fields, kinds[_i].fields, (size_t)kinds[_i].count * sizeof(*fields));
        fields[i] = (struct field)NOTHING;
        ck_assert_msg((judge_row(_i, fields, kinds[_i].count) != SNAPSHOT_MALFORMED) ==
                          is_in(i, kinds[_i].nullable),
                      "field %d", i);
    }
}
END_TEST

START_TEST(another_length_in_each_field) {
    static const char zeros[20];
    for (int i = 0; i < kinds[_i].count; i++) {
        for (int length = 0; length < (int)sizeof(zeros); length++) {
            struct field fields[MAX_FIELDS];
            const int wanted = kinds[_i].lengths[i];
            memcpy(fields, kinds[_i].fields, (size_t)kinds[_i].count * sizeof(*fields));
            fields[i] = (struct field){zeros, length};
            /* Twelve zeros are an empty array. */
            const bool good = wanted == 0 || length == (wanted < 0 ? 12 : wanted) ||
                              (wanted == 4 && (length == 2 || length == 8)); /* an integer */
            const enum snapshot_outcome outcome = judge_row(_i, fields, kinds[_i].count);
            ck_assert_msg(wanted == RUN ? outcome == SNAPSHOT_FOREIGN
                                        : (outcome != SNAPSHOT_MALFORMED) == good,
                          "field %d of %d bytes", i, length);
        }
    }
}
END_TEST

static const struct {
    struct field order;
    bool good;
} arrays[] = {
    {BYTES("\0\0\0\0\0\0\0\0\0\0\0\x19"), true},
    {BYTES("\0\0\0\0\0\0\0\0\0\0\0\x19\0"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\0\0\0\0\1"), true},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\0"), true},
    {BYTES("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\1\0\0\0\1\xff\xff\xff\xff"), true},
    {BYTES("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\1\0\0\0\1\xff\xff\xff\xfe"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1xx"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1x"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1x\0\0\0"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\0\0\0\0\1\0\0\0\0"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\0\0\0\1"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\x7f\xff\xff\xff\0\0\0\1"), false},
    {BYTES("\0\0\0\2\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0"), false},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\x80\0\0\0\0\0\0\1\0\0\0\1x"), false},
    {BYTES("\xff\xff\xff\xff\0\0\0\0\0\0\0\x19"), false},
};

START_TEST(an_array) {
    struct field fields[COUNT(full_row)];
    memcpy(fields, full_row, sizeof(full_row));
    fields[SNAPSHOT_ORDER] = arrays[_i].order;
    ck_assert_int_eq(judge_row(ROW_FULL, fields, COUNT(full_row)) != SNAPSHOT_MALFORMED,
                     arrays[_i].good);
}
END_TEST

/* ---- rows together ---- */

/* l, f, w: a lean, a full, a waitpoint's row; 0: a head alone; n: NULLs. The full ones begin with a
 * head alone. */
static PGresult *result_of(bool lean, const char *rows) {
    PGresult *result = begin_result(lean ? ROW_LEAN : ROW_FULL);
    for (; *rows != '\0'; rows++) {
        const enum row_kind kind = *rows == 'l'   ? ROW_LEAN
                                   : *rows == 'f' ? ROW_FULL
                                                  : ROW_WAITPOINT;
        if (*rows == '0') {
            add_head(result);
        } else if (*rows == 'n') {
            set_value(result, PQntuples(result), HEAD_COLUMN, (struct field)NOTHING);
        } else {
            add_row(result, kind, kinds[kind].fields, kinds[kind].count);
        }
    }
    return result;
}

static const struct {
    bool lean;
    const char *rows;
    enum snapshot_outcome outcome;
} together[] = {
    {true, "", SNAPSHOT_FOREIGN},      {true, "0", SNAPSHOT_FOUND},
    {true, "00", SNAPSHOT_MALFORMED},  {true, "l0", SNAPSHOT_MALFORMED},
    {true, "0l", SNAPSHOT_MALFORMED},  {true, "l", SNAPSHOT_PARTIAL},
    {true, "lll", SNAPSHOT_PARTIAL},   {true, "n", SNAPSHOT_FOREIGN},
    {false, "", SNAPSHOT_FOUND},       {false, "0", SNAPSHOT_MALFORMED},
    {false, "n", SNAPSHOT_MALFORMED},  {false, "f0", SNAPSHOT_MALFORMED},
    {false, "fn", SNAPSHOT_MALFORMED}, {false, "f", SNAPSHOT_PARTIAL},
    {false, "fw", SNAPSHOT_PARTIAL},   {false, "fww", SNAPSHOT_FOUND},
    {false, "wfw", SNAPSHOT_FOUND},    {false, "fffwww", SNAPSHOT_FOUND},
    {false, "w", SNAPSHOT_MALFORMED},  {false, "ww", SNAPSHOT_MALFORMED},
};

START_TEST(rows_together) {
    ck_assert_int_eq(judge(result_of(together[_i].lean, together[_i].rows)), together[_i].outcome);
}
END_TEST

/* The lean statement's last row only tells that there are more; the full one's limit keeps ties. */
START_TEST(too_many_rows) {
    static const struct {
        char kind;
        int rows;
        enum snapshot_outcome outcome;
    } limits[] = {{'l', 3, SNAPSHOT_PARTIAL},   {'l', 4, SNAPSHOT_NEEDS_FULL},
                  {'l', 5, SNAPSHOT_MALFORMED}, {'f', 50, SNAPSHOT_PARTIAL},
                  {'f', 51, SNAPSHOT_PARTIAL},  {'f', 63, SNAPSHOT_PARTIAL}};
    for (int i = 0; i < COUNT(limits); i++) {
        char rows[64] = "";
        memset(rows, limits[i].kind, (size_t)limits[i].rows);
        ck_assert_int_eq(judge(result_of(limits[i].kind == 'l', rows)), limits[i].outcome);
    }
}
END_TEST

/* One number of ids that all tie, in an order of their own: the answer has the greatest, ascending.
 */
START_TEST(ties_beyond_the_limit) {
    enum { ROWS = 127, STEP = 41, KEPT = 50 };
    struct byte_buffer out = BYTE_BUFFER_EMPTY;
    struct snapshot_result read;
    PGresult *result = begin_result(ROW_FULL);
    for (int i = 0; i < ROWS; i++) {
        struct field fields[COUNT(full_row)];
        char id[8];
        memcpy(fields, full_row, sizeof(full_row));
        fields[0] = (struct field){id, snprintf(id, sizeof(id), "s%03d", i * STEP % ROWS)};
        add_row(result, ROW_FULL, fields, COUNT(full_row));
    }
    (void)snapshot_read(&read, result_rows_all(result), &asked);
    ck_assert(snapshot_answer_write(&out, &read, NOW_MS));
    byte_buffer_append(&out, "", 1);
    const char *at = out.data;
    for (int i = ROWS - KEPT; i < ROWS; i++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "\"snapshot\":{\"id\":\"s%03d\"", i);
        at = strstr(at, "\"snapshot\":{");
        ck_assert_ptr_nonnull(at);
        ck_assert_mem_eq(at, text, strlen(text));
        at++;
    }
    ck_assert_ptr_null(strstr(at, "\"snapshot\":{"));
    PQclear(result);
    byte_buffer_free(&out);
}
END_TEST

START_TEST(a_checkpoint_with_a_null) {
    for (int null = 0; null < COUNT(checkpoint); null++) {
        struct field fields[COUNT(checkpoint)];
        struct byte_buffer value = BYTE_BUFFER_EMPTY;
        memcpy(fields, checkpoint, sizeof(checkpoint));
        fields[null] = (struct field)NOTHING;
        put_fields(&value, fields, COUNT(fields));
        ck_assert((judge_composite(2, (struct field){value.data, (int)value.length}) !=
                   SNAPSHOT_MALFORMED) == (null >= 4)); /* imageRef, reason */
        byte_buffer_free(&value);
    }
}
END_TEST

/* A snapshot and a waitpoint; a waitpoint and something of a snapshot; a head and something. */
START_TEST(a_row_of_two_kinds) {
    PGresult *result = begin_result(ROW_FULL);
    add_row(result, ROW_FULL, full_row, COUNT(full_row));
    set_composite(result, 1, WAITPOINT_COLUMN, waitpoint_row, COUNT(waitpoint_row));
    ck_assert_int_eq(judge(result), SNAPSHOT_MALFORMED);
    for (int column = HEAD_COLUMN; column < WAITPOINT_COLUMN; column++) {
        result = result_of(false, "fww");
        set_value(result, 2, column, (struct field)BYTES("x"));
        ck_assert_int_eq(judge(result), SNAPSHOT_MALFORMED);
    }
    for (int column = HEAD_COLUMN + 1; column < FULL_COLUMN_COUNT; column++) {
        result = result_of(false, "");
        set_value(result, 0, column, (struct field)BYTES("x"));
        ck_assert_int_eq(judge(result), SNAPSHOT_MALFORMED);
    }
}
END_TEST

START_TEST(other_columns) {
    for (int columns = 1; columns < MAX_FIELDS; columns++) {
        const bool good = columns == LEAN_COLUMN_COUNT || columns == FULL_COLUMN_COUNT ||
                          columns == ENVIRONMENT_COLUMN + 1;
        for (int format = 0; format < 2; format++) {
            PGresult *result = empty_result(columns, format);
            add_head(result);
            ck_assert_int_eq(judge(result),
                             good && format == 1 ? SNAPSHOT_FOUND : SNAPSHOT_FOREIGN);
        }
    }
    ck_assert_int_eq(judge(empty_result(0, 1)), SNAPSHOT_FOREIGN);
    ck_assert_int_eq(judge(PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK)), SNAPSHOT_FOREIGN);
}
END_TEST

/* ---- heads ---- */

static const struct {
    struct field head;
    enum snapshot_outcome outcome;   /* of a result without a newer snapshot */
    enum snapshot_outcome with_rows; /* and with some */
    const char *environment;         /* asked for; the rows are of e1 then */
    bool as_primary;
} heads[] = {
    {HEAD("rf"), SNAPSHOT_FOUND, SNAPSHOT_FOUND, NULL, false},
    {HEAD("rm"), SNAPSHOT_MISSING, SNAPSHOT_MALFORMED, NULL, false},
    {HEAD("pf"), SNAPSHOT_ROLE_CHANGED, SNAPSHOT_ROLE_CHANGED, NULL, false},
    {HEAD("pm"), SNAPSHOT_ROLE_CHANGED, SNAPSHOT_ROLE_CHANGED, NULL, false},
    {HEAD("rf"), SNAPSHOT_FOUND, SNAPSHOT_FOUND, NULL, true},
    {HEAD("pf"), SNAPSHOT_FOUND, SNAPSHOT_FOUND, NULL, true},
    {HEAD("pm"), SNAPSHOT_MISSING, SNAPSHOT_MALFORMED, NULL, true},
    {BYTES("s1\nr1\nrf"), SNAPSHOT_FOUND, SNAPSHOT_FOUND, NULL, false}, /* no position */
    {BYTES("s1\nr1\nr"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1\n"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES(""), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1\nxf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1\nrx1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1\nrf1/\0002"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s2\nr1\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr2\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s11\nr1\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr11\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s\nr1\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1\ne1\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false},
    {BYTES("s1\nr1\ne1\nrf1/2"), SNAPSHOT_FOUND, SNAPSHOT_FOUND, "e1", false},
    {BYTES("s1\nr1\ne1\nrf1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, "e2", false},
    {BYTES("s1\nr1\ne2\nrf1/2"), SNAPSHOT_FOUND, SNAPSHOT_FOREIGN, "e2", false},
    {HEAD("rf"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, "e1", false},
    {BYTES("s1\nr1\nr?1/2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN, NULL, false}, /* not in UTF-8 */
};

/* Of a question with characters that are not ASCII: others in their places may come from another
 * encoding, and from another question. */
static const struct {
    const char *asked, *echoed;
    bool is_answer, restated;
} echoes[] = {
    {"s\xc2\xa6", "s\xc2\xa6", true, false},
    {"s\xc2\xa6", "s\xef\xbf\xa4", true, true},
    {"s\xef\xbf\xa4", "s\xc2\xa6", true, true},
    {"\xc2\xa6s", "\xef\xbf\xa4s", true, true},
    {"\xc2\xa6", "\xef\xbf\xa4\xef\xbf\xa4", true, true},
    {"a\xc2\xa6"
     "b\xc2\xa6",
     "a\xc2\xa7"
     "b\xc2\xa7",
     true, true},
    {"a\xc2\xa6"
     "b",
     "a\xc2\xa6"
     "c",
     false, false},
    {"a\xc2\xa6"
     "b",
     "a\xc2\xa7"
     "c",
     false, false},
    {"a\xc2\xa6"
     "b",
     "a\xc2\xa7", false, false},
    {"a\xc2\xa6",
     "a\xc2\xa7"
     "b",
     false, false},
    {"a\xc2\xa6", "a", false, false},
    {"a", "a\xc2\xa6", false, false},
    {"a\xc2\xa6", "ab", false, false},
    {"ab", "a\xc2\xa6", false, false},
};

START_TEST(an_echo_in_other_characters) {
    char text[64];
    struct snapshot_head head;
    const struct snapshot_question question = {
        .snapshot = {echoes[_i].asked, strlen(echoes[_i].asked)}, .run = {"r1", 2}};
    (void)snprintf(text, sizeof text, "%s\nr1\nrf1/2", echoes[_i].echoed);
    const struct text all = {text, strlen(text)};
    ck_assert(head_read(&head, &all, &question) == echoes[_i].is_answer);
    ck_assert(!echoes[_i].is_answer || head.restated == echoes[_i].restated);
    const struct text cut = {text, strlen(echoes[_i].echoed)};
    ck_assert(!head_read(&head, &cut, &question));
}
END_TEST

START_TEST(a_question_in_ascii) {
    static const char accented[] = "caf\xc3\xa9";
    for (int i = 0; i < 4; i++) {
        const char *const ids[] = {i == 0 ? accented : "s\x7f", i == 1 ? accented : "r1",
                                   i == 2 ? accented : "e1"};
        const struct snapshot_question question = {.snapshot = {ids[0], strlen(ids[0])},
                                                   .run = {ids[1], strlen(ids[1])},
                                                   .environment = {ids[2], strlen(ids[2])}};
        ck_assert(snapshot_question_is_ascii(&question) == (i == 3));
    }
    const struct snapshot_question none = {.snapshot = {"s1", 2}, .run = {"r1", 2}};
    ck_assert(snapshot_question_is_ascii(&none));
}
END_TEST

/* It counts for nothing, whatever it says. */
START_TEST(an_answer_in_other_characters) {
    static const char *const rows[] = {"", "f"};
    struct snapshot_result read;
    struct snapshot_question question = asked;
    question.snapshot = (struct text){"s\xc2\xa6", 3};
    for (int with = 0; with < COUNT(rows); with++) {
        PGresult *result = result_of(false, rows[with]);
        set_value(result, 0, HEAD_COLUMN, (struct field)BYTES("s\xc2\xa7\nr1\nrf1/2"));
        ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &question),
                         SNAPSHOT_FOREIGN);
        PQclear(result);
    }
}
END_TEST

#define OF_E1 BYTES("e1")

/* Where an environment was asked for, each row says of which it is. */
static const struct {
    struct field environment; /* of the rows */
    enum snapshot_outcome outcome, lean_outcome;
} environments[] = {
    {OF_E1, SNAPSHOT_FOUND, SNAPSHOT_PARTIAL},
    {BYTES("e2"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN},
    {BYTES("e11"), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN},
    {BYTES(""), SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN},
    {NOTHING, SNAPSHOT_FOREIGN, SNAPSHOT_FOREIGN}, /* they do not say */
};

static void judge_environment(bool lean, const char *rows, enum snapshot_outcome outcome) {
    struct snapshot_result read;
    struct snapshot_question question = asked;
    question.environment = (struct text){"e1", 2};
    PGresult *result = result_of(lean, rows);
    set_value(result, 0, HEAD_COLUMN, (struct field)BYTES("s1\nr1\ne1\nrf1/2"));
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &question), outcome);
    PQclear(result);
}

START_TEST(an_environment) {
    environment = environments[_i].environment;
    judge_environment(false, "fww", environments[_i].outcome);
    judge_environment(true, "l", environments[_i].lean_outcome);
    environment = (struct field)NOTHING;
}
END_TEST

/* Nobody asked for it; or it comes twice, or in a row that has none. */
START_TEST(an_environment_too_much) {
    struct field fields[COUNT(lean_row) + 1];
    memcpy(fields, lean_row, sizeof(lean_row));
    fields[COUNT(lean_row)] = (struct field)OF_E1;
    environment = (struct field)OF_E1;
    ck_assert_int_eq(judge_row(ROW_LEAN, fields, COUNT(lean_row)), SNAPSHOT_FOREIGN);
    ck_assert_int_eq(judge_row(ROW_FULL, full_row, COUNT(full_row)), SNAPSHOT_FOREIGN);
    ck_assert_int_eq(judge_row(ROW_LEAN, fields, COUNT(fields)), SNAPSHOT_MALFORMED);
    PGresult *result = result_of(false, "fww");
    set_value(result, 0, ENVIRONMENT_COLUMN, environment);
    ck_assert_int_eq(judge(result), SNAPSHOT_MALFORMED);
    result = result_of(false, "fww");
    set_value(result, 2, ENVIRONMENT_COLUMN, environment);
    ck_assert_int_eq(judge(result), SNAPSHOT_MALFORMED);
    environment = (struct field)NOTHING;
}
END_TEST

static void judge_head(int number, const char *rows, enum snapshot_outcome outcome) {
    struct snapshot_result read;
    struct snapshot_head head;
    struct snapshot_question question = asked;
    if (heads[number].environment != NULL) {
        question.environment = (struct text){heads[number].environment, 2};
    }
    question.as_replica = !heads[number].as_primary;
    environment = heads[number].environment != NULL ? (struct field)OF_E1 : (struct field)NOTHING;
    PGresult *result = result_of(false, rows);
    environment = (struct field)NOTHING;
    set_value(result, 0, HEAD_COLUMN, heads[number].head);
    struct result_rows all = result_rows_all(result);
    ck_assert_int_eq(snapshot_read(&read, all, &question), outcome);
    ck_assert(snapshot_read_head(&head, &all, &question) ==
              (heads[number].outcome != SNAPSHOT_FOREIGN));
    PQclear(result);
}

START_TEST(a_head) {
    judge_head(_i, "", heads[_i].outcome);
    judge_head(_i, "fww", heads[_i].with_rows);
}
END_TEST

START_TEST(a_head_tells_where_the_server_is) {
    struct snapshot_result read;
    PGresult *result = result_of(true, "0");
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_FOUND);
    ck_assert(read.head.recovering);
    ck_assert_str_eq(read.head.after, "16/B374D848");
    PQclear(result);
}
END_TEST

/* Without a head there is nothing to tell whose the rows are. */
START_TEST(a_result_without_a_head) {
    PGresult *result = result_of(true, "l");
    set_value(result, 0, HEAD_COLUMN, (struct field)NOTHING);
    ck_assert_int_eq(judge(result), SNAPSHOT_FOREIGN);
    result = result_of(false, "fww");
    set_value(result, 0, HEAD_COLUMN, (struct field)NOTHING);
    ck_assert_int_eq(judge(result), SNAPSHOT_FOREIGN);
}
END_TEST

/* Linked, and there; linked, and not there; in the order, and not linked. */
START_TEST(what_is_lacking) {
    static const struct {
        int there, not_there, lacking;
    } links[] = {{2, 0, 0}, {1, 1, 1}, {0, 2, 2}, {1, 0, 1}, {0, 0, 2}, {2, 1, 1}, {5, 0, 0}};
    for (int i = 0; i < COUNT(links); i++) {
        struct snapshot_result read;
        struct field absent[COUNT(waitpoint_row)];
        PGresult *result = result_of(false, "f");
        for (int j = 0; j < COUNT(absent); j++) {
            absent[j] = (struct field)NOTHING;
        }
        for (int j = 0; j < links[i].there + links[i].not_there; j++) {
            add_row(result, ROW_WAITPOINT, j < links[i].there ? waitpoint_row : absent,
                    COUNT(waitpoint_row));
        }
        ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked),
                         links[i].lacking > 0 ? SNAPSHOT_PARTIAL : SNAPSHOT_FOUND);
        ck_assert_int_eq(read.lacking, links[i].lacking);
        PQclear(result);
    }
}
END_TEST

START_TEST(a_lean_row_that_needs_more) {
    static const struct {
        int number;
        struct field field;
    } more[] = {{LEAN_HAS_CHECKPOINT, TRUE}, {LEAN_HAS_LINK, TRUE}, {LEAN_HAS_LINK, NOTHING}};
    for (int i = 0; i < COUNT(more); i++) {
        struct field fields[COUNT(lean_row)];
        memcpy(fields, lean_row, sizeof(lean_row));
        fields[more[i].number] = more[i].field;
        ck_assert_int_eq(judge_row(ROW_LEAN, fields, COUNT(lean_row)), SNAPSHOT_NEEDS_FULL);
    }
}
END_TEST

static const struct {
    struct field created_at;
    const char *date; /* NULL: malformed */
} moments[] = {
    {BYTES("\0\0\0\0\0\0\0\0"), "2000-01-01T00:00:00.000Z"},
    {BYTES("\0\0\0\0\0\0\x03\xe7"), "2000-01-01T00:00:00.000Z"},
    {BYTES("\0\0\0\0\0\0\x03\xe8"), "2000-01-01T00:00:00.001Z"},
    {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), "1999-12-31T23:59:59.999Z"},
    {BYTES("\xff\xff\xff\xff\xff\xff\xfc\x18"), "1999-12-31T23:59:59.999Z"},
    {BYTES("\xff\xff\xff\xff\xff\xff\xfc\x17"), "1999-12-31T23:59:59.998Z"},
    {BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff"), NULL}, /* infinity */
    {BYTES("\x80\0\0\0\0\0\0\0"), NULL},               /* -infinity */
    {BYTES("\x03\x80\xe7\x0b\x91\x3b\x7f\xff"), "9999-12-31T23:59:59.999Z"},
    {BYTES("\x03\x80\xe7\x0b\x91\x3b\x80\x00"), NULL},
    {BYTES("\xff\x1f\xe2\xff\xc5\x9c\x60\x00"), "0001-01-01T00:00:00.000Z"},
    {BYTES("\xff\x1f\xe2\xff\xc5\x9c\x5f\xff"), NULL},
};

/* Microseconds, of which a column of another precision may have any, are rounded down. */
START_TEST(a_moment) {
    struct field fields[COUNT(full_row)];
    struct byte_buffer out = BYTE_BUFFER_EMPTY;
    memcpy(fields, full_row, sizeof(full_row));
    fields[SNAPSHOT_CREATED_AT] = moments[_i].created_at;
    PGresult *result = begin_result(ROW_FULL);
    add_row(result, ROW_FULL, fields, COUNT(full_row));
    struct snapshot_result read;
    (void)snapshot_read(&read, result_rows_all(result), &asked);
    ck_assert(snapshot_answer_write(&out, &read, NOW_MS) == (moments[_i].date != NULL));
    if (moments[_i].date != NULL) {
        byte_buffer_append(&out, "", 1);
        const char *date = strstr(out.data, "\"createdAt\":\"");
        ck_assert_ptr_nonnull(date);
        ck_assert_mem_eq(date + strlen("\"createdAt\":\""), moments[_i].date, UTC_DATE_LENGTH);
    }
    byte_buffer_free(&out);
    PQclear(result);
}
END_TEST

/* Only one of the dates of an answer is not a server's. */
START_TEST(a_clock_out_of_bounds) {
    static const int64_t clocks[] = {INT64_MIN, INT64_MAX, INT64_C(253402300800000),
                                     INT64_C(-62135596800001)};
    PGresult *result = result_of(true, "0");
    struct snapshot_result read;
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_FOUND);
    for (int i = 0; i < COUNT(clocks); i++) {
        struct byte_buffer out = BYTE_BUFFER_EMPTY;
        ck_assert(!snapshot_answer_write(&out, &read, clocks[i]));
        byte_buffer_free(&out);
    }
    PQclear(result);
}
END_TEST

/* ---- many rows ---- */

#define REST_OF_ENTRY                                                                              \
    ",\"friendlyId\":\"waitpoint_w1\",\"type\":\"RUN\",\"outputType\":\"text/plain\","             \
    "\"outputIsError\":false,\"completedAt\":\"" DATE_TEXT "\",\"index\":"
#define END_OF_ENTRY                                                                               \
    ",\"idempotencyKey\":\"key\",\"completedByTaskRun\":{\"id\":\"r9\",\"friendlyId\":\"run_r9\"}" \
    ","                                                                                            \
    "\"completedAfter\":\"" DATE_TEXT "\",\"completedByBatch\":{\"id\":\"b9\",\"friendlyId\":"     \
    "\"batch_b9\"},\"output\":\"o\"}"

/* The head of an array of that many texts; each has its length before it. */
static void begin_order(struct byte_buffer *order, int count) {
    byte_buffer_append(order, "\0\0\0\1\0\0\0\0\0\0\0\x19", 12);
    put_integer(order, count);
    put_integer(order, 1);
}

/* As many entries as there are places in the order, each waitpoint's together; were each of them
 * looked for in the whole order, this would take minutes. */
START_TEST(a_hundred_thousand_waitpoints) {
    enum { WAITPOINTS = 100000 };
    struct byte_buffer order = BYTE_BUFFER_EMPTY, out = BYTE_BUFFER_EMPTY;
    PGresult *result = begin_result(ROW_FULL);
    begin_order(&order, WAITPOINTS);
    for (int i = 0; i < WAITPOINTS; i++) {
        put_integer(&order, 7);
        byte_buffer_append_format(&order, "w%06d", WAITPOINTS - 1 - i);
    }
    ck_assert(!order.failed);
    struct field fields[COUNT(full_row)];
    memcpy(fields, full_row, sizeof(full_row));
    fields[SNAPSHOT_ORDER] = (struct field){order.data, (int)order.length};
    add_row(result, ROW_FULL, fields, COUNT(full_row));
    for (int i = 0; i < WAITPOINTS; i++) {
        struct field waitpoint[COUNT(waitpoint_row)];
        char id[16];
        memcpy(waitpoint, waitpoint_row, sizeof(waitpoint_row));
        waitpoint[0] = (struct field){id, snprintf(id, sizeof(id), "w%06d", i * 7 % WAITPOINTS)};
        add_row(result, ROW_WAITPOINT, waitpoint, COUNT(waitpoint_row));
    }
    struct snapshot_result read;
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_FOUND);
    ck_assert(snapshot_answer_write(&out, &read, NOW_MS));
    const char *at = memchr(out.data, '[', out.length);
    at = memchr(at + 1, '[', out.length - (size_t)(at + 1 - out.data));
    for (int i = 0; i < WAITPOINTS; i++) {
        char entry[400];
        const int length =
            snprintf(entry, sizeof(entry), "%c{\"id\":\"w%06d\"" REST_OF_ENTRY "%d" END_OF_ENTRY,
                     i == 0 ? '[' : ',', i, WAITPOINTS - 1 - i);
        if (out.length - (size_t)(at - out.data) < (size_t)length ||
            memcmp(at, entry, (size_t)length) != 0) {
            ck_abort_msg("not %s", entry);
        }
        at += length;
    }
    ck_assert_mem_eq(at, "]}]}", 4);
    PQclear(result);
    byte_buffer_free(&out);
    byte_buffer_free(&order);
}
END_TEST

/* Two rows of a few megabytes ask for an answer of gigabytes. */
START_TEST(an_order_that_repeats_a_large_output) {
    enum { OUTPUT_BYTES = 4 << 20, TIMES = 1000 };
    struct byte_buffer order = BYTE_BUFFER_EMPTY, out = BYTE_BUFFER_EMPTY;
    struct field fields[COUNT(full_row)], waitpoint[COUNT(waitpoint_row)];
    char *output = malloc(OUTPUT_BYTES);
    ck_assert_ptr_nonnull(output);
    memset(output, 'x', OUTPUT_BYTES);
    begin_order(&order, TIMES);
    for (int i = 0; i < TIMES; i++) {
        put_integer(&order, waitpoint_row[0].length);
        byte_buffer_append(&order, waitpoint_row[0].bytes, (size_t)waitpoint_row[0].length);
    }
    memcpy(fields, full_row, sizeof(full_row));
    fields[SNAPSHOT_ORDER] = (struct field){order.data, (int)order.length};
    memcpy(waitpoint, waitpoint_row, sizeof(waitpoint_row));
    waitpoint[WAITPOINT_OUTPUT] = (struct field){output, OUTPUT_BYTES};
    PGresult *result = begin_result(ROW_FULL);
    add_row(result, ROW_FULL, fields, COUNT(full_row));
    add_row(result, ROW_WAITPOINT, waitpoint, COUNT(waitpoint_row));
    struct snapshot_result read;
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_FOUND);
    ck_assert(!snapshot_answer_write(&out, &read, NOW_MS));
    ck_assert(out.failed);
    ck_assert_uint_lt(out.length, SNAPSHOT_MAX_ANSWER_BYTES + 2 * OUTPUT_BYTES);
    PQclear(result);
    byte_buffer_free(&out);
    byte_buffer_free(&order);
    free(output);
}
END_TEST

/* ---- memory ---- */

/* The waitpoints have to be sorted to tell, and then the order. */
START_TEST(memory_runs_out_while_the_outcome_is_found) {
    PGresult *result = result_of(false, "f");
    struct field same[COUNT(waitpoint_row)];
    struct snapshot_result read;
    memcpy(same, waitpoint_row, sizeof(waitpoint_row));
    add_row(result, ROW_WAITPOINT, same, COUNT(same));
    add_row(result, ROW_WAITPOINT, same, COUNT(same));
    for (unsigned i = 1; i <= 2; i++) {
        allocations = 0;
        failing_allocation = i;
        const enum snapshot_outcome failed = snapshot_read(&read, result_rows_all(result), &asked);
        failing_allocation = 0;
        ck_assert_uint_eq(allocations, i); /* 0: not linked with --wrap */
        ck_assert_int_eq(failed, SNAPSHOT_MALFORMED);
    }
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_PARTIAL);
    PQclear(result);
}
END_TEST

START_TEST(memory_runs_out_while_the_answer_is_written) {
    PGresult *result = result_of(false, "ffwww");
    struct snapshot_result read;
    ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_FOUND);
    bool good = false;
    unsigned failures = 0;
    while (!good) {
        struct byte_buffer out = BYTE_BUFFER_EMPTY;
        allocations = 0;
        failing_allocation = failures + 1;
        good = snapshot_answer_write(&out, &read, NOW_MS);
        failing_allocation = 0;
        ck_assert(good != out.failed);
        byte_buffer_free(&out);
        failures += !good;
    }
    ck_assert_uint_ge(failures, 4); /* the waitpoints, the order, and a text that grows */
    PQclear(result);
}
END_TEST

/* ---- dates ---- */

static void check_date(int64_t unix_ms) {
    char text[UTC_DATE_LENGTH + 1] = "", expected[48];
    struct tm tm = {.tm_year = 0};
    const int64_t ms = (unix_ms % 1000 + 1000) % 1000;
    const time_t seconds = (time_t)((unix_ms - ms) / 1000);
    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                   tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (int)ms);
    utc_date_print(unix_ms, text);
    /* No assertion each time: Check notes down where each one was. */
    if (!utc_date_is_printable(unix_ms) || strcmp(text, expected) != 0) {
        ck_abort_msg("%s is not %s", text, expected);
    }
}

/* Every day of all the years at some moment, some of them also at their first and last. */
START_TEST(every_day_as_the_c_library_has_it) {
    const int64_t day = 86400000, first = INT64_C(-719162), last = INT64_C(2932896);
    for (int64_t number = first; number <= last; number++) {
        check_date(number * day + (number - first) * 7919 % day);
        if ((number - first) % 97 == 0 || number == last) {
            check_date(number * day);
            check_date(number * day + day - 1);
        }
    }
    ck_assert(!utc_date_is_printable(first * day - 1));
    ck_assert(!utc_date_is_printable((last + 1) * day));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("snapshot_result");
    TCase *shapes = tcase_create("shapes");
    tcase_set_timeout(shapes, 120);
    suite_add_tcase(suite, shapes);
    tcase_add_loop_test(shapes, a_good_row, ROW_LEAN, COUNT(kinds));
    tcase_add_loop_test(shapes, a_value_cut_short, 0, COUNT(composites));
    tcase_add_loop_test(shapes, a_value_with_another_integer, 0, COUNT(composites));
    tcase_add_loop_test(shapes, a_value_of_another_number_of_fields, 0, COUNT(composites));
    tcase_add_loop_test(shapes, fields_of_another_type, ROW_LEAN, COUNT(kinds));
    tcase_add_loop_test(shapes, a_type_of_its_own, ROW_LEAN, COUNT(kinds));
    tcase_add_loop_test(shapes, an_integer, 0, COUNT(attempts));
    tcase_add_loop_test(shapes, a_null_in_each_field, ROW_LEAN, COUNT(kinds));
    tcase_add_loop_test(shapes, another_length_in_each_field, ROW_LEAN, COUNT(kinds));
    tcase_add_loop_test(shapes, an_array, 0, COUNT(arrays));
    tcase_add_loop_test(shapes, rows_together, 0, COUNT(together));
    tcase_add_test(shapes, too_many_rows);
    tcase_add_test(shapes, ties_beyond_the_limit);
    tcase_add_test(shapes, a_checkpoint_with_a_null);
    tcase_add_test(shapes, a_row_of_two_kinds);
    tcase_add_test(shapes, other_columns);
    tcase_add_test(shapes, a_lean_row_that_needs_more);
    tcase_add_loop_test(shapes, a_head, 0, COUNT(heads));
    tcase_add_loop_test(shapes, an_echo_in_other_characters, 0, COUNT(echoes));
    tcase_add_test(shapes, a_question_in_ascii);
    tcase_add_test(shapes, an_answer_in_other_characters);
    tcase_add_loop_test(shapes, an_environment, 0, COUNT(environments));
    tcase_add_test(shapes, an_environment_too_much);
    tcase_add_test(shapes, a_head_tells_where_the_server_is);
    tcase_add_test(shapes, a_result_without_a_head);
    tcase_add_test(shapes, what_is_lacking);
    tcase_add_loop_test(shapes, a_moment, 0, COUNT(moments));
    tcase_add_test(shapes, a_clock_out_of_bounds);

    TCase *bounds = tcase_create("bounds");
    tcase_set_timeout(bounds, 120);
    suite_add_tcase(suite, bounds);
    tcase_add_test(bounds, a_hundred_thousand_waitpoints);
    tcase_add_test(bounds, an_order_that_repeats_a_large_output);
    tcase_add_test(bounds, memory_runs_out_while_the_outcome_is_found);
    tcase_add_test(bounds, memory_runs_out_while_the_answer_is_written);
    tcase_add_test(bounds, every_day_as_the_c_library_has_it);

    return suite_run(suite);
}
