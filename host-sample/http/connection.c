/*
 * connection.c - the life of one connection.
 */
#include "connection.h"

#include "status.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_LINGERING   256           /* at once; the oldest gives way */
#define MAX_LINGER_READ (1024 * 1024) /* bytes */
#define MAX_KEPT_BODY   262144        /* bytes of memory that a caller's body keeps */

/* Call this when something has changed: a connection that can go on gets a turn, one that waits
 * gets a deadline, and one that has ended is closed. */
static void arrange_next(struct http_connection *connection);

/* --- the end of a connection --- */

/* Drops what is left of a reply. */
static void drop_unsent(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    if (connection->unsent != NULL) {
        counter_subtract(&connections->counters.unsent_bytes, connection->unsent->held);
        connections->replies_unsent--;
        http_unsent_free(connection->unsent);
        connection->unsent = NULL;
    }
}

void http_connection_close(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;
    struct http_exchange *exchange = &connection->exchange;
    bool answering = connection->state == HTTP_ANSWERING;

    assert(connection->state != HTTP_CLOSED);
    if (connection->state == HTTP_LINGERING) {
        connections->lingering--;
    } else {
        counter_subtract_shared(connections->serving, 1);
    }
    connection->state = HTTP_CLOSED;
    event_del(&connection->event);
    close(connection->fd);
    deadline_clear(&connection->deadline);
    http_input_drop(&connections->pool, &connection->input);
    drop_unsent(connection);
    TAILQ_REMOVE(&connections->all, connection, in_all);
    http_connection_resume_later(connection);
    counter_subtract(&connections->counters.open, 1);
    if (answering) {
        connections->exchanges_open--;
        connections->handlers.on_gone(connections->handlers.context, exchange, exchange->user);
    }
}

/* Closing at once could destroy the reply: a socket that is closed with bytes unread, or that
 * receives some afterwards, sends a reset, and a reset discards what the client has not read yet.
 */
static void linger(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    if (connection->at_end || shutdown(connection->fd, SHUT_WR) != 0) {
        http_connection_close(connection);
        return;
    }
    /* It has been served, and does not count any more: lingering ones are few. */
    counter_subtract_shared(connections->serving, 1);
    connection->state = HTTP_LINGERING;
    connection->linger_left = MAX_LINGER_READ;
    http_input_drop(&connections->pool, &connection->input);
    connections->lingering++;
    deadline_set(&connection->deadline, &connections->queues[HTTP_DEADLINE_LINGER]);
    if (connections->lingering > MAX_LINGERING) {
        struct deadline *oldest = deadline_first(&connections->queues[HTTP_DEADLINE_LINGER]);

        http_connection_close(http_connection_of(oldest));
    }
    if (connection->readable && !connection->busy) {
        http_connection_resume_later(connection);
    }
}

/* Asking takes the error from the socket: whoever is told of it closes the connection. */
static bool is_broken(const struct http_connection *connection) {
    int error = 0;
    socklen_t length = sizeof(error);

    return getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0;
}

/* Whether the client is known to have left, or to be about to: it has ended its side, or the
 * connection is broken. */
static bool has_left(const struct http_connection *connection) {
    return connection->half_closed || connection->at_end || is_broken(connection);
}

/* --- replies --- */

/* An oldest one that is over the bound by itself does not count, or nobody would ever get it: it
 * was in memory as a whole before. */
static bool is_over_bound(const struct http_connections *connections,
                          const struct http_connection *oldest) {
    const size_t bound = connections->max_unsent_bytes;
    const size_t held = oldest->unsent->held;
    return counter_value(&connections->counters.unsent_bytes) - (held > bound ? held : 0) > bound;
}

/* The reply that was started first has had the most time: if it is still unsent, its reader is the
 * slowest. This may close the connection that has just come. */
static void keep_unsent_within_bounds(struct http_connections *connections) {
    struct deadline_queue *queue = &connections->queues[HTTP_DEADLINE_REPLY];
    struct deadline *oldest;

    while ((oldest = deadline_first(queue)) != NULL &&
           is_over_bound(connections, http_connection_of(oldest))) {
        counter_add(&connections->counters.timeouts, 1);
        http_connection_close(http_connection_of(oldest));
    }
}

