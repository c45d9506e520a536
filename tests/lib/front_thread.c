/*
 * front_thread.c - the loop's thread, and calls into it.
 */
#include "front_thread.h"

#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct pending {
    LIST_ENTRY(pending) entry;
    struct front_thread *thread;
    struct http_exchange *exchange;
    struct event *timer; /* of /later */
};

struct front_thread {
    pthread_t id;
    struct event_base *base;
    struct http_front *front;
    struct event *called;
    int calls[2], returns[2]; /* pipes */
    LIST_HEAD(, pending) waiting;
    struct byte_buffer body;
    atomic_uint requests, gone;
};

struct call {
    void (*run)(struct front_thread *thread, struct call *call);
    unsigned result;
    int fd;
    const char *text;
};

static void await(const atomic_uint *value, unsigned at_least, const char *what) {
    const struct timespec moment = {.tv_nsec = 1000000};
    const time_t deadline = time(NULL) + 20;

    while (atomic_load(value) < at_least) {
        ck_assert_msg(time(NULL) < deadline, "%u %s, not %u", atomic_load(value), what, at_least);
        nanosleep(&moment, NULL);
    }
}

/* --- the handler --- */

static const char *const header_names[] = {"authorization", "x-trigger-worker-environment-id",
                                           "x-trigger-workload-deployment-id", "x-read-position",
                                           "traceparent"};
enum { HEADER_COUNT = sizeof(header_names) / sizeof(header_names[0]) };

static bool starts_with(const struct http_text *text, const char *prefix) {
    return text->length >= strlen(prefix) && memcmp(text->bytes, prefix, strlen(prefix)) == 0;
}

char front_thread_big_byte(size_t at) {
    return (char)('a' + at % 23);
}

static void echo(struct byte_buffer *body, const struct http_request *request) {
    static const char *const names[HEADER_COUNT] = {"authorization", "environment", "deployment",
                                                    "position", "traceparent"};

    byte_buffer_append(body, request->method.bytes, request->method.length);
    BYTE_BUFFER_LITERAL(body, "\n");
    byte_buffer_append(body, request->target.bytes, request->target.length);
    BYTE_BUFFER_LITERAL(body, "\n");
    for (unsigned i = 0; i < HEADER_COUNT; i++) {
        const struct http_text *text = &request->headers[i];

        if (text->bytes != NULL) {
            byte_buffer_append_format(body, "%s %u ", names[i], text->seen);
            byte_buffer_append(body, text->bytes, text->length);
            BYTE_BUFFER_LITERAL(body, "\n");
        }
    }
}

static void answer(struct front_thread *thread, struct http_exchange *exchange, bool close) {
    struct http_reply reply = {.status = 200,
                               .content_type = "text/plain",
                               .headers = "X-One: 1\r\nX-Two: 2\r\n",
                               .body = &thread->body,
                               .close = close};

    http_exchange_reply(exchange, &reply);
    ck_assert_uint_eq(thread->body.length, 0);
    ck_assert(!thread->body.failed);
}

static void answer_pending(struct pending *pending) {
    struct front_thread *thread = pending->thread;

    BYTE_BUFFER_LITERAL(&thread->body, "waited");
    LIST_REMOVE(pending, entry);
    answer(thread, pending->exchange, false);
    if (pending->timer != NULL) {
        event_free(pending->timer);
    }
    free(pending);
}

static void on_later(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    answer_pending(arg);
}

static void leave_pending(struct front_thread *thread, struct http_exchange *exchange, bool later) {
    const struct timeval soon = {.tv_usec = 1000};
    struct pending *pending = calloc(1, sizeof(*pending));

    ck_assert_ptr_nonnull(pending);
    pending->thread = thread;
    pending->exchange = exchange;
    LIST_INSERT_HEAD(&thread->waiting, pending, entry);
    http_exchange_set_user(exchange, pending);
    if (later) {
        pending->timer = evtimer_new(thread->base, on_later, pending);
        ck_assert_ptr_nonnull(pending->timer);
        event_add(pending->timer, &soon);
    }
}

static void make_big(struct byte_buffer *body) {
    if (byte_buffer_reserve(body, BIG_BODY_BYTES)) {
        for (size_t i = 0; i < BIG_BODY_BYTES; i++) {
            body->data[i] = front_thread_big_byte(i);
        }
        body->length = BIG_BODY_BYTES;
    }
}

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request) {
    struct front_thread *thread = context;
    const struct http_text *target = &request->target;

    if (starts_with(target, "/wait") || starts_with(target, "/watch") ||
        starts_with(target, "/later")) {
        leave_pending(thread, exchange, starts_with(target, "/later"));
        if (starts_with(target, "/watch")) {
            http_exchange_watch_client(exchange);
        }
    } else if (starts_with(target, "/big")) {
        make_big(&thread->body);
        answer(thread, exchange, false);
    } else if (starts_with(target, "/failed")) {
        byte_buffer_append_text(&thread->body, "half");
        thread->body.failed = true;
        answer(thread, exchange, false);
    } else if (starts_with(target, "/empty")) {
        struct http_reply reply = {.status = 404, .content_type = "text/plain"};
        http_exchange_reply(exchange, &reply);
    } else {
        echo(&thread->body, request);
        answer(thread, exchange, starts_with(target, "/close"));
    }
    atomic_fetch_add(&thread->requests, 1);
}

static void on_gone(void *context, struct http_exchange *exchange, void *user) {
    struct front_thread *thread = context;
    struct pending *pending = user;

    ck_assert_ptr_nonnull(pending);
    ck_assert_ptr_eq(pending->exchange, exchange);
    LIST_REMOVE(pending, entry);
    if (pending->timer != NULL) {
        event_free(pending->timer);
    }
    free(pending);
    atomic_fetch_add(&thread->gone, 1);
}

