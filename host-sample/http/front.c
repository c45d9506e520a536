/*
 * front.c - the listener, and the front's functions.
 */
#include "front.h"

#include "connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_BATCH    64     /* before the sockets that are open already get their turn */
#define ACCEPT_PAUSE_US 100000 /* when there are no descriptors left, or nobody can be let in */
#define NO_LISTENER     (-1)
#define LOOP_FEATURES   (EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE)

struct http_front {
    struct http_connections connections;
    int listener; /* NO_LISTENER once drained */
    int max_descriptor;
    int newest; /* the descriptor that was handed out last */
    uint16_t port;
    struct event acceptable;
    struct event accept_again;
};

/* --- accepting --- */

/* Errors of accept that concern only one connection, which is gone by then. (Or is not, where a
 * module of the kernel forbids the call itself.) */
static bool is_passing(int error) {
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall's rule */
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
        return true;
    default:
        return false;
    }
}

/* Without descriptors or memory the listener stays readable, and the loop would spin. */
static void pause_accepting(struct http_front *front) {
    const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};

    counter_set(&front->connections.counters.waiting, 1);
    if (event_add(&front->accept_again, &pause) == 0) {
        event_del(&front->acceptable);
    }
}

/* Once, until all who wait have been let in: clients that keep their connections may for hours. */
static void tell_exhausted(const struct http_front *front, int error) {
    const struct http_front_handlers *handlers = &front->connections.handlers;

    if (handlers->on_exhausted != NULL &&
        counter_value(&front->connections.counters.waiting) == 0) {
        handlers->on_exhausted(handlers->context, error);
    }
}

/* The system hands out the lowest descriptor that is free, so that one tells how many are left. */
static bool has_descriptors(struct http_front *front) {
    if (front->max_descriptor == 0 || front->newest < front->max_descriptor) {
        return true;
    }
    front->newest = fcntl(front->listener, F_DUPFD_CLOEXEC, 0);
    if (front->newest < 0) {
        front->newest = front->max_descriptor;
    } else {
        close(front->newest);
    }
    return front->newest < front->max_descriptor;
}

static bool somebody_waits(const struct http_front *front) {
    struct pollfd listener = {.fd = front->listener, .events = POLLIN};

    return poll(&listener, 1, 0) > 0;
}

/* As accept4. */
static int accept_next(struct http_front *front) {
    if (!has_descriptors(front)) {
        errno = somebody_waits(front) ? EMFILE : EAGAIN;
        return -1;
    }
    int fd = accept4(front->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        front->newest = fd;
    }
    return fd;
}

static void stop_for_a_while(struct http_front *front, int error) {
    tell_exhausted(front, error);
    pause_accepting(front);
}

static void accept_waiting(struct http_front *front) {
    bool any = false;

    for (uint32_t i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept_next(front);

        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            counter_set(&front->connections.counters.waiting, 0);
            return;
        }
        if (fd >= 0 ? !http_connection_open(&front->connections, fd) : !is_passing(errno)) {
            stop_for_a_while(front, errno);
            return;
        }
        any = any || fd >= 0;
    }
    if (!any) { /* so many errors, one after the other, are of the listener */
        stop_for_a_while(front, errno);
    }
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    accept_waiting(arg);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg) {
    struct http_front *front = arg;

    (void)fd;
    (void)what;
    if (!somebody_waits(front)) {
        counter_set(&front->connections.counters.waiting, 0);
    }
    if (event_add(&front->acceptable, NULL) != 0) {
        pause_accepting(front);
    }
}

/* --- listening --- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Returns the address's length, 0 if it is not a literal. */
static socklen_t parse_address(const char *text, uint16_t port, union socket_address *address) {
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        return sizeof(address->v4);
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        return sizeof(address->v6);
    }
    return 0;
}

/* On Linux accepted sockets inherit these options, so that a connection costs no call for them. */
static bool set_options(int fd, bool reuse_port) {
    const int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
}

/* Binds, listens and learns the port. Returns the socket, or NO_LISTENER with errno set. */
static int open_listener(const struct http_front_options *options, uint16_t *port) {
    union socket_address address;
    socklen_t length = parse_address(options->address, options->port, &address);
    int fd, saved;

    if (length == 0) {
        errno = EINVAL;
        return NO_LISTENER;
    }
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return NO_LISTENER;
    }
    if (set_options(fd, options->reuse_port) && bind(fd, &address.any, length) == 0 &&
        listen(fd, SOMAXCONN) == 0 && getsockname(fd, &address.any, &length) == 0) {
        *port =
            ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
        return fd;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return NO_LISTENER;
}

