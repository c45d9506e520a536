/*
 * sums.c - see sums.h.
 */
#include "sums.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/host.h"
#include "host-sample/servers/directory.h"

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

bool host_is_split(const struct host *host) {
    bool split = false;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        split = split || counter_value(&host->workers[i].servers.split) != 0;
    }
    return split;
}

uint32_t host_threads_without_primary(const struct host *host) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        count += counter_value(&host->workers[i].servers.primary_answers) == 0;
    }
    return count;
}

uint32_t host_threads_without(const struct host *host, const char *name) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        count += !servers_are_answered_by(&host->workers[i].servers, name);
    }
    return count;
}

void host_find_error(const struct host *host, const char *name, char *text, size_t length) {
    text[0] = '\0';
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (servers_find_error(&host->workers[i].servers, name, true, text, length)) {
            return;
        }
    }
}

void host_read_budget(const struct host *host, struct rp_budget_info *budget) {
    const struct lookup_service *service = &host->service;
    *budget = (struct rp_budget_info){.struct_size = sizeof *budget};
    if (RP_HAS(service->plugin, budget)) {
        (void)service->plugin->budget(service->policy, monotonic_ns(), budget);
    }
}
