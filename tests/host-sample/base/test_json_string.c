/*
 * test_json_string.c - JSON strings against a plain escaper.
 */
#include "host-sample/base/json_string.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct byte_buffer buffer;

static void tear_down(void) {
    byte_buffer_free(&buffer);
}

static void assert_holds(const char *expected, size_t length) {
    ck_assert(!buffer.failed);
    ck_assert_uint_eq(buffer.length, length);
    ck_assert(memcmp(buffer.data, expected, length) == 0);
}

START_TEST(as_stringify_writes_it) {
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
    assert_holds(cases[_i].json, strlen(cases[_i].json));
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

START_TEST(every_byte_at_every_place) {
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

/* Neighbours matter where eight bytes are looked at together. */
START_TEST(every_pair) {
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
START_TEST(every_set_of_quotes) {
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

START_TEST(long_strings) {
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

START_TEST(what_is_not_utf8_is_replaced) {
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        {"", "\"\""},
        {"a\"b", "\"a\\\"b\""},
        {"acc\xe8s \xe9", "\"acc\\ufffds \\ufffd\""},
        {"\xff\xfe", "\"\\ufffd\\ufffd\""},
        {"\303\251 cut \303", "\"\303\251 cut \\ufffd\""},
        {"\xe9\303\251\n", "\"\\ufffd\303\251\\n\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        byte_buffer_reset(&buffer, SIZE_MAX);
        json_string_append_any(&buffer, cases[i].text);
        assert_holds(cases[i].json, strlen(cases[i].json));
    }
}
END_TEST

/* Wherever among ASCII it is that something else stands. */
START_TEST(what_is_not_utf8_is_told) {
    static const struct {
        const char *text;
        bool good;
    } cases[] = {{"", true},
                 {"\303\251", true},
                 {"\360\237\230\200", true},
                 {"\351", false},
                 {"\303a", false},
                 {"\300\200", false},
                 {"\355\240\200", false},
                 {"\303", false},
                 {"\303\251\351", false}};
    char text[160];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t count = strlen(cases[i].text);
        for (size_t length = count; length < sizeof text; length++) {
            for (size_t at = 0; at + count <= length; at++) {
                memset(text, 'a', sizeof text);
                memcpy(text + at, cases[i].text, count);
                ck_assert_int_eq(json_is_utf8(text, length), cases[i].good);
            }
        }
    }
}
END_TEST

START_TEST(a_failed_buffer_stays_as_it_is) {
    buffer.failed = true;
    json_string_append(&buffer, "x", 1);
    json_string_append_any(&buffer, "x\xff");
    ck_assert(buffer.failed);
    ck_assert_uint_eq(buffer.length, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_string");
    TCase *json = tcase_create("json");

    tcase_add_checked_fixture(json, NULL, tear_down);
    tcase_set_timeout(json, 60);
    tcase_add_loop_test(json, as_stringify_writes_it, 0, JSON_CASES);
    tcase_add_test(json, every_byte_at_every_place);
    tcase_add_test(json, every_pair);
    tcase_add_test(json, every_set_of_quotes);
    tcase_add_test(json, long_strings);
    tcase_add_test(json, what_is_not_utf8_is_replaced);
    tcase_add_test(json, what_is_not_utf8_is_told);
    tcase_add_test(json, a_failed_buffer_stays_as_it_is);
    suite_add_tcase(suite, json);

    return suite_run(suite);
}
