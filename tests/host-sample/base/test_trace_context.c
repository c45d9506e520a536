/*
 * test_trace_context.c - which traceparent headers are taken, byte by byte.
 */
#include "host-sample/base/trace_context.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"
#define GOOD  "00-" TRACE "-" SPAN "-01"

static const char *read_bytes(struct trace_context *context, const char *bytes, size_t length) {
    char *copy = malloc(length + 1); /* of its size: a header's value has no NUL behind it */
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    copy = realloc(copy, length > 0 ? length : 1);
    trace_context_read(context, copy, length);
    free(copy);
    return trace_context_field(context);
}

static const struct {
    const char *value, *expected; /* NULL: none */
} cases[] = {
    {GOOD, GOOD},
    {"00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00"},
    {"00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-ff"},
    {"", NULL},
    {"00", NULL},
    {"00-" TRACE "-" SPAN "-0", NULL},
    {GOOD "0", NULL},
    {GOOD "-", NULL}, /* version 00 has nothing more */
    {GOOD "-more", NULL},
    {" " GOOD, NULL},
    {GOOD " ", NULL},
    {"ff-" TRACE "-" SPAN "-01", NULL},
    {"fe-" TRACE "-" SPAN "-01", "fe-" TRACE "-" SPAN "-01"},
    {"01-" TRACE "-" SPAN "-01", "01-" TRACE "-" SPAN "-01"},
    {"01-" TRACE "-" SPAN "-01-what comes later", "01-" TRACE "-" SPAN "-01"},
    {"01-" TRACE "-" SPAN "-01-", "01-" TRACE "-" SPAN "-01"},
    {"01-" TRACE "-" SPAN "-01x", NULL},
    {"00-00000000000000000000000000000000-" SPAN "-01", NULL},
    {"00-" TRACE "-0000000000000000-01", NULL},
    {"00-00000000000000000000000000000001-0000000000000001-00",
     "00-00000000000000000000000000000001-0000000000000001-00"},
    {"00-10000000000000000000000000000000-1000000000000000-00",
     "00-10000000000000000000000000000000-1000000000000000-00"},
    {"00_" TRACE "_" SPAN "_01", NULL},
};

START_TEST(a_header) {
    struct trace_context context;
    const char *field = read_bytes(&context, cases[_i].value, strlen(cases[_i].value));
    if (cases[_i].expected == NULL) {
        ck_assert_ptr_null(field);
    } else {
        ck_assert_ptr_nonnull(field);
        ck_assert_str_eq(field, cases[_i].expected);
    }
}
END_TEST

/* Every byte at every place: lower-case hexadecimal or the hyphen that belongs there, nothing else.
 */
START_TEST(every_byte_at_every_place) {
    for (size_t place = 0; place < TRACEPARENT_BYTES; place++) {
        const bool hyphen = GOOD[place] == '-';
        for (int byte = 0; byte < 256; byte++) {
            char value[] = GOOD;
            value[place] = (char)byte;
            struct trace_context context;
            const bool taken = read_bytes(&context, value, TRACEPARENT_BYTES) != NULL;
            const bool hex = byte != 0 && strchr("0123456789abcdef", byte) != NULL;
            ck_assert_msg(taken == (hyphen ? byte == '-' : hex), "byte %d at %zu", byte, place);
        }
    }
}
END_TEST

START_TEST(every_length) {
    for (size_t length = 0; length < TRACEPARENT_BYTES; length++) {
        struct trace_context context;
        ck_assert_ptr_null(read_bytes(&context, GOOD, length));
    }
}
END_TEST

/* A request without the header has none, whatever was read before. */
START_TEST(no_header) {
    struct trace_context context;
    ck_assert_ptr_nonnull(read_bytes(&context, GOOD, TRACEPARENT_BYTES));
    trace_context_read(&context, NULL, 0);
    ck_assert_ptr_null(trace_context_field(&context));
    ck_assert_ptr_nonnull(read_bytes(&context, GOOD, TRACEPARENT_BYTES));
    ck_assert_ptr_null(read_bytes(&context, "nonsense", 8));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trace_context");
    TCase *headers = suite_case(suite, "traceparent", NULL, NULL, 0);
    tcase_add_loop_test(headers, a_header, 0, COUNT(cases));
    tcase_add_test(headers, every_byte_at_every_place);
    tcase_add_test(headers, every_length);
    tcase_add_test(headers, no_header);
    return suite_run(suite);
}
