/*
 * policy_needs.c - see policy_needs.h.
 *
 * A read is begun and forgotten. With a replica on offer no policy draws on the budget at its first
 * step, and where all of them are out none does that does not use on_replica_failure.
 */
#include "policy_needs.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/host.h"

#include <string.h>

static const struct rp_step *first_step(const struct lookup_service *service, struct rp_read *read,
                                        uint32_t replicas, uint32_t flags) {
    const struct rp_request request = {.struct_size = sizeof request,
                                       .flags = flags,
                                       .replicas = replicas,
                                       .now_ns = monotonic_ns()};
    *read = (struct rp_read){.struct_size = sizeof *read};
    /* What it returns is the set's. */
    /* cppcheck-suppress returnDanglingLifetime */
    return service->plugin->begin(service->policy, &request, read);
}

/* Whether that policy has a use for the key. */
static bool has_key(const struct rp_plugin *plugin, const char *policy, const char *key) {
    struct rp_kind kind = {.struct_size = sizeof kind};
    for (uint32_t i = 0; RP_HAS(plugin, kind) && plugin->kind(i, &kind) == RP_OK; i++) {
        for (uint32_t k = 0; strcmp(kind.name, policy) == 0 && kind.keys[k] != NULL; k++) {
            if (strcmp(kind.keys[k], key) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool policy_needs_closer(const struct policy_needs *needs, uint64_t lag_ns,
                         uint64_t lag_at_least_ns) {
    const uint64_t known_ns = lag_ns != RP_UNKNOWN ? lag_ns : lag_at_least_ns;
    return needs->max_lag_ms != 0 && known_ns > needs->max_lag_ms * 1000000;
}

/* What the section sets the key to; 0 if it does not. */
static uint32_t number_of(const struct config_facts *facts, const char *key) {
    for (uint32_t i = 0; i < facts->number_count; i++) {
        if (strcmp(facts->numbers[i].name, key) == 0) {
            return facts->numbers[i].value;
        }
    }
    return 0;
}

void policy_needs_find(struct host *host, struct policy_needs *needs) {
    const struct lookup_service *service = &host->service;
    struct rp_read read;
    char policy[FACTS_NAME_BYTES];
    (void)pthread_mutex_lock(&host->facts_lock);
    const bool allowed = host->facts.primary_may_stand_in;
    const uint32_t max_lag_ms = number_of(&host->facts, "max_lag_ms");
    memcpy(policy, host->facts.policy, sizeof policy);
    (void)pthread_mutex_unlock(&host->facts_lock);
    const struct rp_step *step = first_step(service, &read, 1, 0);
    needs->max_lag_ms = has_key(service->plugin, policy, "max_lag_ms") ? max_lag_ms : 0;
    needs->replica_serves = step->kind != RP_STEP_READ || step->target != RP_TARGET_PRIMARY;
    if (has_key(service->plugin, policy, "on_replica_failure")) {
        needs->primary_stands_in = allowed;
    } else {
        step = first_step(service, &read, 0, RP_REPLICAS_OUT);
        needs->primary_stands_in = step->kind != RP_STEP_DONE;
    }
}
