/*
 * serve.c - see serve.h.
 *
 * The main thread starts the workers and then does nothing but wait for signals: it is the one
 * thread that calls the plugin's [control] functions.
 */
#include "serve.h"

#include "host-sample/base/log.h"
#include "host-sample/http/front.h"
#include "host-sample/operate/notify.h"
#include "host.h"
#include "reload.h"
#include "say.h"
#include "worker.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What was found of names that are several servers is looked for so often. */
#define LOOK_NS 500000000

/* Room for so many times max_lookups, and at most for so many if max_lookups are fewer. */
#define ROOM_FACTOR 8u
#define ROOM_MAX    65536u

static void *worker_main(void *context) {
    worker_run(context);
    return NULL;
}

/* Two hosts on one port may be meant: it is how a new one takes over without a gap. Asked before
 * this one listens there. */
static bool is_taken(const struct host *host) {
    const struct http_front_options place = {.address = host->config->listen.address,
                                             .port = (uint16_t)host->config->listen.port};
    return host->worker_count > 1 && http_front_is_taken(&place);
}

static void warn_of_other(const struct host *host) {
    char port[8];
    (void)snprintf(port, sizeof port, "%u", host->config->listen.port);
    const struct log_field fields[] = {LOG_TEXT("address", host->config->listen.address),
                                       LOG_NUMBER("port", port), LOG_END};
    log_write(host->service.log, LOG_LEVEL_WARN,
              "another process listens on this address and port too, and gets a share of the "
              "connections until it ends",
              fields);
}

static void say_listening(const struct host *host, const char *message, const char *address,
                          uint16_t port) {
    char text[8];
    (void)snprintf(text, sizeof text, "%u", port);
    const struct log_field fields[] = {LOG_TEXT("address", address), LOG_NUMBER("port", text),
                                       LOG_END};
    log_write(host->service.log, LOG_LEVEL_INFO, message, fields);
}

static bool init_workers(struct host *host) {
    uint16_t port = (uint16_t)host->config->listen.port;
    char err[512] = "";
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (!worker_init(&host->workers[i], host, i, port, err, sizeof err)) {
            say_errors(host, err);
            return false;
        }
        /* With port = 0 all workers share the one that the first of them was given. */
        port = http_front_port(host->workers[i].front);
    }
    say_listening(host, "listening", host->config->listen.address, port);
    if (host->workers[0].admin_front != NULL) {
        say_listening(host, "listening for operators", host->config->admin.address,
                      http_front_port(host->workers[0].admin_front));
    }
    return true;
}

static bool start_workers(struct host *host) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct worker *worker = &host->workers[i];
        const int error = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (error != 0) {
            char text[128];
            (void)snprintf(text, sizeof text,
                           "no thread for [listen] threads = %" PRIu32 ", number %" PRIu32 ": %s",
                           host->worker_count, i + 1, strerror(error));
            say_errors(host, text);
            return false;
        }
        worker->started = true;
    }
    return true;
}

/* As sigtimedwait, but the end comes first: of several signals the system hands out the one with
 * the lowest number, and a reload takes long enough for the next to have come. */
static int wait_for_signal(const sigset_t *signals, const struct timespec *period) {
    static const struct timespec now;
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    const int end = sigtimedwait(&ends, NULL, &now);
    return end > 0 ? end : sigtimedwait(signals, NULL, period);
}

static void wait_for_signals(struct host *host, const sigset_t *signals) {
    const struct timespec period = {.tv_nsec = LOOK_NS};
    bool look = true;
    int signal_number = 0;
    while (signal_number != SIGTERM && signal_number != SIGINT) {
        signal_number = wait_for_signal(signals, look ? &period : NULL);
        if (signal_number < 0 && errno == EAGAIN) {
            look = host_take_addresses(host);
        }
        if (signal_number == SIGHUP) {
            host_reload(host);
            look = true; /* if there is anything */
        } else if (signal_number == SIGUSR1 || signal_number == SIGUSR2) {
            const struct log_field fields[] = {
                LOG_TEXT("signal", signal_number == SIGUSR1 ? "SIGUSR1" : "SIGUSR2"), LOG_END};
            log_write(host->service.log, LOG_LEVEL_INFO, "signal ignored: it means nothing here",
                      fields);
        }
    }
    counter_set(&host->leaving, 1);
    log_write(host->service.log, LOG_LEVEL_INFO, "draining", NULL);
}

