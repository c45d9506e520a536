/*
 * replica_then_primary.c - a replica, one jittered retry of it, then the primary.
 *
 * The reason this project exists. A row missing on the replica is most often on its way there: one
 * wait drawn from [replica_retry_min_ms, replica_retry_max_ms] lets it arrive, spread so that
 * lookups that missed together do not come back together. Only what the replica still lacks falls
 * on the primary, and only what the primary lacks too is an error. A failure of the replica is not
 * a miss: read load is not shifted to the writer unless on_replica_failure = primary says so.
 *
 * A replica that is behind the caller's position is handled as if it had missed: the retry may find
 * that it has got there.
 *
 * The longest read: replica, wait, replica, primary.
 */
#include "plugin/policy_kind.h"

static const struct rp_rule rules[] = {
    RULES_DIRECT,
    RULES_OUT,
    RULES_FLOOR_TO_PRIMARY(IF_BLIND),
    {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},

    {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
    {ST_REPLICA, ON_MISS, IF_RETRY, G_WAIT_FITS, GO(ST_WAIT)},
    RULES_TO_PRIMARY(ST_REPLICA, ON_MISS, IF_ANY, ST_PRIMARY),
    RULES_FIRST_READ_FAILED(ST_REPLICA),

    {ST_WAIT, ON_WAITED, IF_ANY, G_NONE, GO(ST_RETRY)},

    RULES_RETRY_FOUND(ST_RETRY),
    RULES_TO_PRIMARY(ST_RETRY, ON_MISS, IF_ANY, ST_PRIMARY),
    RULES_RETRY_FAILED(ST_RETRY),

    RULES_PRIMARY,
    RULES_FAILOVER,
};

static const char *const keys[] = {
    "replica_retry_min_ms", "replica_retry_max_ms", "replica_pick",
    "max_lag_ms",           "on_replica_failure",   "primary_budget_per_s",
    "primary_budget_burst", "metric_prefix",        NULL,
};

extern const struct rp_policy_kind rp_replica_then_primary;
const struct rp_policy_kind rp_replica_then_primary = {
    .name = "replica_then_primary",
    .summary =
        "Reads go to a replica; a miss is retried there once after a jittered wait, then falls "
        "back to the primary.",
    .most_steps = 4,
    .rules = rules,
    .rule_count = RP_RULE_COUNT(rules),
    .keys = keys,
};
