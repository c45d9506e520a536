/*
 * fuzz_http_front.c - libFuzzer target: any bytes as what one client sends, cut into pieces, and
 * what must hold of the requests that are handed over and of the replies that come back.
 *
 * The first three bytes of the input say how the rest is sent: the sizes of every other piece, and
 * flags. The strongest of the invariants: however the same bytes are cut, the same requests are
 * seen.
 */
#undef NDEBUG /* the assertions are the test */
#include "host-sample/http/connections.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAN_BYTES     3
#define LARGEST_INPUT  40000
#define MAX_REQUESTS   LARGEST_INPUT
#define MAX_ROUNDS     1000000
#define LARGEST_BODY   20000
#define AN_HOUR_MS     3600000
#define SMALL_BUFFER   4608
#define RECEIVED_BYTES ((size_t)64 * 1024 * 1024)

enum flag {
    ANSWER_LATER = 1, /* not within on_request */
    WATCH = 2, /* together with ANSWER_LATER: the client counts as gone once it has sent all */
    SMALL_BUFFERS = 4, /* replies do not fit into the socket */
    READ_RARELY = 8,
};

struct plan {
    size_t pieces[2];
    unsigned flags;
};

/* One client and its front. */
struct run {
    struct event_base *base;
    struct http_connections connections;
    struct plan plan;
    int fd;
    struct http_exchange *waiting;
    struct byte_buffer body;
    struct byte_buffer received;
    struct byte_buffer seen; /* every request, spelt out */
    unsigned handed_over, answered, gone;
    unsigned round;
    bool *is_head; /* of each request */
};

/* --- the host --- */

static void check_text(const struct http_text *text, bool is_value) {
    assert(text->length <= HTTP_MAX_REQUEST_LINE);
    for (size_t i = 0; i < text->length; i++) {
        const char byte = text->bytes[i];

        assert(byte != '\r' && byte != '\n' && byte != '\0' && byte != '\177');
        assert(is_value || (byte != ' ' && byte != '\t'));
    }
    if (is_value && text->length > 0) {
        const char last = text->bytes[text->length - 1];

        assert(text->bytes[0] != ' ' && text->bytes[0] != '\t' && last != ' ' && last != '\t');
    }
}

static void answer(struct run *run, struct http_exchange *exchange) {
    const size_t length = (size_t)run->answered * 977 % LARGEST_BODY;
    struct http_reply reply = {.status = 200, .content_type = "text/plain", .body = &run->body};

    assert(byte_buffer_reserve(&run->body, LARGEST_BODY));
    memset(run->body.data, 'b', length);
    run->body.length = length;
    run->answered++;
    http_exchange_reply(exchange, &reply);
    assert(run->body.length == 0);
}

static const char *const header_names[] = {"authorization", "x-trigger-worker-environment-id",
                                           "x-trigger-workload-deployment-id", "x-read-position",
                                           "traceparent"};
enum { HEADER_COUNT = sizeof(header_names) / sizeof(header_names[0]) };

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request) {
    struct run *run = context;

    assert(run->waiting == NULL); /* one at a time */
    assert(run->handed_over == run->answered + run->gone && run->handed_over < MAX_REQUESTS);
    assert(request->method.length > 0 && request->target.length > 0);
    check_text(&request->method, false);
    check_text(&request->target, false);
    byte_buffer_append(&run->seen, request->method.bytes, request->method.length);
    BYTE_BUFFER_LITERAL(&run->seen, " ");
    byte_buffer_append(&run->seen, request->target.bytes, request->target.length);
    for (unsigned i = 0; i < HEADER_COUNT; i++) {
        const struct http_text *header = &request->headers[i];

        assert((header->bytes != NULL) == (header->seen > 0));
        check_text(header, true);
        byte_buffer_append_format(&run->seen, " %u %u:", i, header->seen);
        byte_buffer_append(&run->seen, header->bytes, header->length);
    }
    BYTE_BUFFER_LITERAL(&run->seen, "\n");
    run->is_head[run->handed_over++] =
        request->method.length == 4 && memcmp(request->method.bytes, "HEAD", 4) == 0;
    if ((run->plan.flags & ANSWER_LATER) != 0) {
        run->waiting = exchange;
        http_exchange_set_user(exchange, run);
        if ((run->plan.flags & WATCH) != 0) {
            http_exchange_watch_client(exchange);
        }
    } else {
        answer(run, exchange);
    }
}

static void on_gone(void *context, struct http_exchange *exchange, void *user) {
    struct run *run = context;

    assert(user == run && run->waiting == exchange);
    run->waiting = NULL;
    run->gone++;
}

/* --- the client --- */

