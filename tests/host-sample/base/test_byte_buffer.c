/*
 * test_byte_buffer.c - growing, numbers, formatted text, and running out of memory.
 */
#include "host-sample/base/byte_buffer.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct byte_buffer buffer;

static void set_up(void) {
    buffer = BYTE_BUFFER_EMPTY;
}

static void tear_down(void) {
    byte_buffer_free(&buffer);
    ck_assert_ptr_null(buffer.data);
    ck_assert_uint_eq(buffer.capacity, 0);
}

static void assert_holds(const char *expected, size_t length) {
    ck_assert(!buffer.failed);
    ck_assert_uint_eq(buffer.length, length);
    ck_assert_uint_le(buffer.length, buffer.capacity);
    ck_assert(length == 0 || memcmp(buffer.data, expected, length) == 0);
}

static void assert_text(const char *expected) {
    assert_holds(expected, strlen(expected));
}

START_TEST(appends) {
    assert_text("");
    byte_buffer_append(&buffer, NULL, 0);
    ck_assert_ptr_null(buffer.data);
    byte_buffer_append(&buffer, "a\0b", 3);
    byte_buffer_append_text(&buffer, "cd");
    byte_buffer_append_text(&buffer, "");
    BYTE_BUFFER_LITERAL(&buffer, "e\0f");
    assert_holds("a\0bcde\0f", 8);
}
END_TEST

START_TEST(grows_without_losing_a_byte) {
    for (uint32_t i = 0; i < 100000; i++) {
        const char byte = (char)(i % 251);
        byte_buffer_append(&buffer, &byte, 1);
    }
    ck_assert_uint_eq(buffer.length, 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        ck_assert_int_eq(buffer.data[i], (char)(i % 251));
    }
    ck_assert_uint_le(buffer.capacity, 262144);
}
END_TEST

START_TEST(reserves) {
    ck_assert(byte_buffer_reserve(&buffer, 1000));
    ck_assert_uint_ge(buffer.capacity, 1000);
    const char *data = buffer.data;
    for (uint32_t i = 0; i < 1000; i++) {
        BYTE_BUFFER_LITERAL(&buffer, "x");
    }
    ck_assert_ptr_eq(buffer.data, data);
    ck_assert(byte_buffer_reserve(&buffer, 0));
    ck_assert_uint_eq(buffer.length, 1000);
}
END_TEST

START_TEST(numbers) {
    byte_buffer_append_unsigned(&buffer, 0);
    BYTE_BUFFER_LITERAL(&buffer, " ");
    byte_buffer_append_unsigned(&buffer, UINT64_MAX);
    BYTE_BUFFER_LITERAL(&buffer, " ");
    byte_buffer_append_unsigned(&buffer, 1000000007);
    BYTE_BUFFER_LITERAL(&buffer, " ");
    byte_buffer_append_signed(&buffer, INT64_MIN);
    BYTE_BUFFER_LITERAL(&buffer, " ");
    byte_buffer_append_signed(&buffer, -1);
    BYTE_BUFFER_LITERAL(&buffer, " ");
    byte_buffer_append_signed(&buffer, INT64_MAX);
    assert_text("0 18446744073709551615 1000000007 -9223372036854775808 -1 9223372036854775807");
}
END_TEST

START_TEST(formats) {
    char expected[4096];
    char wide[3000];

    memset(wide, 'w', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    byte_buffer_append_format(&buffer, "%03d|%s|", 7, "x");
    byte_buffer_append_format(&buffer, "%s", wide);
    byte_buffer_append_format(&buffer, "%s", "");
    (void)snprintf(expected, sizeof(expected), "007|x|%s", wide);
    assert_text(expected);
}
END_TEST

/* A text that just fits, and one that is a byte too long for the space: the NUL needs space too.
 */
START_TEST(formats_at_the_edge) {
    ck_assert(byte_buffer_reserve(&buffer, 1));
    const int room = (int)buffer.capacity;

    for (int length = room - 2; length <= room + 1; length++) {
        byte_buffer_reset(&buffer, 0);
        ck_assert(byte_buffer_reserve(&buffer, 1));
        ck_assert_int_eq((int)buffer.capacity, room);
        byte_buffer_append_format(&buffer, "%*d", length, 5);
        ck_assert_uint_eq(buffer.length, (size_t)length);
        ck_assert_int_eq(buffer.data[length - 1], '5');
        ck_assert_int_eq(buffer.data[length - 2], ' ');
    }
}
END_TEST

/* --- the ends of memory --- */

START_TEST(failure_sticks_until_reset) {
    byte_buffer_append_text(&buffer, "kept");
    ck_assert(!byte_buffer_reserve(&buffer, SIZE_MAX));
    ck_assert(buffer.failed);
    byte_buffer_append_text(&buffer, "x");
    byte_buffer_append_unsigned(&buffer, 1);
    byte_buffer_append_signed(&buffer, -1);
    byte_buffer_append_format(&buffer, "%d", 1);
    ck_assert(!byte_buffer_reserve(&buffer, 0));
    ck_assert_uint_eq(buffer.length, 4);
    byte_buffer_reset(&buffer, SIZE_MAX);
    byte_buffer_append_text(&buffer, "again");
    assert_text("again");
}
END_TEST

START_TEST(reset_keeps_only_what_it_may) {
    ck_assert(byte_buffer_reserve(&buffer, 1000));
    const size_t capacity = buffer.capacity;

    BYTE_BUFFER_LITERAL(&buffer, "x");
    byte_buffer_reset(&buffer, capacity);
    ck_assert_uint_eq(buffer.length, 0);
    ck_assert_uint_eq(buffer.capacity, capacity);
    byte_buffer_reset(&buffer, capacity - 1);
    ck_assert_uint_eq(buffer.capacity, 0);
    ck_assert_ptr_null(buffer.data);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("byte_buffer");
    TCase *appending = tcase_create("appending");

    tcase_add_checked_fixture(appending, set_up, tear_down);
    tcase_add_test(appending, appends);
    tcase_add_test(appending, grows_without_losing_a_byte);
    tcase_add_test(appending, reserves);
    tcase_add_test(appending, numbers);
    tcase_add_test(appending, formats);
    tcase_add_test(appending, formats_at_the_edge);
    tcase_add_test(appending, failure_sticks_until_reset);
    tcase_add_test(appending, reset_keeps_only_what_it_may);
    suite_add_tcase(suite, appending);

    return suite_run(suite);
}
