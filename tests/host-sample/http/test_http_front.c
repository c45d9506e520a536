/*
 * test_http_front.c - everything that http/front.h promises, over real sockets on loopback.
 */
#include "malformed_requests.h"
#include "tests/lib/front_thread.h"
#include "tests/lib/http_client.h"
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct front_thread *front;
static struct client client;

static void start(const struct http_front_options *options) {
    front = front_thread_start(options);
    client = client_connect(front_thread_port(front));
}

static void set_up(void) {
    const struct http_front_options options = front_thread_options();

    start(&options);
}

static void tear_down(void) {
    client_close(&client);
    front_thread_stop(front);
}

static void reconnect(void) {
    client_close(&client);
    client = client_connect(front_thread_port(front));
}

static double now_s(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_ms(long ms) {
    const struct timespec moment = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&moment, NULL);
}

/* Reads the counters until the condition holds; a macro, so that the condition is evaluated again.
 */
#define AWAIT_COUNTERS(counters, condition)                                                        \
    do {                                                                                           \
        const double give_up = now_s() + CLIENT_PATIENCE_S;                                        \
        struct http_front_counters counters;                                                       \
        while (counters = front_thread_counters(front), !(condition)) {                            \
            ck_assert_msg(now_s() < give_up, "never: %s", #condition);                             \
            pause_ms(1);                                                                           \
        }                                                                                          \
    } while (0)

/* A request line or header longer than a literal should be: `before`, `count` times `byte`,
 * `after`. */
static void send_long(const char *before, char byte, size_t count, const char *after) {
    char *middle = malloc(count);

    ck_assert_ptr_nonnull(middle);
    memset(middle, byte, count);
    client_send_text(&client, before);
    client_send(&client, middle, count);
    client_send_text(&client, after);
    free(middle);
}

static void assert_echo(const struct client_reply *reply, const char *expected) {
    ck_assert_uint_eq(reply->status, 200);
    ck_assert_str_eq(reply->body, expected);
}

static void assert_error(const struct client_reply *reply, unsigned status) {
    ck_assert_msg(reply->status == status, "%u, not %u: %s", reply->status, status, reply->body);
    ck_assert(client_has_line(reply, "Content-Type: application/json"));
    ck_assert(client_has_line(reply, "Connection: close"));
    ck_assert_msg(strncmp(reply->body, "{\"error\":\"", 10) == 0, "%s", reply->body);
    ck_assert_msg(strcmp(reply->body + reply->body_length - 2, "\"}") == 0, "%s", reply->body);
}

/* --- replies --- */

START_TEST(reply_is_complete) {
    const struct client_reply reply = client_ask(&client, GET("/echo?a=%20b&c"));
    char date[64], zone[8];
    struct tm parsed;

    assert_echo(&reply, "GET\n/echo?a=%20b&c\n");
    ck_assert(strncmp(reply.head, "HTTP/1.1 200 OK\r\n", 17) == 0);
    ck_assert(client_has_line(&reply, "Content-Type: text/plain"));
    ck_assert(client_has_line(&reply, "Content-Length: 19"));
    ck_assert(client_has_line(&reply, "Connection: keep-alive"));
    ck_assert(client_has_line(&reply, "Keep-Alive: timeout=20"));
    ck_assert(client_has_line(&reply, "X-One: 1"));
    ck_assert(client_has_line(&reply, "X-Two: 2"));
    const char *field = strstr(reply.head, "\r\nDate: ");
    ck_assert_ptr_nonnull(field);
    ck_assert_int_eq(sscanf(field, "\r\nDate: %60[^\r]", date), 1);
    ck_assert_uint_eq(strlen(date), strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
    ck_assert_ptr_nonnull(strptime(date, "%a, %d %b %Y %H:%M:%S", &parsed));
    ck_assert_int_eq(sscanf(date + 26, "%4s", zone), 1);
    ck_assert_str_eq(zone, "GMT");
    const time_t off = timegm(&parsed) - time(NULL);
    ck_assert(off >= -2 && off <= 0);
}
END_TEST

START_TEST(connection_is_kept) {
    for (unsigned i = 0; i < 100; i++) {
        const struct client_reply reply = client_ask(&client, GET("/echo"));
        assert_echo(&reply, "GET\n/echo\n");
    }
    const struct http_front_counters counters = front_thread_counters(front);
    ck_assert_uint_eq(counters.connections_accepted, 1);
    ck_assert_uint_eq(counters.connections_open, 1);
    ck_assert_uint_eq(counters.bad_requests, 0);
    ck_assert_uint_eq(counters.unsent_bytes, 0);
}
END_TEST

static const struct {
    const char *request;
    bool kept;
} keep_alive_cases[] = {
    {"GET /echo HTTP/1.0\r\n\r\n", false},
    {"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    {"GET /echo HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    {"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", true},
    {"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
    {"GET /echo HTTP/1.1\r\nHost: h\r\nconnection: x, CLOSE\r\n\r\n", false},
    {"GET /close HTTP/1.1\r\nHost: h\r\n\r\n", false},
    {"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", false},
    {"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", true},
};

START_TEST(keep_alive_is_as_asked) {
    const struct client_reply reply = client_ask(&client, keep_alive_cases[_i].request);

    ck_assert_uint_eq(reply.status, 200);
    if (keep_alive_cases[_i].kept) {
        ck_assert(client_has_line(&reply, "Connection: keep-alive"));
        ck_assert(client_has_line(&reply, "Keep-Alive: timeout=20"));
        const struct client_reply next = client_ask(&client, GET("/echo"));
        ck_assert_uint_eq(next.status, 200);
    } else {
        ck_assert(client_has_line(&reply, "Connection: close"));
        ck_assert_ptr_null(strstr(reply.head, "Keep-Alive"));
        client_expect_end(&client);
    }
}
END_TEST

START_TEST(head_has_no_body) {
    client_send_text(&client, "HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n" GET("/echo2"));
    struct client_reply reply = client_read_head_reply(&client);
    ck_assert(client_has_line(&reply, "Content-Length: 11"));
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo2\n");
}
END_TEST

START_TEST(body_may_be_missing_or_failed) {
    struct client_reply reply = client_ask(&client, GET("/empty"));
    ck_assert_uint_eq(reply.status, 404);
    ck_assert(client_has_line(&reply, "Content-Length: 0"));
    reply = client_ask(&client, GET("/failed"));
    assert_error(&reply, 500);
    client_expect_end(&client);
    reconnect();
    reply = client_ask(&client, GET("/echo"));
    assert_echo(&reply, "GET\n/echo\n");
}
END_TEST

START_TEST(headers_come_trimmed_and_counted) {
    const struct client_reply reply =
        client_ask(&client, "PATCH /echo HTTP/1.1\r\nhOsT:h\r\nAUTHORIZATION: \t Bearer  a b \t\r\n"
                            "x-trigger-worker-environment-id:\r\nX-Other: 1\r\n"
                            "x-read-position: 0/1\r\nX-Read-Position: 0/2\r\n"
                            "x-trigger-workload-deployment-id: d\303\251\r\n"
                            "traceparent: 00-1\r\nx-trigger-workload-deployment-idx: no\r\n\r\n");

    assert_echo(&reply, "PATCH\n/echo\nauthorization 1 Bearer  a b\nenvironment 1 \n"
                        "deployment 1 d\303\251\nposition 2 0/2\ntraceparent 1 00-1\n");
}
END_TEST

/* --- how requests arrive --- */

START_TEST(byte_by_byte) {
    static const char request[] =
        "\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\n"
        "x-read-position:   0/17  \r\nContent-Length: 3\r\n\r\nabc" GET("/echo2");

    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        client_send(&client, request + i, 1);
    }
    struct client_reply reply = client_read(&client);
    assert_echo(&reply, "POST\n/echo\nposition 1 0/17\n");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo2\n");
}
END_TEST

/* Every place at which a request can be cut in two, with a wait for the first part to be read. */
START_TEST(cut_in_two) {
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: h\r\nauthorization: x y\r\n\r\n";

    for (size_t i = 1; i < sizeof(request) - 1; i++) {
        client_send(&client, request, i);
        (void)front_thread_is_idle(front); /* a round trip through the loop */
        client_send_text(&client, request + i);
        const struct client_reply reply = client_read(&client);
        assert_echo(&reply, "GET\n/echo\nauthorization 1 x y\n");
    }
}
END_TEST

static void *send_many(void *arg) {
    char request[64];

    for (unsigned i = 0; i < *(unsigned *)arg; i++) {
        (void)snprintf(request, sizeof(request), "GET /echo%u HTTP/1.1\r\nHost: h\r\n\r\n", i);
        client_send_text(&client, request);
    }
    return NULL;
}

/* As many as would overflow the stack if each were answered within the call for the one before. */
START_TEST(pipelined_in_order) {
    unsigned count = 50000;
    char expected[64];
    pthread_t sender;

    ck_assert_int_eq(pthread_create(&sender, NULL, send_many, &count), 0);
    for (unsigned i = 0; i < count; i++) {
        const struct client_reply reply = client_read(&client);
        (void)snprintf(expected, sizeof(expected), "GET\n/echo%u\n", i);
        assert_echo(&reply, expected);
    }
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
}
END_TEST

START_TEST(pipelined_and_answered_later) {
    char request[64], expected[64];

    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(request, sizeof(request), "GET /%s%u HTTP/1.1\r\nHost: h\r\n\r\n",
                       i % 3 == 0 ? "later" : "echo", i);
        client_send_text(&client, request);
    }
    for (unsigned i = 0; i < 500; i++) {
        const struct client_reply reply = client_read(&client);
        (void)snprintf(expected, sizeof(expected), "GET\n/echo%u\n", i);
        assert_echo(&reply, i % 3 == 0 ? "waited" : expected);
    }
}
END_TEST

START_TEST(one_exchange_at_a_time) {
    client_send_text(&client, GET("/wait1") GET("/wait2") GET("/echo"));
    front_thread_await_requests(front, 1);
    ck_assert_uint_eq(front_thread_answer(front), 1);
    front_thread_await_requests(front, 2);
    ck_assert_uint_eq(front_thread_requests(front), 2);
    ck_assert_uint_eq(front_thread_answer(front), 1);
    struct client_reply reply = client_read(&client);
    assert_echo(&reply, "waited");
    reply = client_read(&client);
    assert_echo(&reply, "waited");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo\n");
}
END_TEST

/* --- bodies --- */

START_TEST(body_is_dropped) {
    struct client_reply reply =
        client_ask(&client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n"
                            "GET /echo3 HTTP/1.1\r\n\r\n\r\n" GET("/echo2"));
    assert_echo(&reply, "POST\n/echo\n");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo2\n");
    send_long("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n", 'x', 65536,
              GET("/echo2"));
    reply = client_read(&client);
    assert_echo(&reply, "POST\n/echo\n");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo2\n");
}
END_TEST

START_TEST(request_is_whole_before_it_is_handed_over) {
    client_send_text(&client, "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx");
    AWAIT_COUNTERS(counters, counters.connections_open == 1);
    ck_assert(front_thread_is_idle(front));
    client_send_text(&client, "y");
    front_thread_await_requests(front, 1);
    ck_assert(!front_thread_is_idle(front));
    ck_assert_uint_eq(front_thread_answer(front), 1);
    client_read(&client);
}
END_TEST

/* Nor do trailers count as headers. */
START_TEST(chunked_body_is_dropped_and_is_the_last) {
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
        "x-read-position: 0/1\r\n\r\n5;x=y\r\nabcde\r\nA\r\n0123456789\r\n0\r\n"
        "Authorization: Bearer x\r\nx-read-position: 0/2\r\nHost: x\r\n\r\n" GET("/echo2");
    struct client_reply reply = client_ask(&client, request);

    assert_echo(&reply, "POST\n/echo\nposition 1 0/1\n");
    ck_assert(client_has_line(&reply, "Connection: close"));
    client_expect_end(&client);
}
END_TEST

START_TEST(chunked_body_up_to_the_limit) {
    client_send_text(&client,
                     "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 65536 / 64; i++) {
        send_long("40\r\n", 'x', 64, "\r\n");
    }
    client_send_text(&client, "0\r\n\r\n");
    const struct client_reply reply = client_read(&client);
    assert_echo(&reply, "POST\n/echo\n");
}
END_TEST

START_TEST(continue_is_sent_when_awaited) {
    struct client_reply reply = client_ask(
        &client,
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert_str_eq(reply.head, "HTTP/1.1 100 Continue\r\n\r\n");
    reply = client_ask(&client, "abc");
    assert_echo(&reply, "POST\n/echo\n");
    /* The body has come by itself; there is none; HTTP/1.0 does not have it; it is too large. */
    reply = client_ask(&client, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                                "Content-Length: 3\r\n\r\nabc");
    assert_echo(&reply, "POST\n/echo\n");
    reply = client_ask(&client, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n");
    assert_echo(&reply, "POST\n/echo\n");
    client_send_text(&client, "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n"
                              "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    front_thread_await_requests(front, 3);
    reply = client_ask(&client, "x");
    assert_echo(&reply, "POST\n/echo\n");
    reply = client_ask(&client, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                                "Content-Length: 65537\r\n\r\n");
    assert_error(&reply, 413);
    client_expect_end(&client);
}
END_TEST

/* --- errors --- */

START_TEST(error_is_answered) {
    struct client_reply reply = client_ask(&client, malformed_requests[_i].request);
    assert_error(&reply, malformed_requests[_i].status);
    client_expect_end(&client);
    /* The same after a request that was good, in small pieces. */
    reconnect();
    reply = client_ask(&client, GET("/echo"));
    ck_assert_uint_eq(reply.status, 200);
    const size_t length = strlen(malformed_requests[_i].request);
    for (size_t i = 0; i < length; i++) {
        client_send(&client, malformed_requests[_i].request + i, 1);
    }
    reply = client_read(&client);
    assert_error(&reply, malformed_requests[_i].status);
    client_read_to_end(&client);
    ck_assert_uint_eq(front_thread_counters(front).bad_requests, 2);
    ck_assert_uint_eq(front_thread_requests(front), 1);
}
END_TEST

START_TEST(nul_bytes_are_refused) {
    static const char in_target[] = "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n";
    static const char in_value[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n";
    static const char in_name[] = "GET / HTTP/1.1\r\nHost: h\r\nX\0Y: a\r\n\r\n";
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {{in_target, sizeof(in_target) - 1},
                 {in_value, sizeof(in_value) - 1},
                 {in_name, sizeof(in_name) - 1}};

    for (unsigned i = 0; i < 3; i++) {
        client_send(&client, cases[i].bytes, cases[i].length);
        const struct client_reply reply = client_read(&client);
        assert_error(&reply, 400);
        client_expect_end(&client);
        reconnect();
    }
}
END_TEST

START_TEST(limits_of_the_target) {
    send_long("GET /", 'x', HTTP_MAX_REQUEST_LINE - 1, " HTTP/1.1\r\nHost: h\r\n\r\n");
    struct client_reply reply = client_read(&client);
    ck_assert_uint_eq(reply.status, 200);
    ck_assert_uint_eq(reply.body_length, 4 + HTTP_MAX_REQUEST_LINE + 1);
    send_long("GET /", 'x', HTTP_MAX_REQUEST_LINE, " HTTP/1.1\r\nHost: h\r\n\r\n");
    reply = client_read(&client);
    assert_error(&reply, 414);
    client_expect_end(&client);
    reconnect();
    send_long("GET /", 'x', HTTP_MAX_REQUEST_LINE, ""); /* refused before its end */
    reply = client_read(&client);
    assert_error(&reply, 414);
}
END_TEST

START_TEST(limits_of_the_headers) {
    const size_t others = strlen("Host: h\r\nX: \r\n");

    send_long("GET /echo HTTP/1.1\r\nHost: h\r\nX: ", 'x', HTTP_MAX_HEADER_BYTES - others,
              "\r\n\r\n");
    struct client_reply reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo\n");
    send_long("GET /echo HTTP/1.1\r\nHost: h\r\nX: ", 'x', HTTP_MAX_HEADER_BYTES - others + 1,
              "\r\n\r\n");
    reply = client_read(&client);
    assert_error(&reply, 431);
    client_expect_end(&client);
    reconnect();
    send_long("GET /echo HTTP/1.1\r\nHost: h\r\nX: ", 'x', HTTP_MAX_HEADER_BYTES, "");
    reply = client_read(&client);
    assert_error(&reply, 431);
    reconnect();
    send_long("GET /echo HTTP/1.1\r\nHost: h\r\nX:", ' ', HTTP_MAX_HEADER_BYTES, "");
    reply = client_read(&client);
    assert_error(&reply, 431);
}
END_TEST

/* Both at their limits at once, in pieces: the largest head that there is. */
START_TEST(largest_head) {
    const size_t others = strlen("Host: h\r\nX: \r\n");

    send_long("UNSUBSCRIBE /", 'x', HTTP_MAX_REQUEST_LINE - 1, " HTTP/1.1\r\nHost: h\r\n");
    send_long("X: ", 'x', HTTP_MAX_HEADER_BYTES - others, "\r\n\r");
    client_send_text(&client, "\n" GET("/echo"));
    struct client_reply reply = client_read(&client);
    ck_assert_uint_eq(reply.status, 200);
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo\n");
}
END_TEST

START_TEST(endless_input_is_refused) {
    static const struct {
        const char *before;
        char byte;
        unsigned status;
    } cases[] = {{"GET", ' ', 400},
                 {"GET /echo", ' ', 400},
                 {POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", 'x', 431},
                 {POST "Transfer-Encoding: chunked\r\n\r\n1;", 'x', 431}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        send_long(cases[i].before, cases[i].byte, 100000, "");
        const struct client_reply reply = client_read(&client);
        assert_error(&reply, cases[i].status);
        reconnect();
    }
}
END_TEST

/* Small chunks with much around them: the bytes of the body alone would never reach the limit. */
START_TEST(endless_framing_is_refused) {
    client_send_text(&client, POST "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 600; i++) {
        send_long("1;", 'x', 1000, "\r\ny\r\n");
    }
    const struct client_reply reply = client_read(&client);
    assert_error(&reply, 413);
}
END_TEST

/* The client is still sending when it is refused, and looks only after that: a socket that is
 * closed with bytes unread would reset the connection, and the answer would be lost. */
START_TEST(error_survives_what_is_still_sent) {
    send_long(POST "Content-Length: 900000\r\n\r\n", 'x', 900000, "");
    AWAIT_COUNTERS(counters, counters.bad_requests == 1);
    const struct client_reply reply = client_read(&client);
    assert_error(&reply, 413);
    client_expect_end(&client);
    client_close(&client);
    AWAIT_COUNTERS(counters, counters.connections_open == 0);
}
END_TEST

/* It does not read on forever, either. */
START_TEST(lingering_is_bounded_in_bytes) {
    char bytes[65536];
    ssize_t sent;
    size_t total = 0;

    memset(bytes, 'x', sizeof(bytes));
    client_send_text(&client, "garbage\r\n\r\n");
    do {
        sent = send(client.fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
        total += sent > 0 ? (size_t)sent : 0;
    } while (sent > 0 && total < 64u * 1024 * 1024);
    ck_assert_msg(sent < 0 && (errno == EPIPE || errno == ECONNRESET), "%zu bytes", total);
    AWAIT_COUNTERS(counters, counters.connections_open == 0);
}
END_TEST

START_TEST(lingering_is_bounded_in_time) {
    const double begin = now_s();

    client_send_text(&client, "garbage\r\n\r\n");
    client_read(&client);
    AWAIT_COUNTERS(counters, counters.connections_open == 0);
    ck_assert_double_lt(now_s() - begin, 10);
}
END_TEST

/* --- timeouts --- */

START_TEST(idle_connection_is_closed_in_silence) {
    struct http_front_options options = front_thread_options();

    options.idle_timeout_ms = 150;
    start(&options);
    const struct client_reply reply = client_ask(&client, GET("/echo") "\r\n");
    ck_assert_uint_eq(reply.status, 200);
    client_expect_end(&client);
    ck_assert_uint_eq(front_thread_counters(front).timeouts, 1);
    ck_assert_uint_eq(front_thread_counters(front).bad_requests, 0);
    reconnect(); /* and one that never asks for anything */
    client_expect_end(&client);
    ck_assert_uint_eq(front_thread_counters(front).timeouts, 2);
}
END_TEST

/* Sends a byte now and then until the front closes the connection. */
static void drip(const char *byte) {
    const double begin = now_s();

    while (front_thread_counters(front).timeouts == 0) {
        ck_assert_double_lt(now_s() - begin, CLIENT_PATIENCE_S);
        client_send_text(&client, byte);
        pause_ms(20);
    }
    ck_assert_double_ge(now_s() - begin, 0.25);
}

/* The whole request counts, not the time between two bytes. */
START_TEST(slow_request_is_cut_off) {
    struct http_front_options options = front_thread_options();

    options.request_timeout_ms = 300;
    start(&options);
    client_send_text(&client, "GET /echo HTTP/1.1\r\nHost: h\r\nX: ");
    drip("x");
    const struct client_reply reply = client_read(&client);
    assert_error(&reply, 408);
    client_read_to_end(&client);
    ck_assert_uint_eq(front_thread_counters(front).bad_requests, 1);
}
END_TEST

/* Empty lines before a request are not a request. */
START_TEST(empty_lines_do_not_keep_a_connection) {
    struct http_front_options options = front_thread_options();

    options.idle_timeout_ms = 300;
    start(&options);
    drip("\r\n");
    ck_assert_uint_eq(client_read_to_end(&client), 0);
    ck_assert_uint_eq(front_thread_counters(front).bad_requests, 0);
}
END_TEST

START_TEST(slow_body_is_cut_off) {
    struct http_front_options options = front_thread_options();

    options.request_timeout_ms = 200;
    start(&options);
    const struct client_reply reply = client_ask(&client, POST "Content-Length: 10\r\n\r\nabc");
    assert_error(&reply, 408);
    client_expect_end(&client);
}
END_TEST

/* The time of a request begins with its first byte, not with the connection or the one before it.
 */
START_TEST(request_time_begins_anew) {
    struct http_front_options options = front_thread_options();

    options.request_timeout_ms = 1500;
    start(&options);
    for (unsigned i = 0; i < 4; i++) {
        client_send_text(&client, "GET /echo HTT");
        pause_ms(500);
        const struct client_reply reply = client_ask(&client, "P/1.1\r\nHost: h\r\n\r\n");
        ck_assert_uint_eq(reply.status, 200);
    }
    ck_assert_uint_eq(front_thread_counters(front).timeouts, 0);
}
END_TEST

START_TEST(host_may_take_its_time) {
    struct http_front_options options = front_thread_options();

    options.idle_timeout_ms = options.request_timeout_ms = options.reply_timeout_ms = 50;
    start(&options);
    client_send_text(&client, GET("/wait"));
    front_thread_await_requests(front, 1);
    pause_ms(300); /* not for a result: so that the timeouts would show if they counted */
    ck_assert_uint_eq(front_thread_answer(front), 1);
    const struct client_reply reply = client_read(&client);
    assert_echo(&reply, "waited");
}
END_TEST

START_TEST(slow_reader_is_cut_off) {
    struct http_front_options options = front_thread_options();

    options.reply_timeout_ms = 300;
    start(&options);
    client_close(&client);
    client = client_connect_small(front_thread_port(front), 4096);
    client_send_text(&client, GET("/big"));
    AWAIT_COUNTERS(counters, counters.unsent_bytes > 0);
    AWAIT_COUNTERS(counters, counters.timeouts == 1);
    AWAIT_COUNTERS(counters, counters.unsent_bytes == 0);
    ck_assert_uint_lt(client_read_to_end(&client), BIG_BODY_BYTES);
}
END_TEST

/* --- large replies --- */

static void assert_big(const struct client_reply *reply) {
    ck_assert_uint_eq(reply->status, 200);
    ck_assert_uint_eq(reply->body_length, BIG_BODY_BYTES);
    for (size_t i = 0; i < BIG_BODY_BYTES; i++) {
        if (reply->body[i] != front_thread_big_byte(i)) {
            ck_abort_msg("byte %zu", i);
        }
    }
}

START_TEST(big_reply_to_a_slow_reader) {
    client_close(&client);
    client = client_connect_small(front_thread_port(front), 4096);
    client_send_text(&client, GET("/big1") GET("/echo") GET("/big2"));
    AWAIT_COUNTERS(counters, counters.unsent_bytes > 0);
    ck_assert(!front_thread_is_idle(front));
    ck_assert_uint_eq(front_thread_requests(front), 1); /* nothing is read in the meantime */
    struct client_reply reply = client_read(&client);
    assert_big(&reply);
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo\n");
    reply = client_read(&client);
    assert_big(&reply);
    AWAIT_COUNTERS(counters, counters.unsent_bytes == 0);
}
END_TEST

/* Small replies to a client that only asks: the socket fills up in the middle of any of them. */
static unsigned many = 100000;

/* The client begins to ask for them, until what is unsent is more than that many bytes. */
static pthread_t ask_for_many_small_replies(uint64_t unsent_bytes) {
    pthread_t sender;
    client_close(&client);
    client = client_connect_small(front_thread_port(front), 4096);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_many, &many), 0);
    AWAIT_COUNTERS(counters, counters.unsent_bytes > unsent_bytes || counters.timeouts > 0);
    return sender;
}

static void read_them(pthread_t sender) {
    char expected[64];
    for (unsigned i = 0; i < many; i++) {
        const struct client_reply reply = client_read(&client);
        (void)snprintf(expected, sizeof(expected), "GET\n/echo%u\n", i);
        assert_echo(&reply, expected);
    }
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
}

START_TEST(many_small_replies_to_a_slow_reader) {
    read_them(ask_for_many_small_replies(0));
}
END_TEST

START_TEST(unsent_bytes_are_bounded) {
    struct http_front_options options = front_thread_options();
    struct client readers[40]; /* the kernel may buffer for any of them */
    struct client_reply reply;
    unsigned count = 0;

    options.max_unsent_bytes = 14 * 1000 * 1000;
    start(&options);
    while (front_thread_counters(front).timeouts == 0) {
        ck_assert_uint_lt(count, 40);
        readers[count] = client_connect_small(front_thread_port(front), 4096);
        client_send_text(&readers[count], GET("/big"));
        front_thread_await_requests(front, ++count);
        ck_assert_uint_le(front_thread_counters(front).unsent_bytes, options.max_unsent_bytes);
    }
    ck_assert_uint_ge(count, 3);
    ck_assert_uint_eq(front_thread_counters(front).timeouts, 1);
    ck_assert_uint_lt(client_read_to_end(&readers[0]), BIG_BODY_BYTES);
    client_close(&readers[0]);
    for (unsigned i = 1; i < count; i++) {
        reply = client_read(&readers[i]);
        assert_big(&reply);
        client_close(&readers[i]);
    }
    reply = client_ask(&client, GET("/echo"));
    assert_echo(&reply, "GET\n/echo\n");
}
END_TEST

/* A reply that is more than that alone would be cut off each time that it is asked for, were it the
 * only one or not. */
START_TEST(a_reply_that_is_too_large_is_not_bounded) {
    struct http_front_options options = front_thread_options();

    /* A kernel that has seen this address before takes up to 4 MB of it at once. */
    options.max_unsent_bytes = 100 * 1000;
    start(&options);
    struct client reader = client_connect_small(front_thread_port(front), 4096);
    client_send_text(&reader, GET("/big"));
    AWAIT_COUNTERS(counters, counters.unsent_bytes > 0);
    const pthread_t sender = ask_for_many_small_replies(front_thread_counters(front).unsent_bytes);
    const struct client_reply reply = client_read(&reader);
    assert_big(&reply);
    read_them(sender);
    ck_assert_uint_eq(front_thread_counters(front).timeouts, 0);
    client_close(&reader);
}
END_TEST

/* With the default disposition of SIGPIPE, which would end this process. */
START_TEST(reader_that_leaves) {
    for (unsigned i = 0; i < 20; i++) {
        struct client reader = client_connect_small(front_thread_port(front), 4096);

        client_send_text(&reader, GET("/big"));
        front_thread_await_requests(front, i + 1);
        if (i % 2 == 0) {
            client_abort(&reader);
        } else {
            client_close(&reader);
        }
        AWAIT_COUNTERS(counters, counters.unsent_bytes == 0 && counters.connections_open == 1);
    }
    const struct client_reply reply = client_ask(&client, GET("/echo"));
    assert_echo(&reply, "GET\n/echo\n");
}
END_TEST

/* --- clients that leave --- */

START_TEST(half_closed_client_gets_its_answer) {
    client_send_text(&client, GET("/wait"));
    client_shut(&client);
    front_thread_await_requests(front, 1);
    ck_assert_uint_eq(front_thread_answer(front), 1);
    struct client_reply reply = client_read(&client);
    assert_echo(&reply, "waited");
    client_expect_end(&client);
    reconnect();
    client_send_text(&client, GET("/echo1") GET("/later") GET("/echo2"));
    client_shut(&client);
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo1\n");
    reply = client_read(&client);
    assert_echo(&reply, "waited");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo2\n");
    client_expect_end(&client);
    ck_assert_uint_eq(front_thread_gone(front), 0);
}
END_TEST

START_TEST(half_closed_within_a_request) {
    client_send_text(&client, "GET /echo HTTP/1.1\r\nHost: h\r\n");
    client_shut(&client);
    const struct client_reply reply = client_read(&client);
    assert_error(&reply, 400);
    client_expect_end(&client);
    reconnect();
    client_shut(&client);
    client_expect_end(&client);
    ck_assert_uint_eq(front_thread_counters(front).bad_requests, 1);
}
END_TEST

enum leaving { BY_CLOSE, BY_RESET, BY_HALF_CLOSE, LEAVINGS };

static void leave(enum leaving how) {
    switch (how) {
    case BY_CLOSE:
        client_close(&client);
        break;
    case BY_RESET:
        client_abort(&client);
        break;
    default:
        client_shut(&client);
        break;
    }
}

START_TEST(watched_client_leaves) {
    client_send_text(&client, GET("/watch"));
    front_thread_await_requests(front, 1);
    ck_assert_uint_eq(front_thread_gone(front), 0);
    leave((enum leaving)_i);
    front_thread_await_gone(front, 1);
    ck_assert(front_thread_is_idle(front));
    ck_assert_uint_eq(front_thread_answer(front), 0);
    AWAIT_COUNTERS(counters, counters.connections_open == 0);
}
END_TEST

/* Bytes that it sent ahead do not hide that it left. */
START_TEST(watched_client_leaves_after_pipelining) {
    client_send_text(&client, GET("/watch"));
    front_thread_await_requests(front, 1);
    send_long(GET("/echo") "GET /", 'x', 100000, "");
    leave((enum leaving)_i);
    front_thread_await_gone(front, 1);
    ck_assert_uint_eq(front_thread_requests(front), 1);
}
END_TEST

START_TEST(client_leaves_before_it_is_watched) {
    client_send_text(&client, GET("/wait"));
    front_thread_await_requests(front, 1);
    leave((enum leaving)_i);
    for (unsigned i = 0; i < 3 && _i != BY_RESET; i++) {
        ck_assert(!front_thread_is_idle(front)); /* watching was not asked for */
        ck_assert_uint_eq(front_thread_gone(front), 0);
    }
    front_thread_watch(front);
    front_thread_await_gone(front, 1);
}
END_TEST

/* Pipelined bytes alone do not mean that it left. */
START_TEST(watched_client_stays) {
    client_send_text(&client, GET("/watch") GET("/echo"));
    front_thread_await_requests(front, 1);
    client_send_text(&client, GET("/echo"));
    front_thread_watch(front);
    ck_assert_uint_eq(front_thread_gone(front), 0);
    ck_assert_uint_eq(front_thread_answer(front), 1);
    struct client_reply reply = client_read(&client);
    assert_echo(&reply, "waited");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo\n");
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo\n");
}
END_TEST

START_TEST(unwatched_client_leaves) {
    client_send_text(&client, GET("/wait"));
    front_thread_await_requests(front, 1);
    leave((enum leaving)_i);
    if (_i == BY_RESET) {
        front_thread_await_gone(front, 1); /* nobody waits there, watched or not */
        ck_assert_uint_eq(front_thread_answer(front), 0);
    } else {
        ck_assert_uint_eq(front_thread_answer(front), 1);
        ck_assert_uint_eq(front_thread_gone(front), 0);
    }
    if (_i == BY_HALF_CLOSE) {
        const struct client_reply reply = client_read(&client);
        assert_echo(&reply, "waited");
        client_expect_end(&client);
    }
    AWAIT_COUNTERS(counters, counters.connections_open == 0);
}
END_TEST

START_TEST(free_tells_who_is_gone) {
    client_send_text(&client, GET("/wait"));
    struct client another = client_connect(front_thread_port(front));
    client_send_text(&another, GET("/watch"));
    front_thread_await_requests(front, 2);
    ck_assert_uint_eq(front_thread_stop(front), 2);
    client_expect_end(&another);
    client_close(&another);
    client_expect_end(&client);
    client_close(&client);
    front = NULL;
}
END_TEST

/* --- many connections --- */

#define MANY 1000

START_TEST(many_connections) {
    static struct client clients[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        clients[i] = client_connect(front_thread_port(front));
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            client_send_text(&clients[i], i % 2 == 0 ? GET("/echo") : GET("/wait"));
        }
        front_thread_await_requests(front, (round + 1) * MANY);
        ck_assert_uint_eq(front_thread_answer(front), MANY / 2);
        for (unsigned i = 0; i < MANY; i++) {
            const struct client_reply reply = client_read(&clients[i]);
            assert_echo(&reply, i % 2 == 0 ? "GET\n/echo\n" : "waited");
        }
    }
    ck_assert_uint_eq(front_thread_counters(front).connections_open, MANY + 1);
    for (unsigned i = 0; i < MANY; i++) {
        client_close(&clients[i]);
    }
    AWAIT_COUNTERS(counters, counters.connections_open == 1);
}
END_TEST

START_TEST(too_many_connections) {
    struct http_front_options options = front_thread_options();
    struct client others[3];
    struct client_reply reply;

    options.max_connections = 2;
    start(&options);
    others[0] = client_connect(front_thread_port(front));
    reply = client_ask(&others[0], GET("/echo"));
    ck_assert_uint_eq(reply.status, 200);
    for (unsigned i = 1; i < 3; i++) {
        others[i] = client_connect(front_thread_port(front));
        client_send_text(&others[i], GET("/echo"));
        reply = client_read(&others[i]);
        assert_error(&reply, 503);
        client_expect_end(&others[i]);
    }
    ck_assert_uint_eq(front_thread_counters(front).connections_refused, 2);
    ck_assert_uint_eq(front_thread_counters(front).bad_requests, 0);
    reply = client_ask(&client, GET("/echo")); /* accepted ones are served */
    ck_assert_uint_eq(reply.status, 200);
    client_close(&others[0]); /* refused ones may still be there: they do not count */
    AWAIT_COUNTERS(counters, counters.connections_open <= 3);
    others[0] = client_connect(front_thread_port(front));
    reply = client_ask(&others[0], GET("/echo"));
    ck_assert_uint_eq(reply.status, 200);
    for (unsigned i = 0; i < 3; i++) {
        client_close(&others[i]);
    }
}
END_TEST

/* Refused clients that stay connected: they cost a bounded number of descriptors. */
START_TEST(refused_connections_are_bounded) {
    static struct client clients[400];
    struct http_front_options options = front_thread_options();

    options.max_connections = 1;
    start(&options);
    for (unsigned i = 0; i < 400; i++) {
        clients[i] = client_connect(front_thread_port(front));
    }
    AWAIT_COUNTERS(counters,
                   counters.connections_refused == 400 && counters.connections_open <= 1 + 256);
    for (unsigned i = 0; i < 400; i++) {
        const struct client_reply reply = client_read(&clients[i]);
        assert_error(&reply, 503);
        client_close(&clients[i]);
    }
}
END_TEST

/* Overrides the C library's: lets accept fail as it does when there are no descriptors left.
 */
static atomic_bool out_of_descriptors;
static atomic_uint failed_accepts;

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict length, int flags) {
    if (atomic_load(&out_of_descriptors)) {
        atomic_fetch_add(&failed_accepts, 1);
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address.__sockaddr__, length, flags);
}

/* The listener stays readable: a front that asked again at once would spin. */
START_TEST(no_descriptors_left) {
    struct client_reply reply = client_ask(&client, GET("/echo"));
    ck_assert_uint_eq(reply.status, 200);
    atomic_store(&out_of_descriptors, true);
    const double begin = now_s();
    struct client late = client_connect(front_thread_port(front));
    client_send_text(&late, GET("/echo"));
    while (atomic_load(&failed_accepts) < 4) {
        ck_assert_double_lt(now_s() - begin, CLIENT_PATIENCE_S);
        reply = client_ask(&client, GET("/echo")); /* accepted ones are served */
        ck_assert_uint_eq(reply.status, 200);
    }
    ck_assert_double_ge(now_s() - begin, 0.25); /* three pauses of 100 ms */
    atomic_store(&out_of_descriptors, false);
    reply = client_read(&late);
    assert_echo(&reply, "GET\n/echo\n");
    client_close(&late);
}
END_TEST

/* --- drain --- */

static bool is_refused(uint16_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    const bool refused = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0;
    close(fd);
    return refused;
}

START_TEST(drain_ends_what_is_under_way) {
    const uint16_t port = front_thread_port(front);
    struct client idle = client_connect(port);
    struct client partial = client_connect(port);
    struct client waiting = client_connect(port);
    struct client big = client_connect_small(port, 4096);
    struct client_reply reply = client_ask(&idle, GET("/echo"));

    ck_assert_uint_eq(reply.status, 200);
    client_send_text(&partial, "GET /echo HTTP/1.1\r\n");
    client_send_text(&waiting, GET("/wait") GET("/never"));
    client_send_text(&big, GET("/big"));
    front_thread_await_requests(front, 3);
    AWAIT_COUNTERS(counters, counters.unsent_bytes > 0);
    front_thread_drain(front);
    ck_assert(is_refused(port));
    client_expect_end(&idle);
    client_expect_end(&client); /* never asked anything */
    ck_assert(!front_thread_is_idle(front));
    ck_assert_uint_eq(front_thread_answer(front), 1);
    reply = client_read(&waiting);
    assert_echo(&reply, "waited");
    ck_assert(client_has_line(&reply, "Connection: close"));
    client_expect_end(&waiting);
    reply = client_ask(&partial, "Host: h\r\n\r\n");
    assert_echo(&reply, "GET\n/echo\n");
    ck_assert(client_has_line(&reply, "Connection: close"));
    client_expect_end(&partial);
    ck_assert(!front_thread_is_idle(front));
    reply = client_read(&big); /* was started before, and is completed */
    assert_big(&reply);
    client_expect_end(&big);
    ck_assert(front_thread_is_idle(front));
    front_thread_drain(front); /* a second call changes nothing */
    client_close(&idle);
    client_close(&partial);
    client_close(&waiting);
    client_close(&big);
    AWAIT_COUNTERS(counters, counters.connections_open == 0);
}
END_TEST

START_TEST(nobody_waits_for_a_front_that_is_drained) {
    atomic_store(&out_of_descriptors, true);
    struct client late = client_connect(front_thread_port(front));
    AWAIT_COUNTERS(counters, counters.connections_waiting == 1);
    front_thread_drain(front);
    AWAIT_COUNTERS(counters, counters.connections_waiting == 0);
    client_close(&late);
    atomic_store(&out_of_descriptors, false);
}
END_TEST

/* A request that is on its way when the drain starts is not lost with its connection. */
START_TEST(drain_takes_what_has_come) {
    struct client_reply reply = client_ask(&client, GET("/echo1"));

    ck_assert_uint_eq(reply.status, 200);
    front_thread_drain_after_send(front, client.fd, GET("/echo2"));
    reply = client_read(&client);
    assert_echo(&reply, "GET\n/echo2\n");
    ck_assert(client_has_line(&reply, "Connection: close"));
    client_expect_end(&client);
}
END_TEST

/* --- the listener --- */

START_TEST(port_is_taken) {
    struct event_base *base = event_base_new();
    struct http_front_options options = front_thread_options();
    const struct http_front_handlers handlers = {0};
    char err[256], port[16];

    options.port = front_thread_port(front);
    (void)snprintf(port, sizeof(port), "%u", (unsigned)options.port);
    ck_assert_ptr_null(http_front_new(base, &options, &handlers, err, sizeof(err)));
    ck_assert_ptr_nonnull(strstr(err, "127.0.0.1"));
    ck_assert_ptr_nonnull(strstr(err, port));
    ck_assert_ptr_nonnull(strstr(err, "in use"));
    options.address = "localhost";
    ck_assert_ptr_null(http_front_new(base, &options, &handlers, err, sizeof(err)));
    ck_assert_ptr_nonnull(strstr(err, "localhost"));
    http_front_free(NULL);
    event_base_free(base);
}
END_TEST

START_TEST(port_is_shared) {
    struct http_front_options options = front_thread_options();

    options.reuse_port = true;
    start(&options);
    options.port = front_thread_port(front);
    struct front_thread *second = front_thread_start(&options);
    for (unsigned i = 0; i < 200; i++) {
        reconnect();
        const struct client_reply reply = client_ask(&client, GET("/echo"));
        ck_assert_uint_eq(reply.status, 200);
    }
    ck_assert_uint_gt(front_thread_requests(front), 0);
    ck_assert_uint_gt(front_thread_requests(second), 0);
    front_thread_stop(second);
}
END_TEST

START_TEST(sockets_are_set_up) {
    struct sockaddr_in own, peer;
    socklen_t length = sizeof(own);
    bool found = false;

    client_ask(&client, GET("/echo"));
    ck_assert_int_eq(getsockname(client.fd, (struct sockaddr *)&own, &length), 0);
    for (int fd = 3; fd < 256; fd++) {
        int no_delay = 0;

        length = sizeof(peer);
        if (fd == client.fd || getpeername(fd, (struct sockaddr *)&peer, &length) != 0 ||
            peer.sin_port != own.sin_port) {
            continue;
        }
        found = true;
        length = sizeof(no_delay);
        ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
        ck_assert_int_ne(no_delay, 0);
        ck_assert((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        ck_assert((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    }
    ck_assert(found);
}
END_TEST

/* --- the suite --- */

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(*(array))))

static TCase *new_case(Suite *suite, const char *name) {
    TCase *tests = tcase_create(name);

    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    return tests;
}

static void add_requests(Suite *suite) {
    TCase *tests = new_case(suite, "requests");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, reply_is_complete);
    tcase_add_test(tests, connection_is_kept);
    tcase_add_loop_test(tests, keep_alive_is_as_asked, 0, COUNT_OF(keep_alive_cases));
    tcase_add_test(tests, head_has_no_body);
    tcase_add_test(tests, body_may_be_missing_or_failed);
    tcase_add_test(tests, headers_come_trimmed_and_counted);
    tcase_add_test(tests, byte_by_byte);
    tcase_add_test(tests, cut_in_two);
    tcase_add_test(tests, pipelined_in_order);
    tcase_add_test(tests, pipelined_and_answered_later);
    tcase_add_test(tests, one_exchange_at_a_time);
    tcase_add_test(tests, body_is_dropped);
    tcase_add_test(tests, request_is_whole_before_it_is_handed_over);
    tcase_add_test(tests, chunked_body_is_dropped_and_is_the_last);
    tcase_add_test(tests, chunked_body_up_to_the_limit);
    tcase_add_test(tests, continue_is_sent_when_awaited);
}

static void add_errors(Suite *suite) {
    TCase *tests = new_case(suite, "errors");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, error_is_answered, 0, MALFORMED_REQUESTS);
    tcase_add_test(tests, nul_bytes_are_refused);
    tcase_add_test(tests, limits_of_the_target);
    tcase_add_test(tests, limits_of_the_headers);
    tcase_add_test(tests, largest_head);
    tcase_add_test(tests, endless_input_is_refused);
    tcase_add_test(tests, endless_framing_is_refused);
    tcase_add_test(tests, error_survives_what_is_still_sent);
    tcase_add_test(tests, lingering_is_bounded_in_bytes);
    tcase_add_test(tests, lingering_is_bounded_in_time);
}

/* These start a front with options of their own. */
static void add_limits(Suite *suite) {
    TCase *tests = new_case(suite, "limits");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_test(tests, idle_connection_is_closed_in_silence);
    tcase_add_test(tests, slow_request_is_cut_off);
    tcase_add_test(tests, empty_lines_do_not_keep_a_connection);
    tcase_add_test(tests, slow_body_is_cut_off);
    tcase_add_test(tests, request_time_begins_anew);
    tcase_add_test(tests, host_may_take_its_time);
    tcase_add_test(tests, slow_reader_is_cut_off);
    tcase_add_test(tests, unsent_bytes_are_bounded);
    tcase_add_test(tests, a_reply_that_is_too_large_is_not_bounded);
    tcase_add_test(tests, too_many_connections);
    tcase_add_test(tests, refused_connections_are_bounded);
    tcase_add_test(tests, port_is_shared);
}

static void add_clients(Suite *suite) {
    TCase *tests = new_case(suite, "clients");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, big_reply_to_a_slow_reader);
    tcase_add_test(tests, many_small_replies_to_a_slow_reader);
    tcase_add_test(tests, reader_that_leaves);
    tcase_add_test(tests, half_closed_client_gets_its_answer);
    tcase_add_test(tests, half_closed_within_a_request);
    tcase_add_loop_test(tests, watched_client_leaves, 0, LEAVINGS);
    tcase_add_loop_test(tests, watched_client_leaves_after_pipelining, 0, LEAVINGS);
    tcase_add_loop_test(tests, client_leaves_before_it_is_watched, 0, LEAVINGS);
    tcase_add_test(tests, watched_client_stays);
    tcase_add_loop_test(tests, unwatched_client_leaves, 0, LEAVINGS);
    tcase_add_test(tests, many_connections);
    tcase_add_test(tests, no_descriptors_left);
    tcase_add_test(tests, drain_ends_what_is_under_way);
    tcase_add_test(tests, drain_takes_what_has_come);
    tcase_add_test(tests, nobody_waits_for_a_front_that_is_drained);
    tcase_add_test(tests, port_is_taken);
    tcase_add_test(tests, sockets_are_set_up);
}

int main(void) {
    Suite *suite = suite_create("http_front");

    add_requests(suite);
    add_errors(suite);
    add_limits(suite);
    add_clients(suite);
    TCase *freeing = new_case(suite, "freeing");
    tcase_add_checked_fixture(freeing, set_up, NULL);
    tcase_add_test(freeing, free_tells_who_is_gone);

    return suite_run(suite);
}
