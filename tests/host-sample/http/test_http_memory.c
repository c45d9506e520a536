/*
 * test_http_memory.c - the front when memory runs out: each allocation fails in turn.
 *
 * Linked with --wrap for malloc, calloc and realloc. What must hold: nothing crashes or leaks, a
 * client gets its whole answer, an error or the end of the connection, and the next client is
 * served.
 */
#include "host-sample/http/connections.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_BYTES 100000
#define MAX_TURNS  10000

/* --- allocations that fail --- */

static bool counting; /* only allocations of the code under test are counted */
static unsigned allocations, failing;

/* The linker's names for the wrapped functions. Weak: linked without --wrap, this says so. */
void *__real_malloc(size_t size) __attribute__((weak));
void *__real_calloc(size_t count, size_t size) __attribute__((weak));
void *__real_realloc(void *block, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static bool fails(void) {
    return counting && ++allocations == failing;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
    return fails() ? NULL : __real_realloc(block, size);
}

static void fail_allocation(unsigned number) {
    allocations = 0;
    failing = number;
}

static bool has_failed(void) {
    return failing > 0 && allocations >= failing;
}

/* --- a front and its client, in one thread --- */

static struct event_base *base;
static struct http_connections connections;
static struct byte_buffer body;
static int client;
static char received[BODY_BYTES + 4096];
static size_t received_length;
static bool at_end;

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request) {
    struct http_reply reply = {.status = 200, .content_type = "text/plain", .body = &body};
    const size_t length = request->target.length == strlen("/big") ? BODY_BYTES : 10;

    (void)context;
    if (byte_buffer_reserve(&body, length)) {
        memset(body.data, 'b', length);
        body.length = length;
    }
    http_exchange_reply(exchange, &reply);
}

static void on_gone(void *context, struct http_exchange *exchange, void *user) {
    (void)context;
    (void)exchange;
    (void)user;
    ck_abort_msg("every request is answered at once");
}

static bool init(void) {
    const struct http_front_options options = {.keep_alive_s = 20,
                                               .max_connections = 10,
                                               .idle_timeout_ms = 3600000,
                                               .request_timeout_ms = 3600000,
                                               .reply_timeout_ms = 3600000,
                                               .max_unsent_bytes = 1000000000};
    const struct http_front_handlers handlers = {.on_request = on_request, .on_gone = on_gone};

    counting = true;
    const bool done = http_connections_init(&connections, base, &options, &handlers);
    counting = false;
    return done;
}

static void connect_client(void) {
    const int small = 4608; /* a large reply does not fit at once */
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    client = fds[1];
    received_length = 0;
    at_end = false;
    counting = true;
    http_connection_open(&connections, fds[0]);
    counting = false;
}

/* Nothing is asserted while allocations fail: libcheck allocates too. */
static void run_loop(void) {
    counting = true;
    const int result = event_base_loop(base, EVLOOP_NONBLOCK);
    counting = false;
    ck_assert_int_ge(result, 0);
}

static void turn(void) {
    run_loop();
    const ssize_t count =
        recv(client, received + received_length, sizeof(received) - received_length, 0);
    if (count > 0) {
        received_length += (size_t)count;
    }
    at_end = at_end || count == 0;
}

/* Sends the request in two parts, so that the first has to be kept, and reads the reply. Returns
 * whether it was the whole answer. */
static bool get_in_two_parts(const char *first, const char *second, size_t answer_length) {
    received_length = 0;
    (void)send(client, first, strlen(first), MSG_NOSIGNAL);
    turn();
    (void)send(client, second, strlen(second), MSG_NOSIGNAL);
    for (unsigned i = 0; i < MAX_TURNS && !at_end; i++) {
        turn();
        const char *end = memmem(received, received_length, "\r\n\r\n", 4);

        if (end != NULL && received_length == (size_t)(end + 4 - received) + answer_length &&
            strncmp(received, "HTTP/1.1 200", 12) == 0) {
            return true;
        }
    }
    ck_assert(at_end);
    return false;
}

static bool get_all(void) {
    return get_in_two_parts("GET /sm", "all HTTP/1.1\r\nHost: h\r\n\r\n", 10) &&
           get_in_two_parts("GET /bi", "g HTTP/1.1\r\nHost: h\r\n\r\n", BODY_BYTES) &&
           get_in_two_parts("GET /small HTTP/1.1\r\n", "Host: h\r\n\r\n", 10);
}

static bool ask_wrongly(void) {
    received_length = 0;
    (void)send(client, "x\r\n", 3, MSG_NOSIGNAL);
    for (unsigned i = 0; i < MAX_TURNS && !at_end; i++) {
        turn();
    }
    ck_assert(at_end);
    return received_length > 0;
}

static void leave(void) {
    close(client);
    for (unsigned i = 0; i < MAX_TURNS && counter_value(&connections.counters.open) > 0; i++) {
        run_loop();
    }
    ck_assert_uint_eq(counter_value(&connections.counters.open), 0);
    ck_assert_uint_eq(counter_value(&connections.counters.unsent_bytes), 0);
    ck_assert(http_connections_idle(&connections));
    run_loop(); /* what is closed is freed in the next round */
    ck_assert_uint_eq(connections.turns.count, 0);
}

/* Returns whether every answer came. */
static bool serve(void) {
    connect_client();
    const bool good = get_all();
    leave();
    connect_client();
    const bool bad = ask_wrongly();
    leave();
    return good && bad;
}

START_TEST(each_allocation_fails_in_turn) {
    bool reached = true;
    unsigned number;

    ck_assert_msg(__real_malloc != NULL, "link with --wrap=malloc, --wrap=calloc, --wrap=realloc");
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    for (number = 1; reached; number++) {
        fail_allocation(number);
        if (init()) {
            const bool served = serve();

            reached = has_failed();
            ck_assert(served || reached);
            fail_allocation(0);
            ck_assert_msg(serve(), "after allocation %u", number);
        } else {
            ck_assert(has_failed());
        }
        http_connections_free(&connections);
        byte_buffer_free(&body);
    }
    /* The shared buffer, a connection, a kept input, heads, bodies, a kept rest, an error's body.
     */
    ck_assert_uint_ge(number, 8);
    event_base_free(base);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_memory");
    TCase *tests = tcase_create("memory");

    tcase_add_test(tests, each_allocation_fails_in_turn);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);

    return suite_run(suite);
}
