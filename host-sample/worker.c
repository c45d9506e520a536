/*
 * worker.c - a turn of the loop handles what has come, then sends each server's statements in one
 * batch.
 */
#include "worker.h"

#include "host-sample/base/entropy.h"
#include "host-sample/base/log.h"
#include "host-sample/http/front.h"
#include "host-sample/lookups/lookup.h"
#include "host-sample/lookups/requests.h"
#include "host-sample/operate/metrics.h"
#include "host.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Clients that are told nothing drop a connection after 4 s, and they poll every 5 s. */
#define KEEP_ALIVE_S       20u
#define IDLE_TIMEOUT_MS    25000u
#define REQUEST_TIMEOUT_MS 10000u
#define REPLY_TIMEOUT_MS   30000u
#define MAX_UNSENT_BYTES   (UINT64_C(64) << 20)

/* A drain that takes longer than any lookup may is cut short. */
#define DRAIN_GRACE_MS 2000u

/* Requests are taken once it is known who is who: else the first of them would go to servers that
 * are away, or fail for want of a primary. */
static void servers_known(void *context) {
    struct worker *worker = context;
    if (!worker->draining && !http_front_start(worker->front)) {
        log_write(worker->host->service.log, LOG_LEVEL_ERROR, "cannot accept connections", NULL);
    }
}

static bool make_servers(struct worker *worker, char *err, size_t err_length) {
    const struct servers_options options = {
        .config = worker->host->service.config,
        .plugin = worker->host->service.plugin,
        .set = worker->host->set,
        .log = worker->host->service.log,
        .user = lookups_user(&worker->lookups),
        .known = servers_known,
        .known_context = worker,
        .random = &worker->random,
    };
    return servers_init(&worker->servers, &options, worker->base, err, err_length);
}

static void drain_is_over(evutil_socket_t fd, short events, void *context) {
    struct worker *worker = context;
    (void)fd;
    (void)events;
    log_write(worker->host->service.log, LOG_LEVEL_WARN,
              "the drain took too long and was cut short", NULL);
    (void)event_base_loopbreak(worker->base);
}

static void wake(evutil_socket_t fd, short events, void *context) {
    struct worker *worker = context;
    uint64_t count;
    (void)events;
    if (read(fd, &count, sizeof count) < 0 || worker->draining) {
        return;
    }
    worker->draining = true;
    http_front_drain(worker->front);
    uint32_t grace_ms = worker->host->service.config->limits.lookup_timeout_ms + DRAIN_GRACE_MS;
    struct timeval grace = {.tv_sec = grace_ms / 1000,
                            .tv_usec = (suseconds_t)(grace_ms % 1000) * 1000};
    (void)event_add(&worker->drain_event, &grace);
}

static bool make_front(struct worker *worker, uint16_t port, char *err, size_t err_length) {
    const struct host_config *config = worker->host->service.config;
    const uint32_t threads = config->listen.threads;
    const struct http_front_options options = {
        .address = config->listen.address,
        .port = port,
        .reuse_port = threads > 1,
        .paused = true,
        .headers = requests_headers,
        .header_count = REQUESTS_HEADER_COUNT,
        .keep_alive_s = KEEP_ALIVE_S,
        .max_connections = (config->limits.max_connections + threads - 1) / threads,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .request_timeout_ms = REQUEST_TIMEOUT_MS,
        .reply_timeout_ms = REPLY_TIMEOUT_MS,
        .max_unsent_bytes = (size_t)(MAX_UNSENT_BYTES / threads),
    };
    struct http_front_handlers handlers = requests_handlers;
    handlers.context = &worker->requests;
    worker->front = http_front_new(worker->base, &options, &handlers, err, err_length);
    return worker->front != NULL;
}

static void write_metrics(void *context, struct byte_buffer *out) {
    host_metrics_write(context, out);
}

/* Whether there is a loop with all that runs on it but the front. */
static bool make_loop(struct worker *worker) {
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->base = event_base_new();
    if (worker->wake_fd < 0 || worker->base == NULL || !entropy_seed(&worker->random)) {
        return false;
    }
    (void)event_assign(&worker->wake_event, worker->base, worker->wake_fd, EV_READ | EV_PERSIST,
                       wake, worker);
    (void)evtimer_assign(&worker->drain_event, worker->base, drain_is_over, worker);
    return event_add(&worker->wake_event, NULL) == 0;
}

bool worker_init(struct worker *worker, struct host *host, uint32_t index, uint16_t port, char *err,
                 size_t err_length) {
    worker->host = host;
    worker->index = index;
    worker->requests = (struct requests){
        .lookups = &worker->lookups, .write_metrics = write_metrics, .metrics_context = host};
    if (!make_loop(worker)) {
        (void)snprintf(err, err_length, "cannot make an event loop");
        return false;
    }
    if (!make_servers(worker, err, err_length)) {
        return false;
    }
    if (!lookups_init(&worker->lookups, &host->service, &worker->servers, &worker->random)) {
        (void)snprintf(err, err_length, "out of memory");
        return false;
    }
    return make_front(worker, port, err, err_length);
}

/* Drained: nothing is under way, and a last look at the sockets has found no request that had come.
 */
static bool is_drained(struct worker *worker) {
    if (!worker->draining || !http_front_is_idle(worker->front)) {
        return false;
    }
    (void)event_base_loop(worker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    servers_flush(&worker->servers);
    bool idle = http_front_is_idle(worker->front);
    assert(!idle || worker->lookups.reads == 0);
    return idle;
}

static bool take_turn(struct worker *worker) {
    const struct lookups *lookups = &worker->lookups;
    if (lookups->poll.window_ns > 0 && lookups_have_lone_read(lookups)) {
        return busy_poll_turn(&lookups->poll, worker->base);
    }
    return event_base_loop(worker->base, EVLOOP_ONCE) == 0;
}

void worker_run(struct worker *worker) {
    servers_flush(&worker->servers);
    while (!is_drained(worker) && !event_base_got_break(worker->base)) {
        if (!take_turn(worker)) {
            log_write(worker->host->service.log, LOG_LEVEL_ERROR, "the event loop failed", NULL);
            break;
        }
        servers_flush(&worker->servers);
    }
}

void worker_drain(struct worker *worker) {
    const uint64_t one = 1;
    while (write(worker->wake_fd, &one, sizeof one) < 0) {
        /* An eventfd of a handful of wakes is never full; what remains is EINTR. */
    }
}

void worker_free(struct worker *worker) {
    if (worker->front != NULL) {
        http_front_free(worker->front);
    }
    servers_free(&worker->servers);
    lookups_free(&worker->lookups);
    if (worker->base != NULL) {
        (void)event_del(&worker->wake_event);
        (void)event_del(&worker->drain_event);
        event_base_free(worker->base);
    }
    if (worker->wake_fd > 0) {
        (void)close(worker->wake_fd);
    }
}