static void stop_workers(struct host *host) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (host->workers[i].started) {
            worker_drain(&host->workers[i]);
        }
    }
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (host->workers[i].started) {
            (void)pthread_join(host->workers[i].thread, NULL);
        }
    }
    for (uint32_t i = 0; i < host->worker_count; i++) {
        worker_free(&host->workers[i]);
    }
}

void serve_block_signals(sigset_t *signals) {
    static const int awaited[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    (void)sigemptyset(signals);
    for (size_t i = 0; i < sizeof awaited / sizeof awaited[0]; i++) {
        (void)sigaddset(signals, awaited[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Memory is taken once, and not touched before it is used; so a reload may allow more lookups. */
static uint32_t room_for_lookups(uint32_t max_lookups) {
    const uint32_t room =
        max_lookups < ROOM_MAX / ROOM_FACTOR ? max_lookups * ROOM_FACTOR : ROOM_MAX;
    return room > max_lookups ? room : max_lookups;
}

/* glibc hands a large buffer back to the system when it is freed, but by default takes the largest
 * that it has seen for what is small from then on, and keeps it: some big answers then cost a few
 * times the host's own memory for good. Where the limit is set, it stays. It is above the buffers
 * of usual big answers: the system clears the pages of each one that it hands out, which costs more
 * than writing the answer does.
 *
 * Links are made in threads of their own, and by default each thread may take an arena of its own,
 * up to eight a processor. What a link has grown to then stays with the arena that it was born in:
 * links that come and go fill one arena after the other. So there are as many as event loops, and
 * one for all others. */
static void give_memory_back(uint32_t threads) {
#ifdef __GLIBC__
    enum { LARGE_BYTES = 1024 * 1024, KEPT_BYTES = 4 * LARGE_BYTES };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_ARENA_MAX, (int)threads + 1);
#else
    (void)threads;
#endif
}

static struct log *loops_log;

/* libevent would write to stderr itself: past the log, whose lines are JSON, and waiting for its
 * reader. Whoever asks it for something is told by what it returns, unless it lacks a descriptor
 * for a new loop: then it ends the process after this. */
static void take_message(int severity, const char *message) {
    if (severity == EVENT_LOG_ERR) {
        const struct log_field fields[] = {LOG_TEXT("error", message), LOG_END};
        log_write(loops_log, LOG_LEVEL_ERROR, "cannot start", fields);
        log_stop(loops_log, LOG_END_MS);
    }
}

bool serve(struct host *host, const sigset_t *signals) {
    bool served = false;
    loops_log = host->service.log;
    event_set_log_callback(take_message);
    host->worker_count = host->config->listen.threads;
    host->most_lookups = room_for_lookups(host->config->limits.max_lookups);
    host->workers = calloc(host->worker_count, sizeof *host->workers);
    give_memory_back(host->worker_count); /* before other threads take memory */
    if (host->workers == NULL || !host_find_addresses(host)) {
        log_write(host->service.log, LOG_LEVEL_ERROR, "out of memory", NULL);
        free(host->workers);
        return false;
    }
    const bool taken = is_taken(host);
    if (init_workers(host) && start_workers(host)) {
        if (taken) {
            warn_of_other(host);
        }
        service_notify(host->service.log, "READY=1");
        wait_for_signals(host, signals);
        served = true;
    }
    stop_workers(host);
    free(host->workers);
    return served && !atomic_load(&host->failed);
}
