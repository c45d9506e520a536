/*
 * replica_backoff.c - poll the replica after first_ms, doubling, up to max_wait_ms in all, then the
 * primary.
 *
 * For servers that do not reveal their position (Aurora, poolers, other databases). Most rows
 * arrive within a few milliseconds, so short polls first answer most misses far sooner than one
 * long wait; the doubling bounds their number. A read that must not be behind the caller's position
 * is the primary's at once.
 *
 * The longest read: replica, n times wait and replica, primary; n is the number of waits, the k-th
 * of them first_ms / 2 * 2^k long, that use up max_wait_ms.
 */
#include "plugin/policy_kind.h"

static const struct rp_rule rules[] = {
    RULES_DIRECT,
    RULES_OUT,
    RULES_FLOOR_TO_PRIMARY(IF_ANY),
    {ST_BEGIN, ON_BEGUN, IF_ANY, G_NONE, GO(ST_REPLICA)},

    {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
    {ST_REPLICA, ON_MISS, IF_ANY, G_POLL_FITS, GO(ST_WAIT)},
    RULES_TO_PRIMARY(ST_REPLICA, ON_MISS, IF_ANY, ST_PRIMARY),
    RULES_FIRST_READ_FAILED(ST_REPLICA),

    {ST_WAIT, ON_WAITED, IF_ANY, G_NONE, GO(ST_RETRY)},

    RULES_RETRY_FOUND(ST_RETRY),
    {ST_RETRY, ON_MISS, IF_ANY, G_POLL_FITS, GO(ST_WAIT)},
    RULES_TO_PRIMARY(ST_RETRY, ON_MISS, IF_ANY, ST_PRIMARY),
    RULES_RETRY_FAILED(ST_RETRY),

    RULES_PRIMARY,
    RULES_FAILOVER,
};

static const char *const keys[] = {
    "first_ms",
    "max_wait_ms",
    "replica_pick",
    "max_lag_ms",
    "on_replica_failure",
    "primary_budget_per_s",
    "primary_budget_burst",
    "metric_prefix",
    NULL,
};

extern const struct rp_policy_kind rp_replica_backoff;
const struct rp_policy_kind rp_replica_backoff = {
    .name = "replica_backoff",
    .summary =
        "Reads go to a replica; a miss is polled there with doubling waits, then falls back to "
        "the primary.",
    .most_steps = 2 + 2 * RP_MAX_POLLS,
    .rules = rules,
    .rule_count = RP_RULE_COUNT(rules),
    .keys = keys,
};
