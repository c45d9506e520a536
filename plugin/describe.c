/*
 * describe.c - a section's policy in plain words, effective values included.
 *
 * The sentences follow the options that the policy's kind says it uses; options that are set but
 * not used by it are not mentioned.
 */
#include "describe.h"

#include "slot.h"
#include "text.h"

#include <string.h>

static int uses(const struct rp_policy_kind *kind, const char *key) {
    for (const char *const *used = kind->keys; *used != NULL; used++) {
        if (strcmp(*used, key) == 0) {
            return 1;
        }
    }
    return 0;
}

static void say_waits(struct text *text, const struct rp_plan *plan) {
    const struct rp_options *options = &plan->options;
    if (uses(plan->kind, "replica_retry_max_ms")) {
        if (options->replica_retry_max_ms == 0) {
            text_add(text, " There is no retry: a miss goes to the primary at once.");
        } else {
            text_add(text, " The wait before the retry is %u to %u ms.",
                     options->replica_retry_min_ms, options->replica_retry_max_ms);
        }
    }
    if (uses(plan->kind, "first_ms")) {
        text_add(text, " The first wait is at most %u ms, all together at most %u ms (%u polls).",
                 options->first_ms, options->max_wait_ms, plan->max_polls);
    }
    if (uses(plan->kind, "when")) {
        text_add(text, " The primary is located %s; a position is awaited for at most %u ms.",
                 options->when == RP_WHEN_ALWAYS ? "before every first read" : "after a miss",
                 options->max_wait_ms);
        text_add(
            text,
            " A row missing on a replica that has reached the located position is proven absent,"
            " without a read of the primary's tables.");
    }
}

static void say_fallback(struct text *text, const struct rp_plan *plan) {
    const struct rp_options *options = &plan->options;
    if (uses(plan->kind, "replica_pick")) {
        text_add(text, " With several replicas, a retry %s.",
                 options->replica_pick == RP_PICK_NEXT ? "moves on to the next one"
                                                       : "stays on the one that was asked");
    }
    if (uses(plan->kind, "on_replica_failure")) {
        text_add(text, " A failure of the replica %s.",
                 options->on_replica_failure == RP_FAILURE_PRIMARY
                     ? "is served by the primary"
                     : "is an error; it is not shifted to the primary");
    }
    if (uses(plan->kind, "primary_budget_per_s")) {
        if (options->primary_budget_per_s == 0) {
            text_add(text, " Reads of the primary are not limited.");
        } else {
            text_add(text, " At most %u reads of the primary a second, %u at once; more are shed.",
                     options->primary_budget_per_s, options->primary_budget_burst);
        }
    }
}

uint32_t describe_policy(const struct rp_policy *policy, char *buf, uint32_t len) {
    if (policy == NULL || (buf == NULL && len != 0)) {
        return 0;
    }
    struct text text = {.buf = buf, .len = len};
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    text_add(&text, "[%s] policy = %s. %s", policy->name, plan->kind->name, plan->kind->summary);
    say_waits(&text, plan);
    say_fallback(&text, plan);
    text_add(&text, " Counters: %s.*", plan->options.metric_prefix);
    return text.needed;
}
