/*
 * connect.c - see connect.h.
 */
#include "connect.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/base/one_line.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long sent bytes may stay unacknowledged on a link before the kernel gives it up. */
#define USER_TIMEOUT_MS 10000

struct pg_attempt {
    atomic_uint references; /* the thread's and the caller's */
    int ended_fd;           /* eventfd: the thread has finished */
    int cancel_fd;          /* eventfd: the caller has lost interest */
    uint32_t timeout_s;
    bool own_user_timeout; /* ours, not the operator's: short while connecting, then longer */
    char *conninfo;
    const char *application_name; /* NULL: none */
    /* Written by the thread before it drops its reference or writes to ended_fd. */
    atomic_bool ended;
    PGconn *conn;
    char error[256];
};

/* ---- options ---- */

/* libpq quotes the part that it could not parse, which may be part of a password. */
static bool may_hold_password(const char *conninfo) {
    return strstr(conninfo, "pass") != NULL || strstr(conninfo, "://") != NULL;
}

bool pg_conninfo_is_valid(const char *conninfo, char *err, size_t err_length) {
    char *problem = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &problem);
    bool valid = options != NULL;
    if (!valid && problem != NULL && may_hold_password(conninfo)) {
        (void)snprintf(err, err_length,
                       "conninfo is malformed (the details are withheld: it may hold a password)");
    } else if (!valid) {
        one_line(err, err_length, problem != NULL ? problem : "conninfo: out of memory");
    }
    PQfreemem(problem);
    PQconninfoFree(options);
    return valid;
}

static const char *given_value(const PQconninfoOption *options, const char *keyword) {
    for (; options != NULL && options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val;
        }
    }
    return NULL;
}

struct keyword_list {
    const char **keywords;
    const char **values;
    size_t count;
};

static void add(struct keyword_list *list, const char *keyword, const char *value) {
    list->keywords[list->count] = keyword;
    list->values[list->count] = value;
    list->count++;
}

static bool add_default(struct keyword_list *list, const PQconninfoOption *given,
                        const char *keyword, const char *value) {
    bool ours = given_value(given, keyword) == NULL;
    if (ours) {
        add(list, keyword, value);
    }
    return ours;
}

/* The options of the string and, after them, ours. Later ones win. Returns whether tcp_user_timeout
 * is one of ours. */
static bool fill_keywords(struct keyword_list *list, const PQconninfoOption *given,
                          const char *user_timeout, const char *application_name) {
    bool own_user_timeout = false;
    for (const PQconninfoOption *option = given; option->keyword != NULL; option++) {
        if (option->val != NULL) {
            add(list, option->keyword, option->val);
        }
    }
    if (given_value(given, "service") == NULL && getenv("PGSERVICE") == NULL) {
        add_default(list, given, "keepalives_idle", "10");
        add_default(list, given, "keepalives_interval", "5");
        add_default(list, given, "keepalives_count", "3");
        own_user_timeout = add_default(list, given, "tcp_user_timeout", user_timeout);
    }
    if (application_name != NULL) {
        add_default(list, given, "fallback_application_name", application_name);
    }
    add(list, "client_encoding", "UTF8");
    return own_user_timeout;
}

static PGconn *start_connecting(struct pg_attempt *attempt) {
    const size_t ours = 6 + 1; /* what fill_keywords may add, and the NULL at the end */
    PGconn *conn = NULL;
    PQconninfoOption *given = PQconninfoParse(attempt->conninfo, NULL);
    size_t count = 0;
    while (given != NULL && given[count].keyword != NULL) {
        count++;
    }
    struct keyword_list list = {calloc(count + ours, sizeof(char *)),
                                calloc(count + ours, sizeof(char *)), 0};
    if (given != NULL && list.keywords != NULL && list.values != NULL) {
        char user_timeout[16];
        (void)snprintf(user_timeout, sizeof(user_timeout), "%u", attempt->timeout_s * 1000 / 2);
        attempt->own_user_timeout =
            fill_keywords(&list, given, user_timeout, attempt->application_name);
        conn = PQconnectStartParams(list.keywords, list.values, 0);
    }
    free(list.keywords);
    free(list.values);
    PQconninfoFree(given);
    return conn;
}

/* connect_timeout as the string, its service or the environment gives it, else the caller's. */
static uint64_t timeout_ms(const struct pg_attempt *attempt, PGconn *conn) {
    PQconninfoOption *effective = PQconninfo(conn);
    const char *value = given_value(effective, "connect_timeout");
    long seconds = value != NULL ? strtol(value, NULL, 10) : 0;
    PQconninfoFree(effective);
    if (seconds <= 0 || seconds > 3600) {
        seconds = (long)attempt->timeout_s;
    }
    return (uint64_t)seconds * 1000;
}

/* ---- the thread ---- */

static void drop_notice(void *context, const PGresult *notice) {
    (void)context;
    (void)notice;
}

