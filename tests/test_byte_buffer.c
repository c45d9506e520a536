/*
 * test_byte_buffer.c - growing, numbers, JSON strings against a plain escaper, and running out of
 * memory.
 */
#include "../host-sample/byte_buffer.h"
#include "../host-sample/json_string.h"

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

/* A text that just fits, and one that is a byte too long for what is there: the NUL needs its room.
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

/* --- JSON strings --- */

START_TEST(json_as_stringify_writes_it) {
    static const struct {
        const char *bytes;
        size_t length;
        const char *json;
    } cases[] = {
#define CASE(text, json) {text, sizeof(text) - 1, json}
        CASE("", "\"\""),
        CASE("plain", "\"plain\""),
        CASE("a\"b\\c/d", "\"a\\\"b\\\\c/d\""),
        CASE("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
        CASE("\0\001\013\016\037", "\"\\u0000\\u0001\\u000b\\u000e\\u001f\""),
        CASE("\033[31m", "\"\\u001b[31m\""),
        CASE("\177 \303\251 \342\202\254 \360\237\230\200 \342\200\250",
             "\"\177 \303\251 \342\202\254 \360\237\230\200 \342\200\250\""),
        CASE("{\"k\":[\"v\\n\",null]}", "\"{\\\"k\\\":[\\\"v\\\\n\\\",null]}\""),
#undef CASE
    };

    json_string_append(&buffer, cases[_i].bytes, cases[_i].length);
    assert_text(cases[_i].json);
}
END_TEST
#define JSON_CASES 8

/* One byte at a time, by the letter of the rule. Returns the length. */
static size_t escape_plainly(char *out, const unsigned char *bytes, size_t count) {
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    size_t length = 0;

    out[length++] = '"';
    for (size_t i = 0; i < count; i++) {
        const char *letter = bytes[i] == 0 ? NULL : strchr(named, bytes[i]);

        if (letter != NULL) {
            out[length++] = '\\';
            out[length++] = letters[letter - named];
        } else if (bytes[i] < 0x20) {
            length += (size_t)sprintf(out + length, "\\u%04x", bytes[i]);
        } else {
            out[length++] = (char)bytes[i];
        }
    }
    out[length++] = '"';
    return length;
}

static void assert_escaped_as_plainly(const unsigned char *bytes, size_t count) {
    char *expected = malloc(count * 6 + 3);

    ck_assert_ptr_nonnull(expected);
    /* A copy of the exact size, so that a sanitizer sees a byte read too far. */
    char *exact = malloc(count > 0 ? count : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, count);
    const size_t length = escape_plainly(expected, bytes, count);
    byte_buffer_reset(&buffer, 0);
    json_string_append(&buffer, exact, count);
    assert_holds(expected, length);
    free(exact);
    free(expected);
}

START_TEST(json_of_every_byte_at_every_place) {
    unsigned char bytes[20];

    for (size_t length = 1; length <= sizeof(bytes); length++) {
        for (size_t place = 0; place < length; place++) {
            for (unsigned value = 0; value < 256; value++) {
                memset(bytes, value & 1 ? 0xff : 'a', sizeof(bytes));
                bytes[place] = (unsigned char)value;
                assert_escaped_as_plainly(bytes, length);
            }
        }
    }
}
END_TEST

/* Neighbours matter to whoever looks at eight bytes at once. */
START_TEST(json_of_every_pair) {
    unsigned char bytes[9];

    for (unsigned pair = 0; pair < 65536; pair++) {
        const size_t place = pair % 8;

        memset(bytes, 'a', sizeof(bytes));
        bytes[place] = (unsigned char)(pair >> 8);
        bytes[place + 1] = (unsigned char)pair;
        assert_escaped_as_plainly(bytes, sizeof(bytes));
    }
}
END_TEST

/* Every set of quotes among the sixteen bytes that are looked at together, and as many behind. */
START_TEST(json_of_every_set_of_quotes) {
    unsigned char bytes[32];

    for (unsigned set = 0; set < 65536; set++) {
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            const bool special = (set >> (i % 16) & 1) != 0;

            bytes[i] = (unsigned char)(special ? (i % 3 == 0 ? '\\' : '"') : 'a' + i % 26);
        }
        assert_escaped_as_plainly(bytes, sizeof(bytes));
    }
}
END_TEST

START_TEST(json_of_long_strings) {
    static unsigned char bytes[5000];
    unsigned state = 1;

    for (unsigned density = 1; density <= 1000; density *= 10) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            state = state * 1103515245 + 12345;
            const unsigned drawn = state >> 16;
            bytes[i] = (unsigned char)(drawn % density == 0 ? drawn >> 8 & 0x3f : 'a' + drawn % 26);
        }
        for (size_t length = 1015; length < 1035; length++) {
            assert_escaped_as_plainly(bytes, length);
        }
        assert_escaped_as_plainly(bytes, sizeof(bytes));
    }
    memset(bytes, 1, sizeof(bytes)); /* the longest escape, throughout */
    assert_escaped_as_plainly(bytes, sizeof(bytes));
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
    json_string_append(&buffer, "x", 1);
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
    TCase *json = tcase_create("json");

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
    tcase_add_checked_fixture(json, set_up, tear_down);
    tcase_set_timeout(json, 60);
    tcase_add_loop_test(json, json_as_stringify_writes_it, 0, JSON_CASES);
    tcase_add_test(json, json_of_every_byte_at_every_place);
    tcase_add_test(json, json_of_every_pair);
    tcase_add_test(json, json_of_every_set_of_quotes);
    tcase_add_test(json, json_of_long_strings);
    suite_add_tcase(suite, json);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