static size_t send_piece(struct run *run, const char *bytes, size_t count) {
    const ssize_t sent = send(run->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);

    assert(sent > 0 || errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
    return sent > 0 ? (size_t)sent : 0;
}

/* Returns false once the server has ended its side. */
static bool receive(struct run *run) {
    assert(byte_buffer_reserve(&run->received, 65536));
    const ssize_t count =
        recv(run->fd, run->received.data + run->received.length, 65536, MSG_DONTWAIT);
    if (count > 0) {
        run->received.length += (size_t)count;
        assert(run->received.length < RECEIVED_BYTES);
    }
    return count > 0 || (count < 0 && errno == EAGAIN);
}

/* One round of the loop, and what the host and the client do in between. */
static void turn(struct run *run) {
    assert(run->round++ < MAX_ROUNDS);
    assert(event_base_loop(run->base, EVLOOP_NONBLOCK) >= 0);
    if (run->waiting != NULL && run->round % 3 == 0) {
        struct http_exchange *exchange = run->waiting;

        run->waiting = NULL;
        answer(run, exchange);
    }
    if ((run->plan.flags & READ_RARELY) == 0 || run->round % 16 == 0) {
        (void)receive(run);
    }
}

/* --- what came back --- */

struct replies {
    unsigned interim, final;
};

static size_t content_length(const char *head, size_t length) {
    static const char name[] = "\r\nContent-Length: ";
    const char *field = memmem(head, length, name, sizeof(name) - 1);

    assert(field != NULL);
    return strtoul(field + sizeof(name) - 1, NULL, 10);
}

/* One reply from the beginning of `text`: its length. */
static size_t read_reply(const struct run *run, struct replies *replies, const char *text,
                         size_t length) {
    static const char version[] = "HTTP/1.1 ";
    const char *end = memmem(text, length, "\r\n\r\n", 4);

    assert(end != NULL && memcmp(text, version, sizeof(version) - 1) == 0);
    const size_t head_length = (size_t)(end - text) + 4;
    if (strtoul(text + sizeof(version) - 1, NULL, 10) == 100) {
        replies->interim++;
        return head_length;
    }
    const unsigned number = replies->final++;
    const bool has_no_body = number < run->handed_over && run->is_head[number];
    const size_t whole = head_length + (has_no_body ? 0 : content_length(text, head_length));
    assert(whole <= length);
    return whole;
}

static void check_replies(const struct run *run) {
    const char *text = run->received.data;
    const uint64_t bad = counter_value(&run->connections.counters.bad_requests);
    struct replies replies = {0};

    for (size_t at = 0; at < run->received.length;) {
        at += read_reply(run, &replies, text + at, run->received.length - at);
    }
    assert(bad <= 1 && replies.final == run->answered + bad);
    assert(replies.interim <= run->handed_over + 1);
}

/* --- one run --- */

static void set_up(struct run *run) {
    const struct http_front_options options = {.headers = header_names,
                                               .header_count = HEADER_COUNT,
                                               .keep_alive_s = 20,
                                               .max_connections = 1,
                                               .idle_timeout_ms = AN_HOUR_MS,
                                               .request_timeout_ms = AN_HOUR_MS,
                                               .reply_timeout_ms = AN_HOUR_MS,
                                               .max_unsent_bytes = RECEIVED_BYTES};
    const struct http_front_handlers handlers = {
        .on_request = on_request, .on_gone = on_gone, .context = run};
    const int small = SMALL_BUFFER;
    int fds[2];

    run->is_head = calloc(MAX_REQUESTS, sizeof(*run->is_head));
    run->base = event_base_new();
    assert(run->is_head != NULL && run->base != NULL);
    assert(http_connections_init(&run->connections, run->base, &options, &handlers));
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    if ((run->plan.flags & SMALL_BUFFERS) != 0) {
        assert(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    }
    http_connection_open(&run->connections, fds[0]);
    run->fd = fds[1];
}

static void tear_down(struct run *run) {
    http_connections_free(&run->connections);
    event_base_free(run->base);
    close(run->fd);
    byte_buffer_free(&run->body);
    byte_buffer_free(&run->received);
    free(run->is_head);
}

/* Returns what was seen; the caller frees it. */
static struct byte_buffer run_once(const char *bytes, size_t count, struct plan plan) {
    struct run run = {.plan = plan};

    set_up(&run);
    for (unsigned piece = 0; count > 0; piece ^= 1) {
        const size_t wanted = plan.pieces[piece] < count ? plan.pieces[piece] : count;
        const size_t sent = send_piece(&run, bytes, wanted);

        bytes += sent;
        count -= sent;
        turn(&run);
        if (counter_value(&run.connections.counters.open) == 0) {
            break; /* refused, and lingered for long enough */
        }
    }
    shutdown(run.fd, SHUT_WR);
    /* The client has sent everything: the connection must end by itself. */
    while (counter_value(&run.connections.counters.open) > 0) {
        turn(&run);
    }
    turn(&run); /* in which it is freed */
    while (receive(&run)) {
    }
    assert(http_connections_idle(&run.connections) && run.waiting == NULL);
    assert(run.connections.lingering == 0 && run.connections.turns.count == 0);
    assert(counter_value(&run.connections.counters.unsent_bytes) == 0);
    assert(run.handed_over == run.answered + run.gone && !run.seen.failed);
    assert(run.gone == 0 || (plan.flags & WATCH) != 0);
    check_replies(&run);
    tear_down(&run);
    return run.seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < PLAN_BYTES || size > LARGEST_INPUT) {
        return -1;
    }
    const char *bytes = (const char *)data + PLAN_BYTES;
    const struct plan plan = {
        .pieces = {(size_t)data[0] * data[0] + 1, (size_t)data[1] * data[1] + 1},
        .flags = data[2] & 15};
    const struct plan whole = {.pieces = {LARGEST_INPUT, LARGEST_INPUT}};

    struct byte_buffer expected = run_once(bytes, size - PLAN_BYTES, whole);
    struct byte_buffer seen = run_once(bytes, size - PLAN_BYTES, plan);
    /* A watched client that has sent all counts as gone: its last question is not looked at.
     */
    assert(seen.length == expected.length ||
           ((plan.flags & WATCH) != 0 && seen.length < expected.length));
    assert(seen.length == 0 || memcmp(seen.data, expected.data, seen.length) == 0);
    byte_buffer_free(&expected);
    byte_buffer_free(&seen);
    return 0;
}