/* --- calls --- */

static void on_call(evutil_socket_t fd, short what, void *arg) {
    struct front_thread *thread = arg;
    struct call *call;

    (void)what;
    ck_assert_int_eq(read(fd, &call, sizeof(call)), (ssize_t)sizeof(call));
    call->run(thread, call);
    ck_assert_int_eq(write(thread->returns[1], "", 1), 1);
}

static void run_call(struct front_thread *thread, struct call *call) {
    char byte;

    ck_assert_int_eq(write(thread->calls[1], &call, sizeof(call)), (ssize_t)sizeof(call));
    ck_assert_int_eq(read(thread->returns[0], &byte, 1), 1);
}

static unsigned run_in(struct front_thread *thread,
                       void (*run)(struct front_thread *thread, struct call *call)) {
    struct call call = {.run = run};

    run_call(thread, &call);
    return call.result;
}

static void answer_all(struct front_thread *thread, struct call *call) {
    while (!LIST_EMPTY(&thread->waiting)) {
        answer_pending(LIST_FIRST(&thread->waiting));
        call->result++;
    }
}

static void watch_all(struct front_thread *thread, struct call *call) {
    struct pending *pending;

    (void)call;
    LIST_FOREACH(pending, &thread->waiting, entry) {
        http_exchange_watch_client(pending->exchange);
    }
}

static void drain(struct front_thread *thread, struct call *call) {
    if (call->text != NULL) {
        const ssize_t length = (ssize_t)strlen(call->text);

        ck_assert_int_eq(send(call->fd, call->text, (size_t)length, MSG_NOSIGNAL), length);
    }
    http_front_drain(thread->front);
}

static void ask_idle(struct front_thread *thread, struct call *call) {
    call->result = http_front_is_idle(thread->front) ? 1 : 0;
}

static void stop(struct front_thread *thread, struct call *call) {
    (void)call;
    event_base_loopbreak(thread->base);
}

unsigned front_thread_answer(struct front_thread *thread) {
    return run_in(thread, answer_all);
}

void front_thread_watch(struct front_thread *thread) {
    run_in(thread, watch_all);
}

void front_thread_drain(struct front_thread *thread) {
    run_in(thread, drain);
}

void front_thread_drain_after_send(struct front_thread *thread, int fd, const char *text) {
    struct call call = {.run = drain, .fd = fd, .text = text};

    run_call(thread, &call);
}

bool front_thread_is_idle(struct front_thread *thread) {
    return run_in(thread, ask_idle) == 1;
}

/* --- the thread --- */

struct http_front_options front_thread_options(void) {
    return (struct http_front_options){.address = "127.0.0.1",
                                       .headers = header_names,
                                       .header_count = HEADER_COUNT,
                                       .keep_alive_s = 20,
                                       .max_connections = 5000,
                                       .idle_timeout_ms = 60000,
                                       .request_timeout_ms = 60000,
                                       .reply_timeout_ms = 60000,
                                       .max_unsent_bytes = 256 * 1024 * 1024};
}

static void *run_loop(void *arg) {
    struct front_thread *thread = arg;

    ck_assert_int_ge(event_base_dispatch(thread->base), 0);
    http_front_free(thread->front);
    return NULL;
}

struct front_thread *front_thread_start(const struct http_front_options *options) {
    struct front_thread *thread = calloc(1, sizeof(*thread));
    char err[256];

    ck_assert_ptr_nonnull(thread);
    LIST_INIT(&thread->waiting);
    thread->base = event_base_new();
    ck_assert_ptr_nonnull(thread->base);
    ck_assert_int_eq(pipe(thread->calls), 0);
    ck_assert_int_eq(pipe(thread->returns), 0);
    thread->called =
        event_new(thread->base, thread->calls[0], EV_READ | EV_PERSIST, on_call, thread);
    ck_assert_ptr_nonnull(thread->called);
    ck_assert_int_eq(event_add(thread->called, NULL), 0);
    const struct http_front_handlers handlers = {
        .on_request = on_request, .on_gone = on_gone, .context = thread};
    thread->front = http_front_new(thread->base, options, &handlers, err, sizeof(err));
    ck_assert_msg(thread->front != NULL, "%s", err);
    ck_assert_int_eq(pthread_create(&thread->id, NULL, run_loop, thread), 0);
    return thread;
}

unsigned front_thread_stop(struct front_thread *thread) {
    run_in(thread, stop);
    ck_assert_int_eq(pthread_join(thread->id, NULL), 0);
    const unsigned gone = atomic_load(&thread->gone);
    ck_assert(LIST_EMPTY(&thread->waiting));
    event_free(thread->called);
    event_base_free(thread->base);
    for (unsigned i = 0; i < 2; i++) {
        close(thread->calls[i]);
        close(thread->returns[i]);
    }
    byte_buffer_free(&thread->body);
    free(thread);
    return gone;
}

uint16_t front_thread_port(const struct front_thread *thread) {
    return http_front_port(thread->front);
}

struct http_front_counters front_thread_counters(const struct front_thread *thread) {
    struct http_front_counters counters;

    http_front_read_counters(thread->front, &counters);
    return counters;
}

void front_thread_await_requests(struct front_thread *thread, unsigned count) {
    await(&thread->requests, count, "requests were handed over");
}

void front_thread_await_gone(struct front_thread *thread, unsigned count) {
    await(&thread->gone, count, "exchanges were gone");
}

unsigned front_thread_requests(const struct front_thread *thread) {
    return atomic_load(&thread->requests);
}

unsigned front_thread_gone(const struct front_thread *thread) {
    return atomic_load(&thread->gone);
}
