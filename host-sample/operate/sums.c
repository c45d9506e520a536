/*
 * sums.c - see sums.h.
 */
#include "sums.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/host.h"

uint64_t host_sum_lookups(const struct host *host, size_t offset) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        const char *base = (const char *)&host->workers[i].lookups.counters;
        const _Atomic uint64_t *counter = (const _Atomic uint64_t *)(const void *)(base + offset);
        sum += counter_value(counter);
    }
    return sum;
}

void host_add_counters(const struct host *host, const char *name, bool before,
                       struct pg_server_counters *sum) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        servers_add_counters(&host->workers[i].servers, name, before, sum);
    }
}

void host_read_budget(const struct host *host, struct rp_budget_info *budget) {
    const struct lookup_service *service = &host->service;
    *budget = (struct rp_budget_info){.struct_size = sizeof *budget};
    if (RP_HAS(service->plugin, budget)) {
        (void)service->plugin->budget(service->policy, monotonic_ns(), budget);
    }
}