bool http_front_is_taken(const struct http_front_options *options) {
    union socket_address address;
    const int on = 1;
    socklen_t length = parse_address(options->address, options->port, &address);
    int fd = length > 0 && options->port != 0
                 ? socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)
                 : -1;
    bool taken;

    if (fd < 0) {
        return false;
    }
    /* Connections that linger there do not count. */
    taken = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
            bind(fd, &address.any, length) != 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

static void close_listener(struct http_front *front) {
    if (front->listener != NO_LISTENER) {
        event_del(&front->acceptable);
        event_del(&front->accept_again);
        close(front->listener);
        front->listener = NO_LISTENER;
        counter_set(&front->connections.counters.waiting, 0);
    }
}

/* --- the front --- */

struct http_front *http_front_new(struct event_base *base, const struct http_front_options *options,
                                  const struct http_front_handlers *handlers, char *err,
                                  size_t err_length) {
    struct http_front *front;
    const char *why = "out of memory";

    if ((event_base_get_features(base) & LOOP_FEATURES) != LOOP_FEATURES) {
        (void)snprintf(err, err_length, "the event loop's method, %s, has no edge-triggered events",
                       event_base_get_method(base));
        return NULL;
    }
    if (options->header_count > HTTP_MAX_HEADERS) {
        (void)snprintf(err, err_length, "more than %d headers to look at", HTTP_MAX_HEADERS);
        return NULL;
    }
    front = calloc(1, sizeof(*front));
    if (front == NULL || !http_connections_init(&front->connections, base, options, handlers)) {
        goto fail;
    }
    front->listener = open_listener(options, &front->port);
    if (front->listener == NO_LISTENER) {
        why = strerror(errno);
        goto fail_initialised;
    }
    front->max_descriptor = options->max_descriptor;
    event_assign(&front->acceptable, base, front->listener, EV_READ | EV_PERSIST, on_acceptable,
                 front);
    evtimer_assign(&front->accept_again, base, on_accept_again, front);
    if (event_add(&front->acceptable, NULL) == 0) {
        return front;
    }
    close_listener(front);
fail_initialised:
    http_connections_free(&front->connections);
fail:
    free(front);
    (void)snprintf(err, err_length, "cannot listen on address %s, port %u: %s", options->address,
                   (unsigned)options->port, why);
    return NULL;
}

uint16_t http_front_port(const struct http_front *front) {
    return front->port;
}

void http_front_say_close(struct http_front *front) {
    front->connections.closing = true;
}

void http_front_set_max_connections(struct http_front *front, uint32_t max_connections) {
    front->connections.max_connections = max_connections;
}

void http_front_drain(struct http_front *front) {
    if (front->listener != NO_LISTENER) {
        /* Clients that the kernel has already connected are served too. */
        accept_waiting(front);
        close_listener(front);
    }
    http_connections_drain(&front->connections);
}

bool http_front_is_idle(const struct http_front *front) {
    return http_connections_idle(&front->connections);
}

void http_front_free(struct http_front *front) {
    if (front != NULL) {
        close_listener(front);
        http_connections_free(&front->connections);
        free(front);
    }
}

void http_front_read_counters(const struct http_front *front,
                              struct http_front_counters *counters) {
    const struct http_counters *own = &front->connections.counters;

    *counters = (struct http_front_counters){
        .connections_accepted = counter_value(&own->accepted),
        .connections_open = counter_value(&own->open),
        .connections_refused = counter_value(&own->refused),
        .connections_waiting = counter_value(&own->waiting),
        .timeouts = counter_value(&own->timeouts),
        .bad_requests = counter_value(&own->bad_requests),
        .unsent_bytes = counter_value(&own->unsent_bytes),
    };
}

uint64_t http_front_answers(const struct http_front *front, uint32_t status) {
    const uint32_t index = status - HTTP_FIRST_STATUS;

    return index < HTTP_STATUS_COUNT ? counter_value(&front->connections.counters.by_status[index])
                                     : 0;
}
