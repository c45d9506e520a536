/*
 * connect.c - see connect.h.
 */
#include "connect.h"

#include "destination.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/one_line.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WARNING_BYTES = 256 };

struct pg_attempt {
    atomic_uint references; /* the thread's and the caller's */
    pthread_t thread;
    int ended_fd;  /* eventfd: the thread has finished */
    int cancel_fd; /* eventfd: the caller has lost interest */
    uint32_t timeout_s;
    struct pg_start from;
    atomic_bool cancelled;
    char *conninfo;
    const char *application_name; /* NULL: none */
    /* Written by the thread before it drops its reference or writes to ended_fd. */
    atomic_bool ended;
    PGconn *conn;
    struct pg_start next;
    char error[512]; /* or, with conn, what the server warned of */
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

static bool is_given(const PQconninfoOption *options, const char *keyword) {
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0) {
        options++;
    }
    return options->keyword != NULL && options->val != NULL;
}

static void add_default(struct pg_keywords *list, const PQconninfoOption *given,
                        const char *keyword, const char *value) {
    if (!is_given(given, keyword)) {
        pg_keywords_add(list, keyword, value);
    }
}

/* The options of the string, then ours. */
static void fill_keywords(struct pg_keywords *list, const PQconninfoOption *given,
                          const char *application_name) {
    for (const PQconninfoOption *option = given; option->keyword != NULL; option++) {
        pg_keywords_add(list, option->keyword, option->val);
    }
    if (!is_given(given, "service") && getenv("PGSERVICE") == NULL) {
        add_default(list, given, "keepalives_idle", "10");
        add_default(list, given, "keepalives_interval", "5");
        add_default(list, given, "keepalives_count", "3");
        /* How long sent bytes may stay unacknowledged before the kernel gives the link up. */
        add_default(list, given, "tcp_user_timeout", "10000");
    }
    add_default(list, given, "fallback_application_name", application_name);
    pg_keywords_add(list, "client_encoding", "UTF8");
}

/* ---- the thread ---- */

/* Notices never go to stderr. */
static void drop_notice(void *context, const PGresult *notice) {
    (void)context;
    (void)notice;
}

/* A warning as a connection is made is about the role or the database
 * (a collation that sorts otherwise here, a password that expires). */
static void keep_warning(void *context, const PGresult *notice) {
    char *warning = context;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != NULL && strcmp(severity, "WARNING") == 0) {
        const size_t length = strlen(warning);
        const size_t begin = length > 0 && length + 2 < WARNING_BYTES ? length + 2 : length;
        memcpy(warning + length, "; ", begin - length);
        one_line(warning + begin, WARNING_BYTES - begin,
                 PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    }
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

enum outcome { CONNECTED, REFUSED, TIMED_OUT };

static enum outcome step_until_connected(struct pg_attempt *attempt, PGconn *conn,
                                         uint32_t timeout_s) {
    uint64_t deadline_ms = monotonic_ms() + (uint64_t)timeout_s * 1000;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_for_socket(attempt, conn, events, deadline_ms)) {
            const char *host = PQhost(conn);
            const char *port = PQport(conn);
            (void)snprintf(
                attempt->error, sizeof(attempt->error),
                "connection to server at \"%.150s\", port %.10s: not established within %u ms",
                host != NULL ? host : "", port != NULL ? port : "", timeout_s * 1000);
            return TIMED_OUT;
        }
        status = PQconnectPoll(conn);
    }
    if (status == PGRES_POLLING_FAILED) {
        one_line(attempt->error, sizeof(attempt->error), PQerrorMessage(conn));
    }
    return status == PGRES_POLLING_OK ? CONNECTED : REFUSED;
}

