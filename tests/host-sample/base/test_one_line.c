/*
 * test_one_line.c - messages of several lines as one, cut where they must be.
 */
#include "host-sample/base/one_line.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const struct {
    const char *text, *expected;
    size_t size; /* 0: plenty */
} cases[] = {
    {NULL, "", 0},
    {"", "", 0},
    {"", "", 1},
    {"abc", "abc", 0},
    {"ERROR:  no such table\nLINE 1: SELECT\n               ^\n",
     "ERROR: no such table LINE 1: SELECT ^", 0},
    {"\n \t a \r\n\v\f b \n", "a b", 0},
    {" \n\t ", "", 0},
    {"a\001\033[31mb\177c", "a [31mb c", 0},
    {"\xc3\xa4 \xe2\x82\xac\n\xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", 0},
    /* What does not fit, to the byte. */
    {"abc", "abc", 4},
    {"abc", "ab", 3},
    {"abc", "a", 2},
    {"abc", "", 1},
    {"a b", "a b", 4},
    {"a b", "a", 3}, /* no blank at the end */
    {"a \n b", "a", 2},
    {"abc \n ", "abc", 4}, /* nothing is lost */
    /* Between two characters. */
    {"a\xc3\xa4", "a\xc3\xa4", 4},
    {"a\xc3\xa4", "a", 3},
    {"a\xc3\xa4", "a", 2},
    {"\xe2\x82\xac\xe2\x82\xac", "\xe2\x82\xac", 6},
    {"\xe2\x82\xac\xe2\x82\xac", "\xe2\x82\xac", 4},
    {"\xe2\x82\xac\xe2\x82\xac", "", 3},
    {"\xf0\x9f\x98\x80", "", 4},
    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 5},
    {"a \xf0\x9f\x98\x80", "a", 5},
    /* A terminal obeys these, too, and these end a line. */
    {"a\xc2\x9b"
     "31mb\xc2\x80",
     "a 31mb", 0},
    {"a\xe2\x80\xa8"
     "b\xe2\x80\xa9",
     "a b", 0},
    {"a\xc2\xa0\xe2\x80\xa7", "a\xc2\xa0\xe2\x80\xa7", 0},
    /* What is no UTF-8: of a server that speaks Latin-1, half a character, a surrogate. */
    {"f\xfcr b", "f\xef\xbf\xbdr b", 0},
    {"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd", 0},
    {"\x9b"
     "31m",
     "\xef\xbf\xbd"
     "31m",
     0},
    {"\x80\x80\x80\x80", "", 3},
    {"\x80\x80\x80\x80", "\xef\xbf\xbd", 6},
};

/* Both of exactly their size, so that a byte too many is seen by sanitizers; and by the byte
 * behind. */
static void one_line_into(char *out, size_t size, const char *text) {
    char *copy = text != NULL ? strdup(text) : NULL;
    char *own = malloc(size + 1);
    ck_assert_ptr_nonnull(own);
    memset(own, '#', size + 1);
    one_line(own, size, copy);
    ck_assert_int_eq(own[size], '#');
    ck_assert_uint_lt(strnlen(own, size), size);
    memcpy(out, own, size);
    free(own);
    free(copy);
}

START_TEST(a_text) {
    char out[200];
    one_line_into(out, cases[_i].size != 0 ? cases[_i].size : sizeof(out), cases[_i].text);
    ck_assert_str_eq(out, cases[_i].expected);
}
END_TEST

/* Every size: as much as fits, never a part of a character, never a blank at the end. */
START_TEST(every_size) {
    static const char text[] = " \xc3\xa4 b\n\nc\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xbc";
    static const char whole[] = "\xc3\xa4 b c\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xbc";
    for (size_t size = 1; size <= sizeof(whole); size++) {
        char out[sizeof(whole)];
        one_line_into(out, size, text);
        const size_t length = strlen(out);
        ck_assert(memcmp(out, whole, length) == 0);
        ck_assert_int_ne((unsigned char)whole[length] & 0xc0, 0x80);
        ck_assert(length == 0 || out[length - 1] != ' ');
        ck_assert_uint_gt(length + 1 + 4 + 1,
                          size); /* short by less than a blank and a character */
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("one_line");
    TCase *texts = suite_case(suite, "texts", NULL, NULL, 0);
    tcase_add_loop_test(texts, a_text, 0, COUNT(cases));
    tcase_add_test(texts, every_size);
    return suite_run(suite);
}
