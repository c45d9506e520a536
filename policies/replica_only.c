/*
 * replica_only.c - one read of a replica, whose answer is final: what a host did before there was a
 * fallback.
 *
 * No other server is asked, so a partial answer is the best there is, and is given. But not where
 * the replica is not known to have reached the caller's position: then neither found nor missing
 * means anything, and the read fails.
 */
#include "plugin/policy_kind.h"

static const struct rp_rule rules[] = {
    RULES_DIRECT,
    {ST_BEGIN, ON_OUT, IF_ANY, G_NONE, END(END_FAILED_OUT)},
    {ST_BEGIN, ON_BEGUN_AT, IF_BLIND, G_NONE, END(END_FAILED_FLOOR)},
    {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},
    {ST_REPLICA, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
    {ST_REPLICA, ON_MISSING, IF_ANY, G_AT_FLOOR, END(END_NOT_FOUND_REPLICA)},
    {ST_REPLICA, ON_MISSING | ON_BEHIND, IF_ANY, G_NONE, END(END_FAILED_FLOOR)},
    {ST_REPLICA, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_REPLICA)},
};

static const char *const keys[] = {"max_lag_ms", "metric_prefix", NULL};

extern const struct rp_policy_kind rp_replica_only;
const struct rp_policy_kind rp_replica_only = {
    .name = "replica_only",
    .summary = "Every read goes to a replica, and its answer is final.",
    .most_steps = 1,
    .rules = rules,
    .rule_count = RP_RULE_COUNT(rules),
    .keys = keys,
};
