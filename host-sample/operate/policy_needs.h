/*
 * policy_needs.h - which servers the policy in force needs, as the plugin itself says.
 */
#ifndef POLICY_NEEDS_H
#define POLICY_NEEDS_H

#include <stdbool.h>
#include <stdint.h>

struct host;

struct policy_needs {
    bool replica_serves;    /* a read that finds its row on a replica needs no primary */
    bool primary_stands_in; /* where replicas are out, the primary serves */
    uint64_t max_lag_ms;    /* a replica that is further behind is not asked; 0: it is */
};

/* Whether it is asked no more. Lag and its lower bound as in struct rp_server_info. */
bool policy_needs_closer(const struct policy_needs *needs, uint64_t lag_ns,
                         uint64_t lag_at_least_ns);

/* [thread-safe] Counts nothing and charges no budget. */
void policy_needs_find(struct host *host, struct policy_needs *needs);

#endif
