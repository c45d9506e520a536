/*
 * registry.c - every policy there is. A new one is a line here.
 */
#include "plugin/policy_kind.h"

#define POLICIES(X)                                                                                \
    X(replica_then_primary)                                                                        \
    X(read_index)                                                                                  \
    X(replica_backoff)                                                                             \
    X(primary_only)                                                                                \
    X(replica_only)

#define DECLARE(policy) extern const struct rp_policy_kind rp_##policy;
POLICIES(DECLARE)

#define ADDRESS(policy) &rp_##policy,
const struct rp_policy_kind *const rp_policy_kinds[] = {POLICIES(ADDRESS) NULL};

#define NAME(policy) #policy,
const char *const rp_policy_names[] = {POLICIES(NAME) NULL};
