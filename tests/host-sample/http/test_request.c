/*
 * test_request.c - the grammar alone: the same bytes mean the same request, however they are cut.
 *
 * Every call gets its bytes in a block of exactly their size, and never at the same address.
 */
#include "host-sample/http/request.h"
#include "malformed_requests.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const char *const header_names[] = {"authorization", "x-read-position"};
static struct http_header_names names;

/* What came of a stream of bytes. */
struct outcome {
    enum http_reader_outcome outcome;
    unsigned refusal;
    size_t end; /* where in the stream the request ended */
    bool keep_alive, is_head, expects_continue;
    char text[1000]; /* the request: method target [name seen value]... */
};

static void set_up(void) {
    http_header_names_init(&names, header_names, COUNT(header_names));
}

static void spell(struct outcome *outcome, const struct http_reader *reader, const char *bytes) {
    struct http_request request;
    http_reader_request(reader, bytes, &request);
    int length =
        snprintf(outcome->text, sizeof(outcome->text), "%.*s %.*s", (int)request.method.length,
                 request.method.bytes, (int)request.target.length, request.target.bytes);
    for (int i = 0; i < COUNT(header_names); i++) {
        const struct http_text *header = &request.headers[i];
        if (header->bytes != NULL) {
            length += snprintf(outcome->text + length, sizeof(outcome->text) - (size_t)length,
                               " %s %u '%.*s'", header_names[i], header->seen, (int)header->length,
                               header->bytes);
        }
    }
    outcome->keep_alive = reader->keep_alive;
    outcome->is_head = reader->is_head;
    outcome->expects_continue = reader->expects_continue;
}

/* Feeds the stream: `first` bytes, and then `next` at a time, until it is decided. */
static struct outcome feed(const char *stream, size_t length, size_t first, size_t next) {
    struct http_reader reader;
    http_reader_begin(&reader, &names);
    struct outcome result = {.outcome = HTTP_READER_MORE};
    char *block = NULL;
    size_t given = 0;
    while (result.outcome == HTTP_READER_MORE && given < length) {
        size_t piece = given == 0 ? first : next;
        piece = piece < length - given ? piece : length - given;
        const size_t kept = reader.kept, count = kept + piece;
        char *moved = malloc(count);
        ck_assert_ptr_nonnull(moved);
        if (kept > 0) {
            memcpy(moved, block, kept);
        }
        memcpy(moved + kept, stream + given, piece);
        free(block);
        block = moved;
        size_t used = 0;
        result.outcome = http_reader_feed(&reader, block, count, &used);
        ck_assert_uint_le(reader.kept, count);
        ck_assert_uint_le(reader.kept, HTTP_HEAD_CAPACITY);
        if (result.outcome == HTTP_READER_COMPLETE) {
            ck_assert_uint_ge(used, kept);
            ck_assert_uint_le(used, count);
            result.end = given + used - kept;
            spell(&result, &reader, block);
        }
        given += piece;
    }
    result.refusal = result.outcome == HTTP_READER_REFUSED ? reader.refusal : 0;
    free(block);
    return result;
}

static void assert_same(const struct outcome *got, const struct outcome *expected, size_t first,
                        size_t next) {
    ck_assert_msg(got->outcome == expected->outcome && got->refusal == expected->refusal &&
                      got->end == expected->end && got->keep_alive == expected->keep_alive &&
                      got->is_head == expected->is_head &&
                      got->expects_continue == expected->expects_continue &&
                      strcmp(got->text, expected->text) == 0,
                  "in pieces of %zu and %zu: outcome %d, refusal %u, end %zu (not %zu), \"%s\"",
                  first, next, got->outcome, got->refusal, got->end, expected->end, got->text);
}

/* As a whole, byte by byte, in threes, and cut in two at every place. */
static void assert_read_as(const char *stream, size_t length, const struct outcome *expected) {
    const size_t pieces[][2] = {{length, length}, {1, 1}, {3, 3}};
    for (int i = 0; i < COUNT(pieces); i++) {
        const struct outcome got = feed(stream, length, pieces[i][0], pieces[i][1]);
        assert_same(&got, expected, pieces[i][0], pieces[i][1]);
    }
    for (size_t cut = 1; cut < length; cut++) {
        const struct outcome got = feed(stream, length, cut, length);
        assert_same(&got, expected, cut, length);
    }
}

/* --- requests that are taken --- */

#define HOST "Host: h\r\n"
#define NEXT "GET /next HTTP/1.1\r\n" /* what comes behind a request is not looked at */

enum { KEEP = 1, HEAD = 2, CONTINUE = 4 };