/* False when the deadline has passed or the caller has lost interest. */
static bool wait_for_socket(const struct pg_attempt *attempt, PGconn *conn, short events,
                            uint64_t deadline_ms) {
    uint64_t now = monotonic_ms();
    if (now >= deadline_ms) {
        return false;
    }
    /* The socket may be another one after each step. */
    struct pollfd polled[2] = {{PQsocket(conn), events, 0}, {attempt->cancel_fd, POLLIN, 0}};
    return poll(polled, 2, (int)(deadline_ms - now)) > 0 && polled[1].revents == 0;
}

static bool step_until_connected(struct pg_attempt *attempt, PGconn *conn) {
    uint64_t limit_ms = timeout_ms(attempt, conn);
    uint64_t deadline_ms = monotonic_ms() + limit_ms;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_for_socket(attempt, conn, events, deadline_ms)) {
            const char *host = PQhost(conn);
            const char *port = PQport(conn);
            (void)snprintf(
                attempt->error, sizeof(attempt->error),
                "connection to server at \"%.150s\", port %.10s: not established within %u ms",
                host != NULL ? host : "", port != NULL ? port : "", (unsigned)limit_ms);
            return false;
        }
        status = PQconnectPoll(conn);
    }
    if (status == PGRES_POLLING_FAILED) {
        one_line(attempt->error, sizeof(attempt->error), PQerrorMessage(conn));
    }
    return status == PGRES_POLLING_OK;
}

static void connect_now(struct pg_attempt *attempt) {
    PGconn *conn = start_connecting(attempt);
    if (conn == NULL) {
        (void)snprintf(attempt->error, sizeof(attempt->error), "out of memory");
        return;
    }
    PQsetNoticeReceiver(conn, drop_notice, NULL);
    if (PQstatus(conn) == CONNECTION_BAD) {
        one_line(attempt->error, sizeof(attempt->error), PQerrorMessage(conn));
    } else if (step_until_connected(attempt, conn)) {
        if (attempt->own_user_timeout) {
            const unsigned longer = USER_TIMEOUT_MS;
            /* Fails on a Unix-domain socket, which needs none. */
            (void)setsockopt(PQsocket(conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &longer,
                             sizeof(longer));
        }
        attempt->conn = conn;
        return;
    }
    PQfinish(conn);
}

static void drop_reference(struct pg_attempt *attempt) {
    if (atomic_fetch_sub(&attempt->references, 1) != 1) {
        return;
    }
    PQfinish(attempt->conn); /* NULL unless nobody took it */
    close(attempt->ended_fd);
    close(attempt->cancel_fd);
    free(attempt->conninfo);
    free(attempt);
}

static void *attempt_thread(void *argument) {
    struct pg_attempt *attempt = argument;
    connect_now(attempt);
    atomic_store(&attempt->ended, true);
    eventfd_write(attempt->ended_fd, 1);
    drop_reference(attempt);
    return NULL;
}

/* Detached, with every signal blocked: other threads handle signals.
 */
static bool start_thread(struct pg_attempt *attempt) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return false;
    }
    bool started = pthread_create(&thread, NULL, attempt_thread, attempt) == 0;
    if (started) {
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* ---- the caller's side ---- */

struct pg_attempt *pg_attempt_start(const char *conninfo, const char *application_name,
                                    uint32_t timeout_s, char *err, size_t err_length) {
    struct pg_attempt *attempt = calloc(1, sizeof(*attempt));
    if (attempt == NULL) {
        (void)snprintf(err, err_length, "out of memory");
        return NULL;
    }
    atomic_init(&attempt->references, 2);
    attempt->timeout_s = timeout_s;
    attempt->application_name = application_name;
    attempt->conninfo = strdup(conninfo);
    attempt->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    attempt->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (attempt->conninfo != NULL && attempt->ended_fd >= 0 && attempt->cancel_fd >= 0 &&
        start_thread(attempt)) {
        return attempt;
    }
    (void)snprintf(err, err_length, "no memory, descriptor or thread for an attempt to connect");
    if (attempt->ended_fd >= 0) {
        close(attempt->ended_fd);
    }
    if (attempt->cancel_fd >= 0) {
        close(attempt->cancel_fd);
    }
    free(attempt->conninfo);
    free(attempt);
    return NULL;
}

int pg_attempt_descriptor(const struct pg_attempt *attempt) {
    return attempt->ended_fd;
}

PGconn *pg_attempt_take(struct pg_attempt *attempt, char *err, size_t err_length) {
    PGconn *conn = NULL;
    if (atomic_load(&attempt->ended)) {
        conn = attempt->conn;
        attempt->conn = NULL;
        one_line(err, err_length, attempt->error);
    } else {
        (void)snprintf(err, err_length, "the attempt has not ended");
    }
    drop_reference(attempt);
    return conn;
}

void pg_attempt_cancel(struct pg_attempt *attempt) {
    eventfd_write(attempt->cancel_fd, 1);
}

void pg_attempt_release(struct pg_attempt *attempt, int wait_ms) {
    struct pollfd ended = {attempt->ended_fd, POLLIN, 0};
    if (wait_ms > 0) {
        (void)poll(&ended, 1, wait_ms); /* timed out, or interrupted by a signal: no harm */
    }
    if (atomic_load(&attempt->ended)) { /* then the thread has hardly anything left to do */
        PQfinish(attempt->conn);
        attempt->conn = NULL;
    }
    drop_reference(attempt);
}