/* The socket takes no more: the rest waits until it does. */
static void keep_unsent(struct http_connection *connection,
                        const struct iovec parts[HTTP_OUTPUT_PARTS], struct byte_buffer *body) {
    struct http_connections *connections = connection->connections;

    connection->unsent = http_unsent_keep(parts, body);
    if (connection->unsent == NULL) {
        http_connection_close(connection);
        return;
    }
    connections->replies_unsent++;
    counter_add(&connections->counters.unsent_bytes, connection->unsent->held);
    deadline_set(&connection->deadline, &connections->queues[HTTP_DEADLINE_REPLY]);
    keep_unsent_within_bounds(connections);
}

static void tell_reply(const struct http_connection *connection, const struct http_reply *reply) {
    struct http_connections *connections = connection->connections;
    const struct http_front_handlers *handlers = &connections->handlers;
    const uint32_t index = reply->status - HTTP_FIRST_STATUS;

    if (index < HTTP_STATUS_COUNT) {
        counter_add(&connections->counters.by_status[index], 1);
    }
    if (handlers->on_reply != NULL) {
        handlers->on_reply(handlers->context, connection->fd, reply->status,
                           connection->is_head ? 0 : reply->body->length);
    }
}

/* Only the reply's status, type, headers and body count; connection->keep_alive says what comes
 * next. Whether the socket has taken all of it: what is left is kept, or the connection closed. */
static bool send_reply(struct http_connection *connection, const struct http_reply *reply) {
    struct http_reply_writer *writer = &connection->connections->writer;
    struct iovec parts[HTTP_OUTPUT_PARTS];

    connection->state = HTTP_SENDING; /* answered, whether or not it can be sent */
    tell_reply(connection, reply);
    http_reply_compose(writer, reply, connection->keep_alive);
    if (writer->head.failed || reply->body->failed) {
        http_connection_close(connection);
        return false;
    }
    parts[0] = (struct iovec){writer->head.data, writer->head.length};
    parts[1] = (struct iovec){reply->body->data, connection->is_head ? 0 : reply->body->length};
    switch (http_send(connection->fd, parts)) {
    case HTTP_SENT:
        return true;
    case HTTP_SEND_BLOCKED:
        keep_unsent(connection, parts, reply->body);
        break;
    case HTTP_SEND_FAILED:
        http_connection_close(connection);
        break;
    }
    return false;
}

/* The socket has taken the whole reply. */
static void finish_reply(struct http_connection *connection) {
    if (connection->keep_alive) {
        connection->state = HTTP_READING;
        arrange_next(connection);
    } else {
        linger(connection);
    }
}

/* Sends more of a reply. */
static void send_on(struct http_connection *connection) {
    assert(connection->state == HTTP_SENDING && connection->unsent != NULL);
    switch (http_send(connection->fd, connection->unsent->parts)) {
    case HTTP_SENT:
        drop_unsent(connection);
        deadline_clear(&connection->deadline);
        finish_reply(connection);
        break;
    case HTTP_SEND_BLOCKED:
        break;
    case HTTP_SEND_FAILED:
        http_connection_close(connection);
        break;
    }
}

void http_connection_refuse(struct http_connection *connection, uint32_t status) {
    struct http_connections *connections = connection->connections;
    struct http_reply reply = http_reply_error(&connections->writer, status);

    assert(connection->state == HTTP_READING);
    if (status != HTTP_STATUS_SERVICE_UNAVAILABLE) {
        counter_add(&connections->counters.bad_requests, 1);
    }
    deadline_clear(&connection->deadline);
    connection->keep_alive = false;
    connection->is_head = false;
    if (send_reply(connection, &reply)) {
        linger(connection);
    }
}

/* --- receiving --- */

/* Receives once. False if nothing came; the connection may then be closed. */
static bool receive(struct http_connection *connection, struct http_input *input) {
    bool full;
    ssize_t count = http_input_receive(input, connection->fd, &full);

    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        http_connection_close(connection);
        return false;
    }
    /* Less than was asked for means that the socket is empty now: the next edge will announce more.
     */
    connection->readable = full;
    connection->at_end = count == 0 || (!full && connection->half_closed);
    return count > 0;
}

static void drop_received(struct http_connection *connection, struct http_input *input) {
    uint32_t count;

    if (!connection->readable || !receive(connection, input)) {
        return;
    }
    count = http_input_length(input);
    input->start = input->end;
    if (count > connection->linger_left) {
        http_connection_close(connection);
    } else {
        connection->linger_left -= count;
    }
}

