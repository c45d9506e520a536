/*
 * connection.h - connections, one by one (connection.c, their replies in
 * exchange.c) and all together (connections.c).
 *
 * A connection reads one request at a time, hands it over, sends the reply, and only then reads on:
 * what a client pipelines stays in the socket, but for one buffer at most. Its socket is registered
 * with the event loop once, edge-triggered for reading, writing and the peer's close, so that a
 * request costs one recv, one send and no epoll_ctl. An edge is told only once: `readable`
 * remembers that there may be more to receive, and a connection that has still something to do, but
 * must not do it now (another one's turn, or the caller is in the middle of something), is resumed
 * in the next round of the loop.
 *
 * [one thread]: everything belongs to the thread of the event base.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "front.h"
#include "host-sample/base/deadlines.h"
#include "input.h"
#include "output.h"
#include "reply.h"
#include "request.h"

#include <stdatomic.h>
#include <stddef.h>

enum http_deadline { /* one queue each */
                     HTTP_DEADLINE_IDLE,
                     HTTP_DEADLINE_REQUEST,
                     HTTP_DEADLINE_REPLY,
                     HTTP_DEADLINE_LINGER,
                     HTTP_DEADLINE_COUNT
};

struct http_counters { /* as in struct http_front_counters; written by one thread, read by any */
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t open;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t timeouts;
    atomic_uint_fast64_t bad_requests;
    atomic_uint_fast64_t unsent_bytes;
};

struct http_connection;
TAILQ_HEAD(http_connection_list, http_connection);

/* All connections of one front, and what they share. */
struct http_connections {
    struct event_base *base;
    struct http_front_handlers handlers;
    uint32_t max_connections;
    size_t max_unsent_bytes;
    struct deadlines deadlines;
    struct deadline_queue queues[HTTP_DEADLINE_COUNT];
    struct http_input_pool pool;
    struct http_reply_writer writer;
    struct http_connection_list all;
    struct http_connection_list resumed;
    struct http_connection_list closed; /* to be freed in the next round */
    uint32_t resumed_count;
    struct event next_round;
    bool next_round_scheduled;
    uint32_t lingering;      /* of those open */
    uint32_t exchanges_open; /* handed over and not answered */
    uint32_t replies_unsent; /* answered and not sent whole */
    bool draining;
    struct http_counters counters;
};

struct http_exchange {
    struct http_connection *connection;
    void *user;
    bool watched;
};

enum http_connection_state {
    HTTP_READING,   /* waits for a request, or is in the middle of one */
    HTTP_ANSWERING, /* the exchange is open: the host has the request */
    HTTP_SENDING,   /* a reply is being sent */
    HTTP_LINGERING, /* everything is said; reads and drops what the client still sends */
    HTTP_CLOSED     /* about to be freed */
};

struct http_connection {
    struct http_connections *connections;
    struct event event;
    int fd;
    enum http_connection_state state;
    TAILQ_ENTRY(http_connection) in_all; /* or in connections->closed */
    TAILQ_ENTRY(http_connection) in_resumed;
    struct deadline deadline;
    struct http_exchange exchange;
    struct http_reader reader;
    struct http_input input;    /* held between two turns */
    struct http_unsent *unsent; /* the rest of a reply, if the socket did not take all of it */
    uint32_t linger_left;       /* bytes that may still be dropped */
    bool busy;                  /* its turn is on the stack, and settles it at its end */
    bool is_resumed;            /* in connections->resumed */
    bool readable;              /* there may be something to receive */
    bool half_closed;           /* the client will send nothing after what is in the socket */
    bool at_end;                /* everything that the client sent has been received */
    bool keep_alive;            /* another request may follow this one */
    bool is_head;               /* this reply has no body */
};

/* --- connections.c --- */

/* False if memory ran out. */
bool http_connections_init(struct http_connections *connections, struct event_base *base,
                           const struct http_front_options *options,
                           const struct http_front_handlers *handlers);

/* Closes every connection; on_gone for each open exchange. Not from within a handler. */
void http_connections_free(struct http_connections *connections);

void http_connections_drain(struct http_connections *connections);
bool http_connections_idle(const struct http_connections *connections);

/* Gives the connection a turn in the next round of the loop. */
void http_connection_resume_later(struct http_connection *connection);
void http_connection_do_not_resume(struct http_connection *connection);

/* Frees a connection that is closed, in the next round of the loop: until then, whoever is on the
 * stack may look at its state. */
void http_connection_free_later(struct http_connection *connection);

static inline void http_count(atomic_uint_fast64_t *counter, uint64_t more) {
    /* One thread writes, so that no locked instruction is needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static inline uint64_t http_counted(const atomic_uint_fast64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline struct http_connection *http_connection_of(struct deadline *deadline) {
    return (void *)((char *)deadline - offsetof(struct http_connection, deadline));
}

/* --- connection.c --- */

/* Takes over a connected, non-blocking stream socket and serves it; over max_connections it is
 * answered with 503. Closed at once if memory ran out. */
void http_connection_open(struct http_connections *connections, int fd);

/* Closes the socket; on_gone if the exchange is open. */
void http_connection_close(struct http_connection *connection);

/* After the last reply: ends the server's side, and closes when the client has ended its own. */
void http_connection_linger(struct http_connection *connection);

/* One turn: receives once, reads requests and hands them over until one is not answered at once,
 * the client has sent no more, or the connection closes. Not from within a handler. */
void http_connection_advance(struct http_connection *connection);

/* To be called when something has changed: sees to it that a connection that can go on will have a
 * turn, that one that waits has a deadline, and that one that is at its end is closed. */
void http_connection_settle(struct http_connection *connection);

/* --- exchange.c --- */

/* Answers with an error of the front's own and closes. Only in HTTP_READING. */
void http_connection_refuse(struct http_connection *connection, uint32_t status);

/* Sends more of a reply. Only in HTTP_SENDING. */
void http_connection_send_on(struct http_connection *connection);

/* Forgets what is left of a reply. */
void http_connection_drop_unsent(struct http_connection *connection);

#endif
