/*
 * primary_only.c - every read goes to the primary: the feature turned off.
 *
 * One read, no second thoughts: no retry, no fallback, no counter.
 */
#include "plugin/policy_kind.h"

static const struct rp_rule rules[] = {
    RULES_DIRECT,
    {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT | ON_OUT, IF_ANY, G_NONE, GO(ST_DIRECT)},
};

static const char *const keys[] = {"metric_prefix", NULL};

extern const struct rp_policy_kind rp_primary_only;
const struct rp_policy_kind rp_primary_only = {
    .name = "primary_only",
    .summary = "Every read goes to the primary.",
    .most_steps = 1,
    .reads_primary_first = true,
    .rules = rules,
    .rule_count = RP_RULE_COUNT(rules),
    .keys = keys,
};
