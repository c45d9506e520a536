/*
 * connections.c - what concerns all connections of a front: deadlines, turns, drain, the end.
 */
#include "connection.h"
#include "status.h"

#include <event2/event.h>
#include <stdlib.h>

#define LINGER_MS 2000

static void on_deadline(void *context, struct deadline_queue *queue, struct deadline *deadline) {
    struct http_connections *connections = context;
    struct http_connection *connection = http_connection_of(deadline);

    if (queue != &connections->queues[HTTP_DEADLINE_LINGER]) {
        http_count(&connections->counters.timeouts, 1);
    }
    if (queue == &connections->queues[HTTP_DEADLINE_REQUEST]) {
        http_connection_refuse(connection, HTTP_STATUS_REQUEST_TIMEOUT);
    } else {
        http_connection_close(connection);
    }
}

/* A timer and not event_active: what is made active runs before the loop looks at the sockets
 * again, and a client that sends without end would keep it from doing so. */
static void schedule_next_round(struct http_connections *connections) {
    const struct timeval at_once = {0};

    if (connections->next_round_scheduled) {
        return;
    }
    connections->next_round_scheduled = true;
    if (event_add(&connections->next_round, &at_once) != 0) {
        event_active(&connections->next_round, EV_TIMEOUT, 0); /* needs no memory */
    }
}

static void free_closed(struct http_connections *connections) {
    while (!TAILQ_EMPTY(&connections->closed)) {
        struct http_connection *connection = TAILQ_FIRST(&connections->closed);

        TAILQ_REMOVE(&connections->closed, connection, in_all);
        free(connection);
    }
}

/* Turns that are asked for in here are for the next round. */
static void on_next_round(evutil_socket_t fd, short what, void *arg) {
    struct http_connections *connections = arg;
    uint32_t count = connections->resumed_count;

    (void)fd;
    (void)what;
    connections->next_round_scheduled = false;
    free_closed(connections);
    while (count-- > 0 && !TAILQ_EMPTY(&connections->resumed)) {
        struct http_connection *connection = TAILQ_FIRST(&connections->resumed);

        http_connection_do_not_resume(connection);
        http_connection_advance(connection);
    }
}

bool http_connections_init(struct http_connections *connections, struct event_base *base,
                           const struct http_front_options *options,
                           const struct http_front_handlers *handlers) {
    *connections = (struct http_connections){
        .base = base,
        .handlers = *handlers,
        .max_connections = options->max_connections,
        .max_unsent_bytes = options->max_unsent_bytes,
        .queues = {[HTTP_DEADLINE_IDLE] = {.length_ms = options->idle_timeout_ms},
                   [HTTP_DEADLINE_REQUEST] = {.length_ms = options->request_timeout_ms},
                   [HTTP_DEADLINE_REPLY] = {.length_ms = options->reply_timeout_ms},
                   [HTTP_DEADLINE_LINGER] = {.length_ms = LINGER_MS}}};
    TAILQ_INIT(&connections->all);
    TAILQ_INIT(&connections->resumed);
    TAILQ_INIT(&connections->closed);
    deadlines_init(&connections->deadlines, base, connections->queues, HTTP_DEADLINE_COUNT,
                   on_deadline, connections);
    evtimer_assign(&connections->next_round, base, on_next_round, connections);
    return http_input_pool_init(&connections->pool);
}

void http_connections_free(struct http_connections *connections) {
    while (!TAILQ_EMPTY(&connections->all)) {
        http_connection_close(TAILQ_FIRST(&connections->all));
    }
    free_closed(connections);
    event_del(&connections->next_round);
    deadlines_free(&connections->deadlines);
    http_input_pool_free(&connections->pool);
    http_reply_writer_free(&connections->writer);
}

void http_connections_drain(struct http_connections *connections) {
    struct http_connection *connection;

    connections->draining = true;
    TAILQ_FOREACH(connection, &connections->all, in_all) {
        /* Not closed at once: a request may have come that the loop has not told yet. It does
         * before the next round. */
        /* cppcheck-suppress uninitvar ; TAILQ_FOREACH, which it does not know, sets it */
        if (connection->state == HTTP_READING) {
            http_connection_resume_later(connection);
        }
    }
}

bool http_connections_idle(const struct http_connections *connections) {
    return connections->exchanges_open == 0 && connections->replies_unsent == 0;
}

void http_connection_resume_later(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    if (connection->is_resumed) {
        return;
    }

    connection->is_resumed = true;
    TAILQ_INSERT_TAIL(&connections->resumed, connection, in_resumed);
    connections->resumed_count++;
    schedule_next_round(connections);
}

void http_connection_do_not_resume(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    if (connection->is_resumed) {
        connection->is_resumed = false;
        TAILQ_REMOVE(&connections->resumed, connection, in_resumed);
        connections->resumed_count--;
    }
}

void http_connection_free_later(struct http_connection *connection) {
    struct http_connections *connections = connection->connections;

    TAILQ_REMOVE(&connections->all, connection, in_all);
    TAILQ_INSERT_TAIL(&connections->closed, connection, in_all);
    schedule_next_round(connections);
}
