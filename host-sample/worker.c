/*
 * worker.c - a turn of the loop handles what has come, then sends each server's statements in one
 * batch.
 */
#include "worker.h"

#include "host-sample/base/container_of.h"
#include "host-sample/base/entropy.h"
#include "host-sample/base/log.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/http/front.h"
#include "host-sample/lookups/lookup.h"
#include "host-sample/lookups/requests.h"
#include "host-sample/operate/descriptors.h"
#include "host-sample/operate/pages.h"
#include "host-sample/operate/status.h"
#include "host.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
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

/* Of operators, and of what scrapes and probes. */
#define ADMIN_CONNECTIONS 256u

/* Until a server is tried again that could not be added. */
#define APPLY_AGAIN_NS UINT64_C(1000000000)

/* A drain that takes longer than any lookup may is cut short. */
#define DRAIN_GRACE_MS 2000u

/* Lookups begin once it is known who is who: else the first of them would go to servers that are
 * away, or fail for want of a primary. */
static void servers_known(void *context) {
    struct worker *worker = context;
    lookups_go(&worker->lookups);
}

static bool make_servers(struct worker *worker, char *err, size_t err_length) {
    const struct servers_options options = {
        .max_reads = worker->host->most_lookups,
        .timeout_ms = worker->host->config->limits.lookup_timeout_ms,
        .poll_ms = worker->host->config->limits.poll_ms,
        .plugin = worker->host->service.plugin,
        .set = worker->host->set,
        .log = worker->host->service.log,
        .user = lookups_user(&worker->lookups),
        .known = servers_known,
        .known_context = worker,
        .random = &worker->random,
        .hearsay = worker->host->worker_count > 1 ? &worker->host->hearsay : NULL,
    };
    worker->roster = (struct roster){.servers = &worker->servers, .base = worker->base};
    return servers_init(&worker->servers, &options, worker->base, err, err_length) &&
           roster_apply(&worker->roster, worker->config, err, err_length);
}

static void drain_is_over(evutil_socket_t fd, short events, void *context) {
    struct worker *worker = context;
    (void)fd;
    (void)events;
    if (!http_front_is_idle(worker->front)) { /* else it waits for others, which say so */
        log_write(worker->host->service.log, LOG_LEVEL_WARN,
                  "the drain took too long and was cut short", NULL);
    }
    (void)event_base_loopbreak(worker->base);
}

static const struct host_config *worker_config(const struct worker *worker) {
    return worker->lookups.config;
}

