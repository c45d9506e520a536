/*
 * host.h - the whole of snapshot-host: its threads, and what they share.
 *
 * A worker is one thread with one event loop, its own listener and its own links to every server;
 * workers share the plugin's set and counters. Each has the configuration that it was given last;
 * nobody changes one that has been handed out.
 */
#ifndef HOST_H
#define HOST_H

#include "host-sample/base/counter.h"
#include "host-sample/base/rates.h"
#include "host-sample/config/config.h"
#include "host-sample/config/facts.h"
#include "host-sample/lookups/lookups.h"
#include "host-sample/lookups/requests.h"
#include "host-sample/servers/roster.h"
#include "host-sample/servers/servers.h"

#include <event2/event_struct.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct http_front;
struct loaded_plugin;
struct name_search;

struct worker {
    struct host *host;
    uint32_t index;
    pthread_t thread;
    bool started;
    int wake_fd; /* eventfd: something of the next three has changed, or another is done */
    _Atomic bool asked_to_drain;
    const struct host_config *_Atomic offered; /* to be taken over; NULL: none */
    const struct host_config *_Atomic config;  /* in force here */
    _Atomic bool done;                         /* its loop has ended */
    struct event_base *base;
    struct event wake_event;
    struct http_front *front;
    struct http_front *admin_front; /* of the first worker only; NULL: none */
    struct servers servers;
    struct roster roster;
    struct wake_up apply_again; /* the configuration to the roster, for want of memory */
    struct lookups lookups;
    struct requests requests;
    struct requests admin_requests;
    uint64_t random;           /* see entropy.h */
    bool leaving;              /* clients are told to go elsewhere */
    bool draining;             /* and nothing new is taken */
    struct event rates_event;  /* once a second, of the first worker */
    struct event listen_event; /* the end of drain_ms */
    struct event drain_event;
};

struct host {
    const char *config_path;
    struct host_config *written; /* the main thread's; what it becomes with addresses.h is: */
    struct host_config *config;  /* the newest; the main thread's */
    struct name_search *search;  /* of its names; the main thread's; NULL: none */
    uint32_t most_lookups;       /* that a thread has room for */
    const struct loaded_plugin *plugin;
    struct rp_set *set;
    struct lookup_service service;
    struct worker *workers; /* config->listen.threads of them */
    uint32_t worker_count;
    struct hearsay hearsay; /* between them */
    struct rates rates;     /* of the first worker's thread, for operators */
    int64_t started_unix_ms;
    _Atomic uint64_t loaded_unix_ms; /* when the policy file was last taken */
    pthread_mutex_t facts_lock;      /* of: */
    struct config_facts facts;
    _Atomic uint64_t connections; /* of clients, in all threads; at most max_connections */
    _Atomic uint64_t leaving;     /* 1: it was asked to end */
    _Atomic bool failed;          /* and has to be started anew: a loop does not go on */
    _Atomic uint64_t reloads;
    _Atomic uint64_t reload_failures;
    _Atomic uint64_t reload_ok; /* 1: the last one, or the start */
};

#endif
