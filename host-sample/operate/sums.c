/*
 * sums.c - see sums.h.
 */
#include "sums.h"

#include "host-sample/host.h"

#include <string.h>

uint64_t host_sum_lookups(const struct host *host, size_t offset) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        const char *base = (const char *)&host->workers[i].lookups.counters;
        const _Atomic uint64_t *counter = (const _Atomic uint64_t *)(const void *)(base + offset);
        sum += counter_value(counter);
    }
    return sum;
}

uint64_t host_sum_server(const struct host *host, uint32_t server, size_t offset) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct pg_server_counters counters;
        uint64_t value;
        pg_server_read_counters(host->workers[i].servers.servers[server].links, &counters);
        memcpy(&value, (const char *)&counters + offset, sizeof value);
        sum += value;
    }
    return sum;
}
