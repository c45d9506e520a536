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

/* --- the end of a connection --- */

void http_connection_close(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;
    struct http_exchange *exchange = &connection->exchange;
    bool answering = connection->state == HTTP_ANSWERING;

    assert(connection->state != HTTP_CLOSED);
    if (connection->state == HTTP_LINGERING) {
        connections->lingering--;
    }
    connection->state = HTTP_CLOSED;
    event_del(&connection->event);
    close(connection->fd);
    deadline_clear(&connection->deadline);
    http_connection_do_not_resume(connection);
    http_input_drop(&connections->pool, &connection->input);
    http_connection_drop_unsent(connection);
    http_connection_free_later(connection);
    http_count(&connections->counters.open, 0 - UINT64_C(1));
    if (answering) {
        connections->exchanges_open--;
        connections->handlers.on_gone(connections->handlers.context, exchange, exchange->user);
    }
}

/* To close at once could destroy what was said: a socket that is closed with bytes unread, or gets
 * some afterwards, sends a reset, and a reset discards what the client has not read yet. */
void http_connection_linger(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    if (connection->at_end || shutdown(connection->fd, SHUT_WR) != 0) {
        http_connection_close(connection);
        return;
    }
    connection->state = HTTP_LINGERING;
    connection->linger_left = MAX_LINGER_READ;
    http_input_drop(&connections->pool, &connection->input);
    connections->lingering++;
    deadline_set(&connection->deadline, &connections->queues[HTTP_DEADLINE_LINGER]);
    if (connections->lingering > MAX_LINGERING) {
        struct deadline *oldest = deadline_first(&connections->queues[HTTP_DEADLINE_LINGER]);

        http_connection_close(http_connection_of(oldest));
    }
    http_connection_settle(connection);
}

/* Whether the client is known to have left, or to be about to: it has ended its side, or the
 * connection is broken. */
static bool has_left(const struct http_connection *connection) {
    int error = 0;
    socklen_t length = sizeof(error);

    return connection->half_closed || connection->at_end ||
           getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0;
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
    /* Less than was asked for means that the socket is empty now: the next edge tells of more. */
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

/* Asks for the body that a client holds back. */
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
    http_reader_begin(&connection->reader);
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

void http_connection_advance(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;
    struct http_input input;

    if (connection->state != HTTP_READING && connection->state != HTTP_LINGERING) {
        http_connection_settle(connection);
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
    http_connection_settle(connection);
}

/* --- what comes next --- */

static void settle_reading(struct http_connection *connection) {
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
    /* Both count from their beginning: bytes that come in between prolong nothing. */
    if (connection->deadline.queue != queue) {
        deadline_set(&connection->deadline, queue);
    }
}

void http_connection_settle(struct http_connection *connection) {
    if (connection->busy) {
        return; /* its turn is not over, and ends in here */
    }
    switch (connection->state) {
    case HTTP_READING:
        settle_reading(connection);
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
    case HTTP_SENDING: /* the socket will tell */
    case HTTP_CLOSED:
        break;
    }
}

/* --- the beginning --- */

static void on_event(evutil_socket_t fd, short what, void *arg) {
    struct http_connection *connection = arg;

    (void)fd;
    /* A broken connection is told as readable and writable. */
    if ((what & EV_CLOSED) != 0) {
        connection->half_closed = true;
    }
    if ((what & (EV_READ | EV_CLOSED)) != 0) {
        connection->readable = true;
    }
    if (connection->state == HTTP_SENDING) {
        if ((what & EV_WRITE) != 0) {
            http_connection_send_on(connection);
        }
    } else if (connection->readable) {
        http_connection_advance(connection);
    }
}

void http_connection_open(struct http_connections *connections, int fd) {
    struct http_connection *connection = calloc(1, sizeof(*connection));

    http_count(&connections->counters.accepted, 1);
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->connections = connections;
    connection->fd = fd;
    http_reader_begin(&connection->reader);
    event_assign(&connection->event, connections->base, fd,
                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event, connection);
    if (event_add(&connection->event, NULL) != 0) {
        close(fd);
        free(connection);
        return;
    }
    TAILQ_INSERT_TAIL(&connections->all, connection, in_all);
    http_count(&connections->counters.open, 1);
    /* Those that linger have been served: they are few, and not held against the others. */
    if (http_counted(&connections->counters.open) - connections->lingering >
        connections->max_connections) {
        http_count(&connections->counters.refused, 1);
        http_connection_refuse(connection, HTTP_STATUS_SERVICE_UNAVAILABLE);
    } else {
        http_connection_settle(connection);
    }
}
