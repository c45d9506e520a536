/*
 * policy_needs.h - which servers the policy in force needs, as the plugin itself says.
 */
#ifndef POLICY_NEEDS_H
#define POLICY_NEEDS_H

#include <stdbool.h>

struct host;

struct policy_needs {
    bool replica_serves;    /* a read that finds its row on a replica needs no primary */
    bool primary_stands_in; /* where replicas are out, the primary serves */
};

/* [thread-safe] Counts nothing and charges no budget. */
void policy_needs_find(struct host *host, struct policy_needs *needs);

#endif