static enum outcome try_address(struct pg_attempt *attempt, const struct pg_keywords *list,
                                uint32_t timeout_s) {
    enum outcome outcome = REFUSED;
    char warning[WARNING_BYTES] = "";
    PGconn *conn = PQconnectStartParams(list->keywords, list->values, 0);
    if (conn == NULL) {
        (void)snprintf(attempt->error, sizeof(attempt->error), "out of memory");
        return REFUSED;
    }
    PQsetNoticeReceiver(conn, keep_warning, warning);
    if (PQstatus(conn) == CONNECTION_BAD) {
        one_line(attempt->error, sizeof(attempt->error), PQerrorMessage(conn));
    } else {
        outcome = step_until_connected(attempt, conn, timeout_s);
    }
    if (outcome == CONNECTED) {
        PQsetNoticeReceiver(conn, drop_notice, NULL);
        attempt->conn = conn;
        memcpy(attempt->error, warning, sizeof warning);
    } else {
        PQfinish(conn);
    }
    return outcome;
}

/* Some of the addresses of one host. The next attempt begins behind the last one that hung. */
static bool try_host(struct pg_attempt *attempt, const struct pg_destination *destination,
                     const struct pg_keywords *keywords, uint32_t number, uint32_t first,
                     uint32_t end) {
    struct pg_host host;
    bool connected = false;
    if (pg_host_find(&host, destination, number, attempt->error, sizeof(attempt->error))) {
        for (uint32_t i = first;
             i < end && i < host.address_count && !connected && !atomic_load(&attempt->cancelled);
             i++) {
            char address[PG_ADDRESS_BYTES];
            struct pg_keywords list = *keywords;
            pg_host_add(&host, i, &list, address);
            enum outcome outcome = try_address(attempt, &list, destination->timeout_s);
            connected = outcome == CONNECTED;
            if (outcome == TIMED_OUT) {
                const bool last = i + 1 == host.address_count;
                attempt->next = (struct pg_start){
                    last ? (number + 1) % destination->host_count : number, last ? 0 : i + 1};
            }
        }
    }
    pg_host_free(&host);
    return connected;
}

/* All addresses once, from where the attempt begins. */
static bool try_all(struct pg_attempt *attempt, const struct pg_destination *destination,
                    const struct pg_keywords *keywords) {
    const struct pg_start from = attempt->from;
    const uint32_t hosts = destination->host_count;
    bool connected = false;
    for (uint32_t i = 0; i < hosts && !connected && !atomic_load(&attempt->cancelled); i++) {
        connected = try_host(attempt, destination, keywords, (from.host + i) % hosts,
                             i == 0 ? from.address : 0, UINT32_MAX);
    }
    return connected ||
           (hosts > 0 && from.address > 0 && !atomic_load(&attempt->cancelled) &&
            try_host(attempt, destination, keywords, from.host % hosts, 0, from.address));
}

static void add_to_error(struct pg_attempt *attempt, const char *text) {
    const size_t length = strlen(attempt->error);
    (void)snprintf(attempt->error + length, sizeof(attempt->error) - length, " (%s)", text);
}

static void connect_now(struct pg_attempt *attempt) {
    struct pg_keywords list = {.count = 0};
    struct pg_destination destination = {.hosts = NULL};
    PQconninfoOption *given = PQconninfoParse(attempt->conninfo, NULL);
    if (given != NULL) {
        fill_keywords(&list, given, attempt->application_name);
    }
    if (given == NULL || !pg_destination_read(&destination, &list, attempt->timeout_s)) {
        (void)snprintf(attempt->error, sizeof(attempt->error), "out of memory");
    } else {
        /* libpq would say it again, on stderr. */
        pg_keywords_add(&list, "passfile",
                        destination.warning[0] != '\0' ? "/dev/null/none" : NULL);
        if (destination.prefers_standby) {
            /* With one address at a time it is for us to go round twice. */
            struct pg_keywords standbys = list;
            pg_keywords_add(&standbys, "target_session_attrs", "standby");
            pg_keywords_add(&list, "target_session_attrs", "any");
            (void)(try_all(attempt, &destination, &standbys) ||
                   try_all(attempt, &destination, &list));
        } else {
            (void)try_all(attempt, &destination, &list);
        }
    }
    if (attempt->conn == NULL && destination.warning[0] != '\0') {
        add_to_error(attempt, destination.warning);
    }
    pg_destination_free(&destination);
    PQconninfoFree(given);
}

