/*
 * connection.h - one connection, from its first request to its last reply.
 *
 * It reads one request at a time, hands it over, sends the reply, and only then reads on: what a
 * client pipelines stays in the socket, except for one buffer at most. Its socket is registered
 * with the event loop once, edge-triggered for reading, writing and the peer's close, so that a
 * request costs one recv, one send and no epoll_ctl. An edge is reported only once: `readable`
 * remembers that there may be more to receive, and a connection that has something to do but must
 * not do it now (it is another one's turn, or the caller is in the middle of something) is resumed
 * in the next round of the loop.
 *
 * [one thread]: everything belongs to the thread of the event base.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "exchange.h"
#include "host-sample/base/container_of.h"
#include "host-sample/base/counter.h"
#include "host-sample/base/deadlines.h"
#include "input.h"
#include "output.h"
#include "reply.h"
#include "request.h"
#include "turns.h"

#include <stddef.h>

enum http_deadline { /* one queue each */
                     HTTP_DEADLINE_IDLE,
                     HTTP_DEADLINE_REQUEST,
                     HTTP_DEADLINE_REPLY,
                     HTTP_DEADLINE_LINGER,
                     HTTP_DEADLINE_COUNT
};

enum { HTTP_FIRST_STATUS = 100, HTTP_STATUS_COUNT = 500 };

struct http_counters { /* as in struct http_front_counters; written by one thread, read by any */
    _Atomic uint64_t accepted;
    _Atomic uint64_t open;
    _Atomic uint64_t refused;
    _Atomic uint64_t waiting;
    _Atomic uint64_t timeouts;
    _Atomic uint64_t bad_requests;
    _Atomic uint64_t unsent_bytes;
    _Atomic uint64_t by_status[HTTP_STATUS_COUNT]; /* replies, from HTTP_FIRST_STATUS on */
};

struct http_connection;
TAILQ_HEAD(http_connection_list, http_connection);

/* All connections of one front, and what they share. */
struct http_connections {
    struct event_base *base;
    struct http_front_handlers handlers;
    uint32_t max_connections;
    _Atomic uint64_t *serving;      /* that count, here and where the limit is shared */
    _Atomic uint64_t serving_alone; /* likewise, where it is not */
    size_t max_unsent_bytes;
    struct deadlines deadlines;
    struct deadline_queue queues[HTTP_DEADLINE_COUNT];
    struct http_input_pool pool;
    struct http_reply_writer writer;
    struct http_header_names headers;
    struct http_connection_list all;
    struct http_turns turns; /* of connections that go on, or are closed and to be freed */
    uint32_t lingering;      /* of those open */
    uint32_t exchanges_open; /* handed over and not answered */
    uint32_t replies_unsent; /* answered and not sent whole */
    bool closing;            /* no reply keeps its connection */
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
    HTTP_LINGERING, /* the reply is sent; reads and drops what the client still sends */
    HTTP_CLOSED     /* freed in its next turn: callers on the stack may still look at its state */
};

struct http_connection {
    struct http_connections *connections;
    struct event event;
    int fd;
    enum http_connection_state state;
    TAILQ_ENTRY(http_connection) in_all;
    struct http_turn turn;
    struct deadline deadline;
    struct http_exchange exchange;
    struct http_reader reader;
    struct http_input input;    /* held between two turns */
    struct http_unsent *unsent; /* the rest of a reply, if the socket did not take all of it */
    uint32_t linger_left;       /* bytes that may still be dropped */
    bool busy;        /* its turn is on the stack, and decides at its end what comes next */
    bool readable;    /* there may be something to receive */
    bool half_closed; /* the client will send nothing after what is in the socket */
    bool at_end;      /* everything that the client sent has been received */
    bool keep_alive;  /* another request may follow this one */
    bool is_head;     /* this reply has no body */
};

static inline struct http_connection *http_connection_of(struct deadline *deadline) {
    return container_of(deadline, struct http_connection, deadline);
}

/* Takes over a connected, non-blocking stream socket and serves it; over max_connections it is
 * answered with 503. False, with the reason in errno, if there is no memory for it or it cannot be
 * watched; then it is closed. */
bool http_connection_open(struct http_connections *connections, int fd);

/* Closes the socket; on_gone if the exchange is open. */
void http_connection_close(struct http_connection *connection);

/* Answers with one of the front's own errors and closes. Only in HTTP_READING. */
void http_connection_refuse(struct http_connection *connection, uint32_t status);

/* Gives the connection a turn in the next round of the loop. */
void http_connection_resume_later(struct http_connection *connection);

/* Runs a turn that was asked for: goes on, or frees the connection if it is closed. */
void http_connection_take_turn(struct http_turn *turn);

#endif
