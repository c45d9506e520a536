/*
 * status.h - what a host is doing and what is wrong with it, taken at one moment: what /status,
 * /status.json and `snapshot-host status` are made from.
 *
 * [one thread]: the first worker's.
 */
#ifndef STATUS_H
#define STATUS_H

#include "host-sample/host.h"
#include "policy_needs.h"

enum status_tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD };

/* Less lag of a replica is ordinary. */
#define STATUS_LAG_NS UINT64_C(5000000000)

struct status_problem {
    enum status_tone tone; /* TONE_WARN, TONE_BAD */
    char text[400];
};

enum { STATUS_MAX_PROBLEMS = 48, STATUS_VERDICTS = RP_VERDICT_SHED + 1 };

struct status_server {
    const char *name;
    struct rp_server_info info;
    bool level; /* a replica of unknown lag that lacks nothing the primary was seen to have */
    uint64_t unknown_ns; /* of it: since then; 0: its lag is known, or at least something of it */
    uint64_t links;      /* that there should be, in all threads */
    uint64_t links_up;
    uint64_t in_flight; /* statements */
    uint64_t reads;
    double reads_per_s; /* negative: not known yet */
    char error[200];    /* of links that are down; "": none */
};

struct status {
    const struct host_config *config; /* in force in the thread that makes the page */
    const struct host *host;
    const struct rp_cluster_calls *calls;
    int64_t now_unix_ms;
    bool ready;
    char not_ready[256];
    struct policy_needs needs;
    struct rp_cluster_info
        cluster; /* of the thread that makes the page; split and primary_answers of all */
    uint32_t threads_without_primary;
    struct status_server servers[HOST_MAX_SERVERS];
    uint32_t server_count;
    uint64_t verdicts[STATUS_VERDICTS]; /* by enum rp_verdict; NONE: refused */
    double verdicts_per_s[STATUS_VERDICTS];
    uint64_t served_by[RP_SERVED_BY_PRIMARY + 1];
    double served_by_per_s[RP_SERVED_BY_PRIMARY + 1];
    struct rp_budget_info budget;
    uint64_t under_way;
    uint64_t connections; /* open, on the public listener */
    bool clients_wait;    /* there, for want of descriptors or memory */
    uint64_t log_dropped;
    double log_dropped_per_s;
    uint32_t miss_count;
    struct miss misses[MISSES_KEPT];
    struct status_problem problems[STATUS_MAX_PROBLEMS]; /* the worst first */
    uint32_t problem_count;
    char policy[2048];   /* in words */
    char diagram[16384]; /* in DOT; "" if it is longer */
};

/* What a verdict is called. */
extern const char *const status_verdict_names[STATUS_VERDICTS];

/* "unknown", "primary", "replica", "out". */
const char *status_role_name(int32_t role);

/* Once a second: for the rates. */
void status_sample(struct host *host);

/* All but the problems, which problems.h finds. The worker must be the first. */
void status_take(struct status *status, const struct worker *worker);

#endif