static struct timeval interval_of(uint32_t ms) {
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

/* Whoever watches /readyz has had drain_ms to send no more clients. */
static void stop_listening(evutil_socket_t fd, short events, void *context) {
    struct worker *worker = context;
    (void)fd;
    (void)events;
    worker->draining = true;
    http_front_drain(worker->front);
    lookups_go(&worker->lookups); /* they end as they can */
    const struct timeval grace =
        interval_of(worker_config(worker)->limits.lookup_timeout_ms + DRAIN_GRACE_MS);
    (void)event_add(&worker->drain_event, &grace);
}

/* The configuration in force has been taken, and memory is short but for a while: nobody is to ask
 * for the server again. */
static void apply_servers(struct worker *worker) {
    char err[512] = "";
    wake_up_clear(&worker->apply_again);
    if (!roster_apply(&worker->roster, worker_config(worker), err, sizeof err)) {
        const struct log_field fields[] = {LOG_TEXT("error", err), LOG_END};
        log_write(worker->host->service.log, LOG_LEVEL_ERROR,
                  "a server could not be added; it is tried again", fields);
        wake_up_set(&worker->servers.wake_ups, &worker->apply_again,
                    monotonic_ns() + APPLY_AGAIN_NS);
    }
}

static void apply_again(struct wake_up *wake_up) {
    apply_servers(container_of(wake_up, struct worker, apply_again));
}

static void take_over(struct worker *worker, const struct host_config *config) {
    lookups_configure(&worker->lookups, config);
    http_front_set_max_connections(worker->front, config->limits.max_connections);
    apply_servers(worker);
    atomic_store(&worker->config, config);
}

static void leave(struct worker *worker) {
    const uint32_t drain_ms = worker_config(worker)->limits.drain_ms;
    if (worker->leaving) {
        return;
    }
    worker->leaving = true;
    http_front_say_close(worker->front);
    const struct timeval delay = interval_of(drain_ms);
    if (drain_ms == 0 || event_add(&worker->listen_event, &delay) != 0) {
        stop_listening(-1, 0, worker);
    }
}

static void wake(evutil_socket_t fd, short events, void *context) {
    struct worker *worker = context;
    uint64_t count;
    (void)events;
    if (read(fd, &count, sizeof count) < 0) {
        return;
    }
    const struct host_config *offered = atomic_exchange(&worker->offered, NULL);
    if (offered != NULL) {
        take_over(worker, offered);
    }
    if (atomic_load(&worker->asked_to_drain)) {
        leave(worker);
    }
}

/* What both listeners have in common. */
static struct http_front_options front_options(const struct host_config *config) {
    return (struct http_front_options){
        .reuse_port = config->listen.threads > 1,
        .max_descriptor = descriptors_for_clients(config),
        .headers = requests_headers,
        .header_count = REQUESTS_HEADER_COUNT,
        .keep_alive_s = KEEP_ALIVE_S,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .request_timeout_ms = REQUEST_TIMEOUT_MS,
        .reply_timeout_ms = REPLY_TIMEOUT_MS,
    };
}

static struct http_front *new_front(const struct worker *worker,
                                    const struct http_front_options *options,
                                    struct requests *requests, char *err, size_t err_length) {
    struct http_front_handlers handlers = requests_handlers;
    handlers.context = requests;
    return http_front_new(worker->base, options, &handlers, err, err_length);
}

static bool make_front(struct worker *worker, uint16_t port, char *err, size_t err_length) {
    const struct host_config *config = worker_config(worker);
    struct http_front_options options = front_options(config);
    options.address = config->listen.address;
    options.port = port;
    options.max_connections = config->limits.max_connections;
    options.serving = &worker->host->connections;
    options.max_unsent_bytes = (size_t)(MAX_UNSENT_BYTES / config->listen.threads);
    worker->front = new_front(worker, &options, &worker->requests, err, err_length);
    return worker->front != NULL;
}

static void take_rates(evutil_socket_t fd, short events, void *context) {
    struct worker *worker = context;
    (void)fd;
    (void)events;
    status_sample(worker->host);
}

/* The listener for operators: health can be asked for until the last lookup has been answered. */
static bool make_admin_front(struct worker *worker, char *err, size_t err_length) {
    const struct host_config *config = worker_config(worker);
    const struct timeval second = {.tv_sec = 1};
    if (!config->admin.present || worker->index > 0) {
        return true;
    }
    if (event_add(&worker->rates_event, &second) != 0) {
        (void)snprintf(err, err_length, "cannot make a timer");
        return false;
    }
    struct http_front_options options = front_options(config);
    options.address = config->admin.address;
    options.port = (uint16_t)config->admin.port;
    options.max_connections = ADMIN_CONNECTIONS;
    options.max_descriptor = descriptors_for_operators(config);
    options.max_unsent_bytes = (size_t)MAX_UNSENT_BYTES;
    worker->admin_front = new_front(worker, &options, &worker->admin_requests, err, err_length);
    return worker->admin_front != NULL;
}

static struct requests requests_of(struct worker *worker, enum requests_listener listener) {
    return (struct requests){.lookups = &worker->lookups,
                             .listener = listener,
                             .write_page = host_page_write,
                             .pages_context = worker};
}

/* Whether there is a loop with all that runs on it but the front; if not, errno says why. */
static bool make_loop(struct worker *worker) {
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd < 0 || !entropy_seed(&worker->random)) {
        return false;
    }
    worker->base = event_base_new();
    if (worker->base == NULL) {
        return false;
    }
    (void)event_assign(&worker->wake_event, worker->base, worker->wake_fd, EV_READ | EV_PERSIST,
                       wake, worker);
    (void)event_assign(&worker->rates_event, worker->base, -1, EV_PERSIST, take_rates, worker);
    (void)evtimer_assign(&worker->listen_event, worker->base, stop_listening, worker);
    (void)evtimer_assign(&worker->drain_event, worker->base, drain_is_over, worker);
    return event_add(&worker->wake_event, NULL) == 0;
}