static const struct {
    const char *request, *text;
    unsigned flags;
} good[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "GET /", KEEP},
    {"GET /a?b=%20&c HTTP/1.1\r\n" HOST "\r\n", "GET /a?b=%20&c", KEEP},
    {"GET http://h/a HTTP/1.1\r\n" HOST "\r\n", "GET http://h/a", KEEP},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *", KEEP},
    {"HEAD / HTTP/1.1\r\n" HOST "\r\n", "HEAD /", KEEP | HEAD},
    {"DELETE / HTTP/1.1\r\nHost:\r\n\r\n", "DELETE /", KEEP},
    {"CONNECT h:1 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", "CONNECT h:1", 0},
    /* Which methods there are, a path says; no library is asked which ones it knows. */
    {"QUERY / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "QUERY /", KEEP},
    {"get / HTTP/1.1\r\n" HOST "\r\n", "get /", KEEP},
    {"HEADS / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "HEADS /", KEEP},
    {"CONNECTS / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "CONNECTS /", KEEP},
    {"PRI / HTTP/1.1\r\n" HOST "\r\n", "PRI /", KEEP},
    {"~!#$%&'*+-.^_`|09azAZ / HTTP/1.1\r\n" HOST "\r\n", "~!#$%&'*+-.^_`|09azAZ /", KEEP},
    {"METHODS_OF_THIRTY_TWO_CHARACTERS / HTTP/1.1\r\n" HOST "\r\n",
     "METHODS_OF_THIRTY_TWO_CHARACTERS /", KEEP},
    /* Whether the connection stays. */
    {"GET / HTTP/1.0\r\n\r\n", "GET /", 0},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "GET /", 0},
    {"GET / HTTP/1.1\r\n" HOST "connection: Close\r\n\r\n", "GET /", 0},
    {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n", "GET /", KEEP},
    /* Headers: those that are looked for, by any spelling; the last of several; blanks around it.
     */
    {"GET / HTTP/1.1\r\n" HOST "AUTHORIZATION: Bearer x\r\n\r\n",
     "GET / authorization 1 'Bearer x'", KEEP},
    {"GET / HTTP/1.1\r\nX-Read-Position:0/17\r\n" HOST "\r\n", "GET / x-read-position 1 '0/17'",
     KEEP},
    {"GET / HTTP/1.1\r\n" HOST "x-read-position: \t 0/17 \t \r\n\r\n",
     "GET / x-read-position 1 '0/17'", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "x-read-position: a b\tc\r\n\r\n",
     "GET / x-read-position 1 'a b\tc'", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "x-read-position: \xc3\xa4\x80\xff\r\n\r\n",
     "GET / x-read-position 1 '\xc3\xa4\x80\xff'", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "x-read-position: 1\r\nother: y\r\nx-read-position: 2\r\n\r\n",
     "GET / x-read-position 2 '2'", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "authorization: a\r\nx-read-position: b\r\n\r\n",
     "GET / authorization 1 'a' x-read-position 1 'b'", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "x-read-positions: 1\r\nx-read-positio: 2\r\n\r\n", "GET /", KEEP},
    /* Bodies are dropped, whatever they look like. */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "POST /", KEEP},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nx\r\n\r\nGET ", "POST /", KEEP},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n\0\r\n", "GET /", KEEP},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST /", 0},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
     "5;x=y\r\nab\r\nc\r\n00A\r\n0123456789\r\n0\r\nx-read-position: 1\r\nHost: x\r\n\r\n",
     "POST /", 0},
    /* Clients that wait for 100 Continue. */
    {"POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", "POST /",
     KEEP | CONTINUE},
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "POST /", 0},
    {"POST / HTTP/1.1\r\n" HOST "Expect: something\r\nContent-Length: 1\r\n\r\nx", "POST /", KEEP},
};

/* One of them has a NUL in its body. */
static size_t length_of(const char *request) {
    const char *body = strstr(request, "Content-Length: 3\r\n\r\n");
    return body != NULL ? (size_t)(body - request) + 21 + 3 : strlen(request);
}

START_TEST(a_request) {
    char stream[1000];
    const size_t length = length_of(good[_i].request);
    memcpy(stream, good[_i].request, length);
    memcpy(stream + length, NEXT, sizeof(NEXT) - 1);
    struct outcome expected = {.outcome = HTTP_READER_COMPLETE,
                               .end = length,
                               .keep_alive = (good[_i].flags & KEEP) != 0,
                               .is_head = (good[_i].flags & HEAD) != 0,
                               .expects_continue = (good[_i].flags & CONTINUE) != 0};
    snprintf(expected.text, sizeof(expected.text), "%s", good[_i].text);
    assert_read_as(stream, length, &expected);
    assert_read_as(stream, length + sizeof(NEXT) - 1, &expected);
    /* A byte less is not whole. */
    const struct outcome less = {.outcome = HTTP_READER_MORE};
    assert_read_as(stream, length - 1, &less);
}
END_TEST

START_TEST(a_malformed_request) {
    const char *request = malformed_requests[_i].request;
    const struct outcome expected = {.outcome = HTTP_READER_REFUSED,
                                     .refusal = malformed_requests[_i].status};
    assert_read_as(request, strlen(request), &expected);
}
END_TEST

/* --- limits --- */