/* Asks for the body that a client is holding back. */
static void send_continue(struct http_connection *connection) {
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_reader *reader = &connection->reader;

    if (!reader->head_complete || !reader->expects_continue) {
        return;
    }
    reader->expects_continue = false;
    if (!reader->body_begun && send(connection->fd, interim, sizeof(interim) - 1,
                                    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(interim) - 1) {
        /* A client that has not read the few replies before it, or left. */
        http_connection_close(connection);
    }
}

/* --- requests --- */

/* The reader has a whole request, the first `used` bytes of the input. */
static void hand_over(struct http_connection *connection, struct http_input *input, size_t used) {
    struct http_connections *connections = connection->connections;
    struct http_request request;

    http_reader_request(&connection->reader, input->bytes + input->start, &request);
    input->start += (uint32_t)used;
    connection->keep_alive = connection->reader.keep_alive;
    connection->is_head = connection->reader.is_head;
    http_reader_begin(&connection->reader, &connections->headers);
    deadline_clear(&connection->deadline);
    connection->state = HTTP_ANSWERING;
    connection->exchange = (struct http_exchange){.connection = connection};
    connections->exchanges_open++;
    connections->handlers.on_request(connections->handlers.context, &connection->exchange,
                                     &request);
}

/* Reads on in a request; `input` holds bytes that the reader has not seen. */
static void read_request(struct http_connection *connection, struct http_input *input) {
    struct http_reader *reader = &connection->reader;
    size_t used;

    switch (
        http_reader_feed(reader, input->bytes + input->start, http_input_length(input), &used)) {
    case HTTP_READER_MORE:
        input->end = input->start + reader->kept;
        send_continue(connection);
        break;
    case HTTP_READER_COMPLETE:
        hand_over(connection, input, used);
        break;
    case HTTP_READER_REFUSED:
        http_connection_refuse(connection, reader->refusal);
        break;
    }
}

/* Reads requests until the reader has seen everything or one of them is not answered at once. */
static void read_requests(struct http_connection *connection, struct http_input *input) {
    struct http_reader *reader = &connection->reader;

    while (connection->state == HTTP_READING && http_input_length(input) > reader->kept) {
        if (reader->kept == 0) {
            input->start +=
                (uint32_t)http_reader_skip(input->bytes + input->start, http_input_length(input));
        }
        if (http_input_length(input) > 0) {
            read_request(connection, input);
        }
    }
}

/* One turn: receives once, reads requests and hands them over until one is not answered at once,
 * the client has sent no more, or the connection closes. Not from within a handler. */
static void advance(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;
    struct http_input input;

    if (connection->state != HTTP_READING && connection->state != HTTP_LINGERING) {
        arrange_next(connection);
        return;
    }
    input = http_input_take(&connections->pool, &connection->input);
    connection->busy = true;
    if (connection->state == HTTP_LINGERING) {
        drop_received(connection, &input);
    } else {
        read_requests(connection, &input);
        if (connection->state == HTTP_READING && connection->readable &&
            receive(connection, &input)) {
            read_requests(connection, &input);
        }
    }
    connection->busy = false;
    if (connection->state == HTTP_LINGERING || connection->state == HTTP_CLOSED) {
        http_input_drop(&connections->pool, &input);
    } else if (!http_input_keep(&connections->pool, &input, &connection->input)) {
        http_connection_close(connection); /* out of memory */
    }
    arrange_next(connection);
}

/* --- what comes next --- */

static void arrange_reading(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;
    uint32_t held = http_input_length(&connection->input);
    struct deadline_queue *queue =
        &connections->queues[held > 0 ? HTTP_DEADLINE_REQUEST : HTTP_DEADLINE_IDLE];

    if (connection->readable || held > connection->reader.kept) {
        http_connection_resume_later(connection);
    } else if (connection->at_end && held > 0) {
        http_connection_refuse(connection, HTTP_STATUS_BAD_REQUEST);
        return;
    } else if (held == 0 && (connection->at_end || connections->draining)) {
        http_connection_close(connection);
        return;
    }
    /* Both count from their start: bytes that arrive in between do not extend them. */
    if (connection->deadline.queue != queue) {
        deadline_set(&connection->deadline, queue);
    }
}

static void arrange_next(struct http_connection *connection) {
    if (connection->busy) {
        return; /* its turn is not over, and will end with a call of this */
    }
    switch (connection->state) {
    case HTTP_READING:
        arrange_reading(connection);
        break;
    case HTTP_ANSWERING:
        if (connection->exchange.watched && has_left(connection)) {
            http_connection_close(connection);
        }
        break;
    case HTTP_LINGERING:
        if (connection->at_end) {
            http_connection_close(connection);
        } else if (connection->readable) {
            http_connection_resume_later(connection);
        }
        break;
    case HTTP_SENDING: /* the socket's event will follow */
    case HTTP_CLOSED:
        break;
    }
}

void http_connection_resume_later(struct http_connection *connection) {
    http_turns_add(&connection->connections->turns, &connection->turn);
}

void http_connection_take_turn(struct http_turn *turn) {
    struct http_connection *connection = container_of(turn, struct http_connection, turn);

    if (connection->state == HTTP_CLOSED) {
        free(connection);
    } else {
        advance(connection);
    }
}

/* --- the host's side --- */

void http_exchange_set_user(struct http_exchange *exchange, void *user) {
    exchange->user = user;
}

int http_exchange_socket(const struct http_exchange *exchange) {
    return exchange->connection->fd;
}

void http_exchange_watch_client(struct http_exchange *exchange) {
    struct http_connection *connection = exchange->connection;

    exchange->watched = true;
    /* The edge that announces that the client has left may have come already. on_gone must not be
     * called from here, so the connection checks again in its next turn. */
    if (connection->half_closed || connection->readable || connection->at_end) {
        http_connection_resume_later(connection);
    }
}

void http_exchange_reply(struct http_exchange *exchange, struct http_reply *reply) {
    struct http_connection *connection = exchange->connection;
    struct http_connections *connections = connection->connections;
    struct byte_buffer *body = reply->body;
    bool whole = body == NULL || !body->failed;
    struct byte_buffer none = BYTE_BUFFER_EMPTY;
    struct http_reply sent = *reply;

    assert(connection->state == HTTP_ANSWERING);
    connections->exchanges_open--;
    if (!whole) {
        sent = http_reply_error(&connections->writer, HTTP_STATUS_INTERNAL_SERVER_ERROR);
    } else if (body == NULL) {
        sent.body = &none;
    }
    if (sent.close || connections->closing || connections->draining) {
        connection->keep_alive = false;
    }
    if (send_reply(connection, &sent)) {
        finish_reply(connection);
    }
    if (body != NULL) {
        byte_buffer_reset(body, MAX_KEPT_BODY);
    }
}

/* --- the beginning --- */

static void tell_hang_up(struct http_connection *connection) {
    const struct http_front_handlers *handlers = &connection->connections->handlers;
    struct http_exchange *exchange = &connection->exchange;

    if (connection->state == HTTP_ANSWERING && !exchange->watched && handlers->on_hang_up != NULL) {
        handlers->on_hang_up(handlers->context, exchange, exchange->user);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg) {
    struct http_connection *connection = arg;

    (void)fd;
    /* A broken connection is reported as readable and writable: nobody waits for an answer there,
     * watched or not. */
    if (connection->state == HTTP_ANSWERING &&
        ((what & EV_CLOSED) != 0 || (what & (EV_READ | EV_WRITE)) == (EV_READ | EV_WRITE)) &&
        is_broken(connection)) {
        http_connection_close(connection);
        return;
    }
    if ((what & EV_CLOSED) != 0) {
        connection->half_closed = true;
        tell_hang_up(connection);
    }
    if ((what & (EV_READ | EV_CLOSED)) != 0) {
        connection->readable = true;
    }
    if (connection->state == HTTP_SENDING) {
        if ((what & EV_WRITE) != 0) {
            send_on(connection);
        }
    } else if (connection->readable) {
        advance(connection);
    }
}

bool http_connection_open(struct http_connections *connections, int fd) {
    struct http_connection *connection = calloc(1, sizeof(*connection));

    counter_add(&connections->counters.accepted, 1);
    if (connection == NULL) {
        close(fd); /* which succeeds, and leaves errno alone */
        return false;
    }
    connection->connections = connections;
    connection->fd = fd;
    http_reader_begin(&connection->reader, &connections->headers);
    event_assign(&connection->event, connections->base, fd,
                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event, connection);
    if (event_add(&connection->event, NULL) != 0) {
        close(fd);
        free(connection);
        return false;
    }
    TAILQ_INSERT_TAIL(&connections->all, connection, in_all);
    counter_add(&connections->counters.open, 1);
    if (counter_add_shared(connections->serving, 1) >= connections->max_connections) {
        counter_add(&connections->counters.refused, 1);
        if (connections->handlers.on_refused != NULL) {
            connections->handlers.on_refused(connections->handlers.context);
        }
        http_connection_refuse(connection, HTTP_STATUS_SERVICE_UNAVAILABLE);
    } else {
        arrange_next(connection);
    }
    return true;
}