bool worker_init(struct worker *worker, struct host *host, uint32_t index, uint16_t port, char *err,
                 size_t err_length) {
    worker->host = host;
    worker->index = index;
    worker->config = host->config;
    worker->apply_again.woken = apply_again;
    worker->requests =
        requests_of(worker, host->config->admin.present ? LISTENER_PUBLIC : LISTENER_ONLY);
    worker->admin_requests = requests_of(worker, LISTENER_ADMIN);
    if (!make_loop(worker)) {
        (void)snprintf(err, err_length, "cannot make an event loop (epoll, eventfd, getrandom): %s",
                       strerror(errno));
        return false;
    }
    if (!make_servers(worker, err, err_length)) {
        return false;
    }
    if (!lookups_init(&worker->lookups, &host->service, &worker->servers, &worker->random)) {
        (void)snprintf(err, err_length, "out of memory");
        return false;
    }
    lookups_configure(&worker->lookups, host->config);
    return make_front(worker, port, err, err_length) && make_admin_front(worker, err, err_length);
}

/* Operators ask the first worker, which goes last. Call this once it was asked to drain: then it is
 * known which of the others were started. */
static bool goes_last(const struct worker *worker) {
    const struct host *host = worker->host;
    for (uint32_t i = 1; worker->admin_front != NULL && i < host->worker_count; i++) {
        if (host->workers[i].started && !atomic_load(&host->workers[i].done)) {
            return true;
        }
    }
    return false;
}

/* Drained: nothing is under way, and a last look at the sockets has found no request that had come.
 */
static bool is_drained(struct worker *worker) {
    if (!worker->draining || !http_front_is_idle(worker->front) || goes_last(worker)) {
        return false;
    }
    (void)event_base_loop(worker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    roster_flush(&worker->roster);
    bool idle = http_front_is_idle(worker->front);
    assert(!idle || (worker->lookups.reads == 0 && worker->lookups.asking == 0));
    return idle;
}

static bool take_turn(struct worker *worker) {
    struct lookups *lookups = &worker->lookups;
    enum busy_poll_end end;
    if (lookups->poll.limit_ns == 0 || !lookups_expect_an_answer(lookups)) {
        return event_base_loop(worker->base, EVLOOP_ONCE) == 0;
    }
    const bool good = busy_poll_turn(&lookups->poll, worker->base, &end);
    if (end != BUSY_POLL_ENDS) {
        counter_add(&lookups->counters.busy_polls[end], 1);
    }
    return good;
}

static void wake_up_worker(const struct worker *worker) {
    const uint64_t one = 1;
    while (write(worker->wake_fd, &one, sizeof one) < 0) {
        /* An eventfd of a handful of wakes is never full; what remains is EINTR. */
    }
}

/* Its connections would hang, and others would be given to it. The main thread ends the others and
 * the process, which whoever watches it then starts anew. */
static void give_up(const struct worker *worker, int error) {
    const struct log_field fields[] = {LOG_TEXT("error", strerror(error)), LOG_END};
    log_write(worker->host->service.log, LOG_LEVEL_ERROR, "the event loop failed", fields);
    atomic_store(&worker->host->failed, true);
    (void)kill(getpid(), SIGTERM);
}

void worker_run(struct worker *worker) {
    if (worker->admin_front != NULL) {
        status_sample(worker->host);
    }
    roster_flush(&worker->roster);
    while (!is_drained(worker) && !event_base_got_break(worker->base)) {
        if (!take_turn(worker)) {
            give_up(worker, errno);
            break;
        }
        roster_flush(&worker->roster);
    }
    atomic_store(&worker->done, true);
    wake_up_worker(&worker->host->workers[0]); /* which may wait for this */
}

void worker_offer(struct worker *worker, const struct host_config *config) {
    atomic_store(&worker->offered, config);
    wake_up_worker(worker);
}

void worker_drain(struct worker *worker) {
    atomic_store(&worker->asked_to_drain, true);
    wake_up_worker(worker);
}

void worker_free(struct worker *worker) {
    if (worker->front != NULL) {
        http_front_free(worker->front);
    }
    http_front_free(worker->admin_front);
    servers_free(&worker->servers);
    roster_free(&worker->roster);
    lookups_free(&worker->lookups);
    if (worker->base != NULL) {
        (void)event_del(&worker->wake_event);
        (void)event_del(&worker->rates_event);
        (void)event_del(&worker->listen_event);
        (void)event_del(&worker->drain_event);
        event_base_free(worker->base);
    }
    if (worker->wake_fd > 0) {
        (void)close(worker->wake_fd);
    }
}