bool pg_conninfo_password_file_is_refused(const char *conninfo, char *why, size_t why_length) {
    struct pg_keywords list = {.count = 0};
    struct pg_destination destination = {.hosts = NULL};
    PQconninfoOption *given = PQconninfoParse(conninfo, NULL);
    why[0] = '\0';
    if (given != NULL) {
        fill_keywords(&list, given, NULL);
        if (pg_destination_read(&destination, &list, 1)) {
            (void)snprintf(why, why_length, "%s", destination.warning);
        }
    }
    pg_destination_free(&destination);
    PQconninfoFree(given);
    return why[0] != '\0';
}

static void close_descriptors(struct pg_attempt *attempt) {
    if (attempt->ended_fd >= 0) {
        close(attempt->ended_fd);
    }
    if (attempt->cancel_fd >= 0) {
        close(attempt->cancel_fd);
    }
    attempt->ended_fd = attempt->cancel_fd = -1;
}

static void drop_reference(struct pg_attempt *attempt) {
    if (atomic_fetch_sub(&attempt->references, 1) != 1) {
        return;
    }
    PQfinish(attempt->conn); /* NULL unless nobody took it */
    close_descriptors(attempt);
    free(attempt->conninfo);
    free(attempt);
}

static void *attempt_thread(void *argument) {
    struct pg_attempt *attempt = argument;
    const int ended_fd = attempt->ended_fd; /* the caller may close it once it has ended */
    connect_now(attempt);
    atomic_store(&attempt->ended, true);
    eventfd_write(ended_fd, 1);
    drop_reference(attempt);
    return NULL;
}

/* With every signal blocked: other threads handle signals. */
static bool start_thread(struct pg_attempt *attempt) {
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return false;
    }
    const bool started = pthread_create(&attempt->thread, NULL, attempt_thread, attempt) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* ---- the caller's side ---- */

struct pg_attempt *pg_attempt_start(const char *conninfo, const char *application_name,
                                    uint32_t timeout_s, struct pg_start from, char *err,
                                    size_t err_length) {
    struct pg_attempt *attempt = calloc(1, sizeof(*attempt));
    if (attempt == NULL) {
        (void)snprintf(err, err_length, "out of memory");
        return NULL;
    }
    atomic_init(&attempt->references, 2);
    atomic_init(&attempt->cancelled, false);
    attempt->from = attempt->next = from;
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
    close_descriptors(attempt);
    free(attempt->conninfo);
    free(attempt);
    return NULL;
}

int pg_attempt_descriptor(const struct pg_attempt *attempt) {
    return attempt->ended_fd;
}

PGconn *pg_attempt_take(struct pg_attempt *attempt, struct pg_start *next, char *err,
                        size_t err_length) {
    PGconn *conn = NULL;
    if (atomic_load(&attempt->ended)) {
        /* It has been written to by now, of which a thread sanitizer knows once it is read. */
        eventfd_t count;
        (void)eventfd_read(attempt->ended_fd, &count);
        conn = attempt->conn;
        attempt->conn = NULL;
        *next = attempt->next;
        one_line(err, err_length, attempt->error);
        close_descriptors(attempt);
    } else {
        (void)snprintf(err, err_length, "the attempt has not ended");
    }
    return conn;
}

void pg_attempt_cancel(struct pg_attempt *attempt) {
    atomic_store(&attempt->cancelled, true);
    eventfd_write(attempt->cancel_fd, 1);
}

void pg_attempt_release(struct pg_attempt *attempt, int wait_ms) {
    if (wait_ms > 0 && !atomic_load(&attempt->ended)) {
        struct pollfd ended = {attempt->ended_fd, POLLIN, 0};
        (void)poll(&ended, 1, wait_ms); /* timed out, or interrupted by a signal: no harm */
    }
    if (atomic_load(&attempt->ended)) {
        (void)pthread_join(attempt->thread, NULL);
    } else {
        (void)pthread_detach(attempt->thread);
    }
    drop_reference(attempt);
}
