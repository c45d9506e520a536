/*
 * exchange.c - replies: the host's, the front's own, and what a slow reader leaves unsent.
 */
#include "connection.h"
#include "status.h"

#include <assert.h>

/* The caller's body keeps its memory for the next reply up to here. */
#define BODY_KEPT 262144

/* --- sending --- */

/* The whole reply is in the socket's hands. */
static void finish_reply(struct http_connection *connection) {
    if (connection->keep_alive) {
        connection->state = HTTP_READING;
        http_connection_settle(connection);
    } else {
        http_connection_linger(connection);
    }
}

void http_connection_drop_unsent(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    if (connection->unsent != NULL) {
        http_count(&connections->counters.unsent_bytes, 0 - (uint64_t)connection->unsent->held);
        connections->replies_unsent--;
        http_unsent_free(connection->unsent);
        connection->unsent = NULL;
    }
}

/* The reply that was begun first has had the most time: if it is still there, its reader is the
 * slowest. This may close the connection that just came. */
static void keep_unsent_within_bounds(struct http_connections *connections) {
    struct deadline_queue *queue = &connections->queues[HTTP_DEADLINE_REPLY];
    struct deadline *oldest;

    while (http_counted(&connections->counters.unsent_bytes) > connections->max_unsent_bytes &&
           (oldest = deadline_first(queue)) != NULL) {
        http_count(&connections->counters.timeouts, 1);
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
    http_count(&connections->counters.unsent_bytes, connection->unsent->held);
    deadline_set(&connection->deadline, &connections->queues[HTTP_DEADLINE_REPLY]);
    keep_unsent_within_bounds(connections);
}

/* Only the reply's status, type, headers and body count; connection->keep_alive says what comes
 * next. */
static void send_reply(struct http_connection *connection, const struct http_reply *reply) {
    struct http_reply_writer *writer = &connection->connections->writer;
    struct iovec parts[HTTP_OUTPUT_PARTS];

    connection->state = HTTP_SENDING; /* answered, whatever comes of it */
    http_reply_compose(writer, reply, connection->keep_alive);
    if (writer->head.failed || reply->body->failed) {
        http_connection_close(connection);
        return;
    }
    parts[0] = (struct iovec){writer->head.data, writer->head.length};
    parts[1] = (struct iovec){reply->body->data, connection->is_head ? 0 : reply->body->length};
    switch (http_send(connection->fd, parts)) {
    case HTTP_SENT:
        finish_reply(connection);
        break;
    case HTTP_SEND_BLOCKED:
        keep_unsent(connection, parts, reply->body);
        break;
    case HTTP_SEND_FAILED:
        http_connection_close(connection);
        break;
    }
}

void http_connection_send_on(struct http_connection *connection) {
    assert(connection->state == HTTP_SENDING && connection->unsent != NULL);
    switch (http_send(connection->fd, connection->unsent->parts)) {
    case HTTP_SENT:
        http_connection_drop_unsent(connection);
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
        http_count(&connections->counters.bad_requests, 1);
    }
    deadline_clear(&connection->deadline);
    connection->keep_alive = false;
    connection->is_head = false;
    send_reply(connection, &reply);
}

/* --- the host's side --- */

void http_exchange_set_user(struct http_exchange *exchange, void *user) {
    exchange->user = user;
}

void *http_exchange_user(const struct http_exchange *exchange) {
    return exchange->user;
}

void http_exchange_watch_client(struct http_exchange *exchange, bool watch) {
    struct http_connection *connection = exchange->connection;

    exchange->watched = watch;
    /* The edge that tells of the client's leaving may have come already. on_gone must not be called
     * from in here, so that the connection looks again in its next turn. */
    if (watch && (connection->half_closed || connection->readable || connection->at_end)) {
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
    if (sent.close || connections->draining) {
        connection->keep_alive = false;
    }
    send_reply(connection, &sent);
    if (body != NULL) {
        byte_buffer_reset(body, BODY_KEPT);
    }
}
