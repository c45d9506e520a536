/*
 * setting.c - settings as INI lines and as text, and how long their reads may be.
 */
#include "setting.h"

#include <stdio.h>
#include <string.h>

#define NAME(policy, name) [policy] = #name,
const char *const policy_names[POLICY_COUNT] = {EXPLORED_POLICIES(NAME)};

static const char *const picks[PICK_COUNT] = {"same", "next", "freshest"};

int find_explored(const char *name) {
    int policy = POLICY_COUNT - 1;
    while (policy >= 0 && strcmp(policy_names[policy], name) != 0) {
        policy--;
    }
    return policy;
}

void write_lines(const struct configured *configured, char *lines, size_t capacity) {
    (void)snprintf(lines, capacity,
                   "policy = %s\nreplica_retry_min_ms = %u\nreplica_retry_max_ms = %u\n"
                   "first_ms = %u\nmax_wait_ms = %u\nwhen = %s\nreplica_pick = %s\n"
                   "max_lag_ms = %u\non_replica_failure = %s\nprimary_budget_per_s = %u\n"
                   "primary_budget_burst = %u\n",
                   policy_names[configured->policy], configured->retry_min_ms,
                   configured->retry_max_ms, configured->first_ms, configured->max_wait_ms,
                   configured->always ? "always" : "miss", picks[configured->pick],
                   configured->max_lag_ms, configured->failover ? "primary" : "error",
                   configured->budget_per_s, configured->budget_burst);
}

void write_setting(const struct setting *setting, char *text, size_t capacity) {
    static const char *const clocks[] = {"free", "prompt", "standing"};
    const struct configured *configured = &setting->configured;
    const struct asked *asked = &setting->asked;
    char deadline[32] = "none";
    if (asked->has_deadline) {
        (void)snprintf(deadline, sizeof deadline, "%lld ns", (long long)asked->deadline_ns);
    }
    (void)snprintf(
        text, capacity,
        "%s: retry %u-%u ms, first %u ms, at most %u ms, when %s, pick %s, on failure "
        "%s, budget %u/s burst %u; %u replicas%s%s%s, deadline %s, position %llu, entropy "
        "%llx, %u tokens, clock %s",
        policy_names[configured->policy], configured->retry_min_ms, configured->retry_max_ms,
        configured->first_ms, configured->max_wait_ms, configured->always ? "always" : "miss",
        picks[configured->pick], configured->failover ? "primary" : "error",
        configured->budget_per_s, configured->budget_burst, asked->replicas,
        asked->replicas_out ? " (out)" : "", configured->blind ? " (of unknown position)" : "",
        asked->in_transaction ? ", in a transaction" : "", deadline,
        (unsigned long long)asked->position, (unsigned long long)asked->entropy, asked->tokens,
        clocks[asked->clock]);
}

bool is_direct(const struct setting *setting) {
    return setting->configured.policy == PRIMARY_ONLY || setting->asked.in_transaction ||
           (setting->asked.replicas == 0 && !setting->asked.replicas_out);
}

bool has_no_primary(const struct setting *setting) {
    return setting->configured.policy == REPLICA_ONLY;
}

bool begins_out(const struct setting *setting) {
    return setting->asked.replicas == 0 && !is_direct(setting);
}

bool cannot_judge(const struct setting *setting) {
    return setting->asked.position != 0 && !is_direct(setting) && !begins_out(setting) &&
           (setting->configured.policy == BACKOFF || setting->configured.blind);
}

uint32_t poll_limit(const struct configured *configured) {
    uint32_t polls = 0;
    for (double waited = 0; waited < configured->max_wait_ms; polls++) {
        waited += (double)configured->first_ms * (double)(1u << polls) / 2;
    }
    return polls;
}

uint32_t step_limit(const struct setting *setting) {
    if (is_direct(setting) || begins_out(setting) || cannot_judge(setting)) {
        return 1;
    }
    const struct configured *configured = &setting->configured;
    switch (configured->policy) {
    case THEN_PRIMARY:
        return configured->retry_max_ms == 0 ? 2 : 4;
    case BACKOFF:
        return 2 + 2 * poll_limit(configured);
    case READ_INDEX:
        /* miss: replica, floor, replica, locate, await and look MAX_LOOKS times, await, replica,
         * await, replica, primary; always: locate and await before that. Without a floor its await
         * and the read after it fall away, without time to wait all awaits and what they lead to.
         */
        return (configured->always ? 11u : 9u) + 2 * MAX_LOOKS -
               (setting->asked.position == 0 ? 2u : 0u);
    default:
        return 1;
    }
}
