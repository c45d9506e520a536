/*
 * test_friendly_id.c - routes, ids and secrets, table by table, hostile input included.
 *
 * Every input is copied to memory of its exact size before it is handed in, so that a sanitizer or
 * valgrind sees the first byte read beyond it.
 */
#include "host-sample/base/secret.h"
#include "host-sample/lookups/friendly_id.h"
#include "host-sample/lookups/routes.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A string literal, NULs and all. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static char *exact_copy(const char *bytes, size_t length) {
    char *copy = malloc(length > 0 ? length : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    return copy;
}

/* ---- routes ---- */

#define WORKER   "/engine/v1/worker-actions/runs/"
#define WORKLOAD "/api/v1/workload-actions/runs/"
#define BETWEEN  "/snapshots/since/"

static const struct {
    const char *target;
    enum route route;
    const char *run, *snapshot; /* NULL: not looked at */
} targets[] = {
    {"/healthz", ROUTE_HEALTH, NULL, NULL},
    {"/healthz?", ROUTE_HEALTH, NULL, NULL},
    {"/healthz?x=/metrics", ROUTE_HEALTH, NULL, NULL},
    {"/readyz", ROUTE_READY, NULL, NULL},
    {"/status?x", ROUTE_STATUS, NULL, NULL},
    {"/status.json", ROUTE_STATUS_JSON, NULL, NULL},
    {"/status.txt", ROUTE_STATUS_TEXT, NULL, NULL},
    {"/metrics", ROUTE_METRICS, NULL, NULL},
    {"http://host:80/metrics", ROUTE_METRICS, NULL, NULL},
    {"HTTPS://host/healthz?a", ROUTE_HEALTH, NULL, NULL},
    {WORKER "run_a" BETWEEN "snapshot_b", ROUTE_WORKER_SNAPSHOTS, "run_a", "snapshot_b"},
    {WORKLOAD "run_a" BETWEEN "snapshot_b", ROUTE_WORKLOAD_SNAPSHOTS, "run_a", "snapshot_b"},
    {"http://h" WORKER "run_a" BETWEEN "s_b", ROUTE_WORKER_SNAPSHOTS, "run_a", "s_b"},
    {WORKER "run_a" BETWEEN "s_b?x=/y/", ROUTE_WORKER_SNAPSHOTS, "run_a", "s_b"},
    {WORKER "run_a" BETWEEN "s_b?", ROUTE_WORKER_SNAPSHOTS, "run_a", "s_b"},
    {WORKER "run_a" BETWEEN "s_b%3Fx", ROUTE_WORKER_SNAPSHOTS, "run_a", "s_b%3Fx"},
    {WORKER "%2F_%2f" BETWEEN "s_%2F", ROUTE_WORKER_SNAPSHOTS, "%2F_%2f", "s_%2F"},
    /* An empty segment matches, so that it is a bad id and not an unknown path. */
    {WORKER BETWEEN "s_b", ROUTE_WORKER_SNAPSHOTS, "", "s_b"},
    {WORKER "run_a" BETWEEN, ROUTE_WORKER_SNAPSHOTS, "run_a", ""},
    {WORKER "run_a" BETWEEN "?q", ROUTE_WORKER_SNAPSHOTS, "run_a", ""},
    {WORKER BETWEEN, ROUTE_WORKER_SNAPSHOTS, "", ""},
    /* Unknown. */
    {"", ROUTE_UNKNOWN, NULL, NULL},
    {"*", ROUTE_UNKNOWN, NULL, NULL},
    {"/", ROUTE_UNKNOWN, NULL, NULL},
    {"?", ROUTE_UNKNOWN, NULL, NULL},
    {"/healthz/", ROUTE_UNKNOWN, NULL, NULL},
    {"/health", ROUTE_UNKNOWN, NULL, NULL},
    {"/healthzz", ROUTE_UNKNOWN, NULL, NULL},
    {"/Healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"//healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"%2Fhealthz", ROUTE_UNKNOWN, NULL, NULL},
    {"/healt%68z", ROUTE_UNKNOWN, NULL, NULL},
    {"http://", ROUTE_UNKNOWN, NULL, NULL},
    {"http://host", ROUTE_UNKNOWN, NULL, NULL},
    {"http://host?/healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"http:///healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"http:/healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"ftp://host/healthz", ROUTE_UNKNOWN, NULL, NULL},
    {"host:80", ROUTE_UNKNOWN, NULL, NULL},
    {"http://host//healthz", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER, ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a/", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a/snapshots/since", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a/snapshots/since?/s_b", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a/snapshots/latest/s_b", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a/x" BETWEEN "s_b", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a" BETWEEN "s_b/", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a" BETWEEN "s_b/?x", ROUTE_UNKNOWN, NULL, NULL},
    {WORKER "run_a" BETWEEN "/s_b", ROUTE_UNKNOWN, NULL, NULL},
    {"/engine/v2/worker-actions/runs/run_a" BETWEEN "s_b", ROUTE_UNKNOWN, NULL, NULL},
    {"/engine/v1/workload-actions/runs/run_a" BETWEEN "s_b", ROUTE_UNKNOWN, NULL, NULL},
    {"/prefix" WORKER "run_a" BETWEEN "s_b", ROUTE_UNKNOWN, NULL, NULL},
};

START_TEST(a_target_has_its_route) {
    const char *target = targets[_i].target;
    const size_t length = strlen(target);
    char *copy = exact_copy(target, length);
    const struct route_match match = route_of_target(copy, length);
    ck_assert_msg(match.route == targets[_i].route, "%s: %d", target, (int)match.route);
    if (targets[_i].run != NULL) {
        ck_assert_uint_eq(match.run_length, strlen(targets[_i].run));
        ck_assert_mem_eq(match.run, targets[_i].run, match.run_length);
        ck_assert_uint_eq(match.snapshot_length, strlen(targets[_i].snapshot));
        ck_assert_mem_eq(match.snapshot, targets[_i].snapshot, match.snapshot_length);
    }
    free(copy);
}
END_TEST

/* ---- ids ---- */

#define EIGHT(c)    c c c c c c c c
#define HUNDRED_20  EIGHT("abcdefghijklmno")
#define ID_126      HUNDRED_20 "abcdef"
#define BAD_UTF8    "it is not valid UTF-8"
#define CONTROL     "it holds a control character"
#define BAD_PERCENT "it holds a percent sign that two hexadecimal digits do not follow"
#define TOO_LONG    "it is longer than 128 bytes"
#define BAD_PARTS   "expected two non-empty parts with one underscore between them"

/* Refused whether it is a friendly id ("x_" put before it) or a plain one. */
static const struct {
    const char *bytes;
    size_t length;
    const char *why; /* NULL: it is fine */
} texts[] = {
    {BYTES("a"), NULL},
    {BYTES("clx0123456789"), NULL},
    {BYTES(" a "), NULL},
    {BYTES("A+b"), NULL},
    {BYTES("~"), NULL},
    {BYTES("\xc2\xa0"), NULL}, /* the first beyond C1 */
    {BYTES("\xc3\xa9\xe2\x82\xac"), NULL},
    {BYTES("\xdf\xbf\xe0\xa0\x80"), NULL}, /* U+07FF, U+0800 */
    {BYTES("\xed\x9f\xbf"), NULL},         /* U+D7FF */
    {BYTES("\xee\x80\x80"), NULL},         /* U+E000 */
    {BYTES("\xef\xbf\xbf"), NULL},         /* U+FFFF */
    {BYTES("\xf0\x90\x80\x80"), NULL},     /* U+10000 */
    {BYTES("\xf4\x8f\xbf\xbf"), NULL},     /* U+10FFFF */
    {BYTES("\xe2\x80\xa8"), NULL},         /* U+2028 is no control character */
    {BYTES("\0"), CONTROL},
    {BYTES("a\0b"), CONTROL},
    {BYTES("\x01"), CONTROL},
    {BYTES("a\n"), CONTROL},
    {BYTES("\x1f"), CONTROL},
    {BYTES("\x7f"), CONTROL},
    {BYTES("\xc2\x80"), CONTROL},
    {BYTES("\xc2\x9f"), CONTROL},
    {BYTES("\x80"), BAD_UTF8},
    {BYTES("a\xbf"), BAD_UTF8},
    {BYTES("\xc0\xaf"), BAD_UTF8}, /* overlong "/" */
    {BYTES("\xc1\xbf"), BAD_UTF8},
    {BYTES("\xe0\x80\xaf"), BAD_UTF8},
    {BYTES("\xe0\x9f\xbf"), BAD_UTF8},
    {BYTES("\xf0\x80\x80\xaf"), BAD_UTF8},
    {BYTES("\xf0\x8f\xbf\xbf"), BAD_UTF8},
    {BYTES("\xc0\x80"), BAD_UTF8}, /* the NUL of Java */
    {BYTES("\xed\xa0\x80"), BAD_UTF8},
    {BYTES("\xed\xbf\xbf"), BAD_UTF8},
    {BYTES("\xed\xa0\xbd\xed\xb8\x80"), BAD_UTF8}, /* a pair of surrogates */
    {BYTES("\xf4\x90\x80\x80"), BAD_UTF8},
    {BYTES("\xf5\x80\x80\x80"), BAD_UTF8},
    {BYTES("\xf8\x88\x80\x80\x80"), BAD_UTF8},
    {BYTES("\xf8\x90\x80\x80"), BAD_UTF8},
    {BYTES("\xfe"), BAD_UTF8},
    {BYTES("\xff"), BAD_UTF8},
    {BYTES("\xc3"), BAD_UTF8}, /* cut short */
    {BYTES("\xe2\x82"), BAD_UTF8},
    {BYTES("\xf0\x90\x80"), BAD_UTF8},
    {BYTES("\xc3z"), BAD_UTF8},
    {BYTES("\xe2\x82z"), BAD_UTF8},
    {BYTES("\xf0\x90\x80z"), BAD_UTF8},
    {BYTES(ID_126), NULL},
    {BYTES(ID_126 "g"), TOO_LONG}, /* 129 bytes with the "x_" */
};

static void check_id(bool good, const struct database_id *id, const char *why, const char *expected,
                     size_t expected_length, const char *expected_why) {
    if (expected_why != NULL) {
        ck_assert_msg(!good, "taken: %s", expected);
        ck_assert_str_eq(why, expected_why);
        return;
    }
    ck_assert_msg(good, "refused: %s: %s", expected, why);
    ck_assert_uint_eq(id->length, expected_length);
    ck_assert_mem_eq(id->text, expected, expected_length);
    ck_assert_int_eq(id->text[id->length], '\0');
}

START_TEST(a_raw_segment) {
    struct database_id id;
    const char *why = "";
    const size_t length = texts[_i].length + 2;
    char *segment = malloc(length);
    ck_assert_ptr_nonnull(segment);
    memcpy(segment, "x_", 2);
    memcpy(segment + 2, texts[_i].bytes, texts[_i].length);
    const bool good = friendly_id_decode(segment, length, &id, &why);
    check_id(good, &id, why, texts[_i].bytes, texts[_i].length, texts[_i].why);
    free(segment);
}
END_TEST

/* The same with every byte escaped, its letters in both cases. */
START_TEST(an_escaped_segment) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    struct database_id id;
    const char *why = "";
    const size_t length = 2 + 3 * texts[_i].length;
    char *segment = malloc(length);
    ck_assert_ptr_nonnull(segment);
    memcpy(segment, "x_", 2);
    for (size_t i = 0; i < texts[_i].length; i++) {
        const unsigned char byte = (unsigned char)texts[_i].bytes[i];
        segment[2 + 3 * i] = '%';
        segment[2 + 3 * i + 1] = digits[(byte >> 4) + 16 * (i % 2)];
        segment[2 + 3 * i + 2] = digits[(byte & 15) + 16 * (i % 2)];
    }
    const bool good = friendly_id_decode(segment, length, &id, &why);
    check_id(good, &id, why, texts[_i].bytes, texts[_i].length, texts[_i].why);
    free(segment);
}
END_TEST

START_TEST(a_plain_id) {
    struct database_id id;
    const char *why = "";
    char *bytes = exact_copy(texts[_i].bytes, texts[_i].length);
    const bool good = plain_id_check(bytes, texts[_i].length, &id, &why);
    /* Two bytes more have room: there is no "x_". */
    const bool fits = texts[_i].why != NULL && strcmp(texts[_i].why, TOO_LONG) == 0;
    check_id(good, &id, why, texts[_i].bytes, texts[_i].length, fits ? NULL : texts[_i].why);
    free(bytes);
}
END_TEST

START_TEST(a_plain_id_has_a_length) {
    struct database_id id;
    const char *why = "";
    ck_assert(!plain_id_check(NULL, 0, &id, &why));
    ck_assert_str_eq(why, "it is empty");
    ck_assert(plain_id_check(BYTES(ID_126 "gh"), &id, &why));
    ck_assert(!plain_id_check(BYTES(ID_126 "ghi"), &id, &why));
    ck_assert_str_eq(why, TOO_LONG);
    ck_assert(plain_id_check(BYTES("a_b_c%zz"), &id, &why));
    ck_assert_str_eq(id.text, "a_b_c%zz");
}
END_TEST

static const struct {
    const char *segment;
    const char *id;  /* NULL: refused */
    const char *why; /* if refused */
} segments[] = {
    {"run_abc", "abc", NULL},
    {"x_y", "y", NULL},
    {"snapshot_abc", "abc", NULL}, /* the prefix is not checked */
    {"RUN_Abc", "Abc", NULL},
    {" _ ", " ", NULL},
    {"run_a+b", "a+b", NULL},
    {"run_a%2Bb", "a+b", NULL},
    {"run_a%20b", "a b", NULL},
    {"run_%2F", "/", NULL},
    {"run_..%2F..", "../..", NULL},
    {"run_%25zz", "%zz", NULL}, /* decoded once */
    {"run_%2525", "%25", NULL},
    {"run%5Fabc", "abc", NULL}, /* decoded first, then split */
    {"run%5fabc", "abc", NULL},
    {"run_%27%22%5C", "'\"\\", NULL},
    {"%72un_a", "a", NULL},
    {"", NULL, BAD_PARTS},
    {"run", NULL, BAD_PARTS},
    {"_", NULL, BAD_PARTS},
    {"__", NULL, BAD_PARTS},
    {"_x", NULL, BAD_PARTS},
    {"x_", NULL, BAD_PARTS},
    {"a_b_c", NULL, BAD_PARTS},
    {"a__b", NULL, BAD_PARTS},
    {"a_b_", NULL, BAD_PARTS},
    {"_a_b", NULL, BAD_PARTS},
    {"run_a%5Fb", NULL, BAD_PARTS},
    {"run_%", NULL, BAD_PERCENT},
    {"run_%0", NULL, BAD_PERCENT},
    {"run_%4", NULL, BAD_PERCENT},
    {"run_%zz", NULL, BAD_PERCENT},
    {"run_%4z", NULL, BAD_PERCENT},
    {"run_%z4", NULL, BAD_PERCENT},
    {"run_%%41", NULL, BAD_PERCENT},
    {"run_%-1", NULL, BAD_PERCENT},
    {"run_%+1", NULL, BAD_PERCENT},
    {"run_% 1", NULL, BAD_PERCENT},
    {"run_%0x", NULL, BAD_PERCENT},
    {"run_%\xc3\xa9", NULL, BAD_PERCENT},
    {"%", NULL, BAD_PERCENT},
    {"run_%00", NULL, CONTROL},
    {"run_a%00b", NULL, CONTROL},
    {"run_%0A", NULL, CONTROL},
    {"run_%7F", NULL, CONTROL},
    {"run_%c0%af", NULL, BAD_UTF8},
    {"run_%ED%A0%80", NULL, BAD_UTF8},
    {"run_%C3", NULL, BAD_UTF8},
    {"%00_a", NULL, CONTROL},
    {"%ff_a", NULL, BAD_UTF8}, /* the prefix is text too */
};

START_TEST(a_segment_is_split) {
    struct database_id id;
    const char *why = "";
    const size_t length = strlen(segments[_i].segment);
    char *segment = exact_copy(segments[_i].segment, length);
    const bool good = friendly_id_decode(segment, length, &id, &why);
    ck_assert_msg(good == (segments[_i].id != NULL), "%s: %s", segments[_i].segment, why);
    if (good) {
        ck_assert_str_eq(id.text, segments[_i].id);
        ck_assert_uint_eq(id.length, strlen(segments[_i].id));
    } else {
        ck_assert_str_eq(why, segments[_i].why);
    }
    free(segment);
}
END_TEST

START_TEST(a_segment_without_bytes) {
    struct database_id id;
    const char *why = "";
    ck_assert(!friendly_id_decode(NULL, 0, &id, &why));
    ck_assert_str_eq(why, BAD_PARTS);
}
END_TEST

/* The limit counts decoded bytes, and a far longer segment does no harm. */
START_TEST(a_segment_has_a_length) {
    struct database_id id;
    const char *why = "";
    ck_assert(friendly_id_decode(BYTES("x%5F" HUNDRED_20 "abcd%65%66"), &id, &why));
    ck_assert_str_eq(id.text, ID_126);
    ck_assert(!friendly_id_decode(BYTES("x%5F" HUNDRED_20 "abcd%65%66%67"), &id, &why));
    ck_assert_str_eq(why, TOO_LONG);

    const size_t length = 1 << 20;
    char *segment = malloc(length);
    ck_assert_ptr_nonnull(segment);
    memset(segment, 'a', length);
    ck_assert(!friendly_id_decode(segment, length, &id, &why));
    ck_assert_str_eq(why, TOO_LONG);
    free(segment);
}
END_TEST

/* ---- secrets ---- */

static const struct {
    const char *expected, *given;
    bool equal;
} secrets[] = {
    {"demo-token", "demo-token", true},
    {"a", "a", true},
    {"demo-token", "demo-tokeN", false},
    {"demo-token", "Demo-token", false},
    {"demo-token", "demo-toke", false},
    {"demo-token", "demo-tokens", false},
    {"demo-token", "d", false},
    {"d", "demo-token", false},
    {"ab", "abab", false},
    {"abab", "ab", false},
    {"a", "aa", false},
    {"demo-token", "demo-token ", false},
    {"demo-token", "", false},
    {"", "demo-token", false},
    {"", "", false},
};

START_TEST(a_secret) {
    const size_t expected_length = strlen(secrets[_i].expected);
    const size_t given_length = strlen(secrets[_i].given);
    char *expected = exact_copy(secrets[_i].expected, expected_length);
    char *given = exact_copy(secrets[_i].given, given_length);
    ck_assert(secret_equal(expected, expected_length, given, given_length) == secrets[_i].equal);
    free(given);
    free(expected);
}
END_TEST

/* Each bit of each byte counts, the first and the last alike. */
START_TEST(a_secret_of_one_other_bit) {
    static const char secret[] = "0123456789";
    const size_t length = sizeof(secret) - 1;
    for (size_t bit = 0; bit < 8 * length; bit++) {
        char given[sizeof(secret)];
        memcpy(given, secret, sizeof(given));
        given[bit / 8] = (char)(given[bit / 8] ^ (1 << bit % 8));
        ck_assert(!secret_equal(secret, length, given, length));
    }
    ck_assert(!secret_equal(BYTES("a\0b"), BYTES("a\0c")));
    ck_assert(secret_equal(BYTES("a\0b"), BYTES("a\0b")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("friendly_id");
    TCase *cases = tcase_create("friendly_id");
    suite_add_tcase(suite, cases);
    tcase_add_loop_test(cases, a_target_has_its_route, 0, COUNT(targets));
    tcase_add_loop_test(cases, a_raw_segment, 0, COUNT(texts));
    tcase_add_loop_test(cases, an_escaped_segment, 0, COUNT(texts));
    tcase_add_loop_test(cases, a_plain_id, 0, COUNT(texts));
    tcase_add_test(cases, a_plain_id_has_a_length);
    tcase_add_loop_test(cases, a_segment_is_split, 0, COUNT(segments));
    tcase_add_test(cases, a_segment_without_bytes);
    tcase_add_test(cases, a_segment_has_a_length);
    tcase_add_loop_test(cases, a_secret, 0, COUNT(secrets));
    tcase_add_test(cases, a_secret_of_one_other_bit);
    return suite_run(suite);
}
