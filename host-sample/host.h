/*
 * host.h - what all threads of snapshot-host share, and what each of them has for itself.
 *
 * A worker is one thread with one event loop, its own listener and its own links to every server;
 * workers share the configuration and the plugin's set (both constant while they run), and
 * counters.
 */
#ifndef HOST_H
#define HOST_H

#include "config.h"
#include "host-sample/base/busy_poll.h"
#include "host-sample/base/counter.h"
#include "host-sample/base/deadlines.h"
#include "host-sample/base/wake_ups.h"
#include "host-sample/http/front.h"
#include "host-sample/postgres/server.h"
#include "host-sample/replicas/lag_sampler.h"
#include "host-sample/replicas/locator.h"
#include "host-sample/replicas/position_watcher.h"
#include "host-sample/replicas/replica_health.h"
#include "host-sample/snapshots/choice.h"
#include "host-sample/snapshots/read.h"
#include "loader/plugin_loader.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct lookup;
struct worker;
TAILQ_HEAD(lookup_list, lookup);

/* Upper bounds of the latency histogram's buckets, in microseconds; the last bucket has none. */
#define HOST_LATENCY_BUCKETS 15
extern const uint32_t host_latency_bounds_us[HOST_LATENCY_BUCKETS];

/* Written by one worker, read by whichever answers a scrape: relaxed atomics. */
struct worker_counters {
    _Atomic uint64_t verdicts[RP_VERDICT_SHED + 1];       /* by enum rp_verdict; NONE: refused */
    _Atomic uint64_t served_by[RP_SERVED_BY_PRIMARY + 1]; /* by enum rp_served_by */
    _Atomic uint64_t latency[HOST_LATENCY_BUCKETS + 1];
    _Atomic uint64_t latency_sum_us;
    _Atomic uint64_t timeouts; /* of verdict failed: lookup_timeout_ms had passed */
    _Atomic uint64_t gone;     /* lookups whose client left */
    _Atomic uint64_t locates;  /* sent */
    _Atomic uint64_t position_polls;
    _Atomic uint64_t busy_polls[BUSY_POLL_ENDS]; /* by enum busy_poll_end */
    _Atomic uint64_t requests[6];                /* answered, by first digit of the status */
};

/* The deadlines of a lookup. */
enum { LOOKUP_DEADLINE, ANSWER_DEADLINE, DEADLINE_COUNT };

/* A replica as the worker sees it. */
struct worker_replica {
    struct pg_server *server;
    struct position_watcher watcher;
    struct replica_health health;
};

struct worker {
    struct host *host;
    uint32_t index;
    pthread_t thread;
    bool started;
    int wake_fd; /* eventfd: drain */
    struct event_base *base;
    struct event wake_event;
    struct http_front *front;
    struct pg_server *primary;
    struct worker_replica replicas[HOST_MAX_REPLICAS];
    uint32_t untried; /* servers whose first attempts to connect are still under way */
    struct locator locator;
    struct lag_sampler lag;   /* runs in worker 0 */
    struct lookup_list spare; /* for reuse */
    uint32_t spare_count;
    struct statement_choice choice;
    uint32_t reads; /* that a server has been asked for and has not answered */
    struct busy_poll poll;
    struct wake_ups wake_ups; /* of lookups that wait, and of watchers between their questions */
    struct deadlines deadlines;
    struct deadline_queue deadline_queues[DEADLINE_COUNT];
    struct byte_buffer scratch; /* for bodies */
    uint64_t random;            /* see entropy.h */
    bool draining;
    struct event drain_event;
    struct worker_counters counters;
};

struct host {
    const struct host_config *config;
    const char *config_path;
    const struct rp_plugin *plugin;
    struct rp_set *set;
    const struct rp_policy *policy;
    struct worker *workers; /* config->listen.threads of them */
    uint32_t worker_count;
    _Atomic uint32_t lookups;          /* under way in all workers, at most max_lookups */
    _Atomic uint64_t shed_unlogged;    /* sheds since the last line about them */
    _Atomic uint64_t shed_next_log_ns; /* no line about sheds before */
    _Atomic uint64_t reloads;
    _Atomic uint64_t reload_failures;
    _Atomic uint32_t reload_ok; /* 1: the last one, or the start */
};

/* Whether the only lookup of the whole host waits for a server's answer here. Then alone busy
 * polling pays: with several of them there is enough to do, and polling would take the processor
 * from those that answer. */
static inline bool worker_has_lone_read(const struct worker *worker) {
    return worker->reads == 1 &&
           atomic_load_explicit(&worker->host->lookups, memory_order_relaxed) == 1;
}

#endif
