/*
 * servers.h - the servers of one thread: links to each, and the cluster that knows who is who.
 *
 * The cluster says what to ask and what to read; questions are asked here, reads are handed to
 * whoever uses the servers. Which servers there are is roster.h's.
 *
 * [one thread]: of the event base, but for the views and counters, which any thread may read.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include "hearsay.h"
#include "host-sample/base/counter.h"
#include "host-sample/base/log.h"
#include "host-sample/base/wake_ups.h"
#include "host-sample/config/config.h"
#include "host-sample/postgres/server.h"
#include "plugin/read_policy.h"
#include "view.h"
#include "waits.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct servers;
struct snapshot_sql;

/* More than a configuration may have: a server that is replaced stays until the new one is there.
 */
#define SERVERS_MAX RP_CLUSTER_MAX_SERVERS

/* Questions that can be under way to one server; the cluster asks no more. */
enum { SERVER_ASKS = 4 };

/* The cluster's own counters, in the order of its metrics; more are not shown. */
enum { SERVERS_MAX_COUNTERS = 16 };

struct server_ask {
    struct pg_statement statement;
    struct servers *servers;
    struct pg_server *links; /* that were asked */
    uint64_t asked_ns;
    uint64_t id;
};

struct server {
    struct pg_server *links; /* NULL: nobody is here */
    struct waits waits;
    struct servers *servers;
    uint32_t index;
    struct server_config config; /* its conninfo is wiped when it goes */
    struct snapshot_sql *sql;    /* what its links say; NULL: nobody is here */
    bool tried;                  /* its first attempts to connect have ended */
    struct server_ask asks[SERVER_ASKS];
    struct server_view view;
    /* Of those that it has replaced: counters go on. */
    struct pg_server_counters inherited;
    /* While it goes: see roster.h. */
    bool going;
    bool drained;
    uint64_t gone_ns;    /* at the latest */
    struct server *heir; /* who replaces it; NULL: nobody */
};

/* Who reads from the servers. */
struct servers_user {
    /* Read it: the question of action->text first, if there is one. servers_answer comes later.
     * now_ns: when it was decided. */
    void (*read)(void *context, const struct rp_action *action, struct pg_server *links,
                 uint64_t now_ns);
    /* The answer is not wanted any more. */
    void (*drop)(void *context, const struct rp_action *action);
    void (*done)(void *context, const struct rp_action *action);
    void *context;
};

struct servers_options {
    uint32_t max_reads;  /* at once */
    uint32_t timeout_ms; /* of a read without a deadline */
    uint32_t poll_ms;    /* how often every server is asked; 0: 1000 */
    const struct rp_plugin *plugin;
    struct rp_set *set;
    struct log *log; /* NULL: nothing is logged */
    /* What the cluster notices goes there instead; the level is an enum rp_log_level, NONE for
     * information. NULL: into the log. */
    void (*say)(void *context, int32_t level, const char *server, const char *text);
    void *say_context;
    struct servers_user user;
    /* Every link has been tried once, and it is known who is who, or a server to which there are
     * links has not said it for too long. Called once, and may start reads. */
    void (*known)(void *context);
    void *known_context;
    uint64_t *random;        /* see entropy.h */
    struct hearsay *hearsay; /* of all threads; NULL: there are no others */
};

struct servers {
    struct servers_options options;
    const struct rp_cluster_calls *calls;
    struct event_base *base;
    struct rp_cluster *cluster;
    struct server servers[SERVERS_MAX];
    _Atomic uint32_t count; /* the places that have ever been taken */
    /* Held to change which links there are, and to look at them from another thread. */
    pthread_mutex_t lock;
    uint32_t untried;           /* whose first attempts to connect are under way */
    _Atomic uint64_t announced; /* 1: options.known was called */
    uint64_t known_by_ns; /* who has not been heard is not waited for any longer; 0: see announce */
    struct wake_up known_wake_up;
    struct wake_ups wake_ups;
    struct wake_up wake_up;
    uint64_t history;      /* of the configuration; 0: it is about to be forgotten */
    uint64_t hearsay_seen; /* its changes */
    uint64_t viewed_ns;    /* when the views were filled last */
    bool news;             /* something was heard since then */
    struct wake_up view_wake_up;
    _Atomic uint64_t split;
    _Atomic uint64_t settled;
    _Atomic uint64_t primary_answers;
    _Atomic uint64_t replicas_out; /* 1: there are some, and none that may be asked */
    _Atomic uint64_t counters[SERVERS_MAX_COUNTERS];
    struct rp_metric counter_names[SERVERS_MAX_COUNTERS]; /* constant once opened */
    uint32_t counter_count;
};

/* Opens the cluster, without a server. False with a sentence in err; servers_free in either case.
 */
bool servers_init(struct servers *servers, const struct servers_options *options,
                  struct event_base *base, char *err, size_t err_length);

/* Harmless if it is all zero. Reads under way are forgotten without a callback. */
void servers_free(struct servers *servers);

/* Begins a read for the user; RP_E_BUSY if too many are under way. */
int32_t servers_start(struct servers *servers, const struct rp_policy *policy,
                      const struct rp_request *request, uint64_t tag, uint64_t *read_id);
void servers_forget(struct servers *servers, uint64_t read_id);

/* Each that stays has said who it is, or there was no way to ask it. */
bool servers_are_heard(const struct servers *servers);

/* What a failure is to the cluster, be it of a question or of a read: an enum rp_outcome. */
int32_t servers_outcome_of_failure(enum pg_failure failure);

/* What became of a read: see the cluster's answer. */
void servers_answer(struct servers *servers, uint64_t id, int32_t outcome, const char *before,
                    const char *after, uint64_t now_ns);

/* Does the first thing that the cluster says now; what is to be sent waits for servers_flush.
 * False: there is nothing now. After servers_start and servers_answer, until what concerns the read
 * has been done: within a callback of the links DONE comes while the answer is still there. What is
 * left is done at the end of the turn. now_ns: as it was given to those; to read a clock costs as
 * much as a step. */
bool servers_step(struct servers *servers, uint64_t now_ns);

/* Does all that the cluster says now. */
void servers_run(struct servers *servers);

/* For roster.h: a place that is taken. */
void servers_prepare_ask(struct servers *servers, struct server_ask *ask);

/* Why servers are not reached, of the first that is not: "NAME: error"; "" if all are. */
void servers_last_error(const struct servers *servers, char *text, size_t length);

/* Shows what was heard up to now in the views, before a page is written from them: one page, one
 * story. */
void servers_show(struct servers *servers);

/* The end of a turn of the loop: does what the cluster says, and sends it, until there is nothing
 * more to do now. */
void servers_flush(struct servers *servers);

#endif
