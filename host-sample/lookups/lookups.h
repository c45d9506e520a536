/*
 * lookups.h - what lookups share: all of the host, and those of one thread.
 */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include "access.h"
#include "answer.h"
#include "counters.h"
#include "held.h"
#include "host-sample/base/busy_poll.h"
#include "host-sample/base/log.h"
#include "host-sample/config/config.h"
#include "host-sample/servers/servers.h"
#include "host-sample/snapshots/choice.h"
#include "misses.h"
#include "plugin/read_policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct lookup;
TAILQ_HEAD(lookup_list, lookup);

/* What comes in floods is logged once a second in the whole process, with the number since the last
 * line. */
struct flood {
    _Atomic uint64_t unlogged;    /* since the last line */
    _Atomic uint64_t next_log_ns; /* no line before */
};

/* Of the whole host: constant except the counters, which all threads write. */
struct lookup_service {
    const struct rp_plugin *plugin;
    const struct rp_policy *policy;
    struct log *log;            /* which lookups never wait for */
    _Atomic uint64_t under_way; /* at most max_lookups */
    struct flood shed;
    struct flood refused;             /* over max_lookups */
    struct flood refused_connections; /* over max_connections */
    struct misses misses;
};

/* Of one thread, which alone touches it, except the counters. */
struct lookups {
    struct lookup_service *service;
    const struct host_config *config; /* changes with a reload */
    struct servers *servers;
    struct lookup **all; /* as many as the servers' reads; made when they are first needed */
    uint32_t count;
    struct lookup_list spare; /* those that are not under way */
    struct held_lookups held; /* those that have come too early */
    struct statement_choice choice;
    struct busy_poll poll;
    uint32_t reads;   /* that a server has been asked for and has not answered */
    uint32_t asking;  /* those of them that ask a replica where it is */
    uint64_t *random; /* see entropy.h */
    struct answers answers;
    struct access access; /* of the request that is about to be answered; what: NULL if none is */
    struct lookup_counters counters;
};

/* Whether the loop had better poll for a server's answer than sleep: where there is nothing else to
 * do. The only lookup of the whole host is under way here; or reads ask a replica where it is, as
 * current ones do, which go in groups, and what comes meanwhile gathers for the next one. Of other
 * reads some answer comes all the time, and polling would only take the processor from the servers.
 */
static inline bool lookups_expect_an_answer(const struct lookups *lookups) {
    return lookups->asking > 0 ||
           (lookups->reads == 1 && counter_value(&lookups->service->under_way) == 1);
}

#endif