/* A request with a target and field lines of given sizes. */
static char *long_request(size_t target, size_t fields, size_t *length) {
    static const char field[] = HOST "x-read-position: ";
    ck_assert_uint_gt(fields, sizeof(field) + 2);
    char *request = malloc(target + fields + 100);
    ck_assert_ptr_nonnull(request);
    size_t at = (size_t)sprintf(request, "GET /");
    memset(request + at, 'a', target - 1);
    at += target - 1;
    at += (size_t)sprintf(request + at, " HTTP/1.1\r\n" HOST "x-read-position: ");
    const size_t value = fields - (sizeof(field) - 1) - 2;
    memset(request + at, 'b', value);
    at += value;
    at += (size_t)sprintf(request + at, "\r\n\r\n");
    *length = at;
    return request;
}

static const struct {
    size_t target, fields;
    unsigned refusal; /* 0: taken */
} limits[] = {
    {HTTP_MAX_REQUEST_LINE, 100, 0},
    {HTTP_MAX_REQUEST_LINE + 1, 100, 414},
    {3 * HTTP_MAX_REQUEST_LINE, 100, 414},
    {10, HTTP_MAX_HEADER_BYTES, 0},
    {10, HTTP_MAX_HEADER_BYTES + 1, 431},
    {10, 3 * HTTP_MAX_HEADER_BYTES, 431},
    {HTTP_MAX_REQUEST_LINE, HTTP_MAX_HEADER_BYTES, 0},
    {HTTP_MAX_REQUEST_LINE + 1, HTTP_MAX_HEADER_BYTES + 1, 414}, /* what comes first */
};

START_TEST(a_limit) {
    static const size_t pieces[] = {1, 1000, 7777, HTTP_FEED_CAPACITY};
    size_t length = 0;
    char *request = long_request(limits[_i].target, limits[_i].fields, &length);
    for (int i = 0; i < COUNT(pieces); i++) {
        /* What is kept comes on top of what is new. */
        const size_t piece = pieces[i] < length ? pieces[i] : length;
        struct outcome got = {0};
        struct http_reader reader;
        http_reader_begin(&reader, &names);
        got.outcome = HTTP_READER_MORE;
        for (size_t given = 0; given < length && got.outcome == HTTP_READER_MORE;) {
            size_t count = given + piece < length ? given + piece : length;
            size_t used = 0;
            got.outcome = http_reader_feed(&reader, request, count, &used);
            ck_assert_uint_le(reader.kept,
                              got.outcome == HTTP_READER_REFUSED ? length : HTTP_HEAD_CAPACITY);
            given = count;
        }
        got.refusal = got.outcome == HTTP_READER_REFUSED ? reader.refusal : 0;
        ck_assert_int_eq(got.outcome,
                         limits[_i].refusal == 0 ? HTTP_READER_COMPLETE : HTTP_READER_REFUSED);
        ck_assert_uint_eq(got.refusal, limits[_i].refusal);
    }
    free(request);
}
END_TEST

/* A head that never ends is refused before it outgrows what a connection keeps. */
START_TEST(an_endless_head) {
    static const struct {
        const char *beginning;
        char more;
        unsigned refusal;
    } heads[] = {
        {"GET /", 'a', 414},
        {"A", 'A', 400},
        {"GET / HTTP/1.1", '1', 400},
        {"GET / HTTP/1.1\r\nX", 'a', 431},
        {"GET / HTTP/1.1\r\nX: ", 'a', 431},
        {"GET / HTTP/1.1\r\nX:", ' ', 431},
    };
    static const size_t pieces[] = {1, 1000, HTTP_HEAD_CAPACITY};
    for (int i = 0; i < COUNT(heads); i++) {
        char stream[HTTP_HEAD_CAPACITY];
        memset(stream, heads[i].more, sizeof(stream));
        memcpy(stream, heads[i].beginning, strlen(heads[i].beginning));
        for (int k = 0; k < COUNT(pieces); k++) {
            const struct outcome got = feed(stream, sizeof(stream), pieces[k], pieces[k]);
            ck_assert_int_eq(got.outcome, HTTP_READER_REFUSED);
            ck_assert_uint_eq(got.refusal, heads[i].refusal);
        }
    }
}
END_TEST

START_TEST(empty_lines_before_a_request) {
    static const struct {
        const char *bytes;
        size_t skipped;
    } lines[] = {{"GET", 0},  {"\r\nGET", 2}, {"\n\r\n\rGET", 4},
                 {"\r\n", 2}, {"", 0},        {" \r\n", 0}};
    for (int i = 0; i < COUNT(lines); i++) {
        ck_assert_uint_eq(http_reader_skip(lines[i].bytes, strlen(lines[i].bytes)),
                          lines[i].skipped);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("request");
    TCase *requests = suite_case(suite, "requests", set_up, NULL, 60);
    tcase_add_loop_test(requests, a_request, 0, COUNT(good));
    tcase_add_loop_test(requests, a_malformed_request, 0, MALFORMED_REQUESTS);
    TCase *bounds = suite_case(suite, "limits", set_up, NULL, 60);
    tcase_add_loop_test(bounds, a_limit, 0, COUNT(limits));
    tcase_add_test(bounds, an_endless_head);
    tcase_add_test(bounds, empty_lines_before_a_request);
    return suite_run(suite);
}
