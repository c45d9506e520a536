/*
 * connections.c - see connections.h.
 */
#include "connections.h"

#include "status.h"

#define LINGER_MS 2000

static void on_deadline(void *context, struct deadline_queue *queue, struct deadline *deadline) {
    struct http_connections *connections = context;
    struct http_connection *connection = http_connection_of(deadline);

    if (queue != &connections->queues[HTTP_DEADLINE_LINGER]) {
        counter_add(&connections->counters.timeouts, 1);
    }
    if (queue == &connections->queues[HTTP_DEADLINE_REQUEST]) {
        http_connection_refuse(connection, HTTP_STATUS_REQUEST_TIMEOUT);
    } else {
        http_connection_close(connection);
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
    connections->serving =
        options->serving != NULL ? options->serving : &connections->serving_alone;
    TAILQ_INIT(&connections->all);
    deadlines_init(&connections->deadlines, base, connections->queues, HTTP_DEADLINE_COUNT,
                   on_deadline, connections);
    http_turns_init(&connections->turns, base, http_connection_take_turn);
    http_header_names_init(&connections->headers, options->headers, options->header_count);
    http_reply_writer_init(&connections->writer, options->keep_alive_s);
    return http_input_pool_init(&connections->pool);
}

void http_connections_free(struct http_connections *connections) {
    while (!TAILQ_EMPTY(&connections->all)) {
        http_connection_close(TAILQ_FIRST(&connections->all));
    }
    http_turns_finish(&connections->turns); /* frees them */
    deadlines_free(&connections->deadlines);
    http_input_pool_free(&connections->pool);
    http_reply_writer_free(&connections->writer);
}

void http_connections_drain(struct http_connections *connections) {
    struct http_connection *connection;

    connections->draining = true;
    TAILQ_FOREACH(connection, &connections->all, in_all) {
        /* Not closed at once: a request may have come that the loop has not reported yet. It will
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
