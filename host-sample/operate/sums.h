/*
 * sums.h - counters of all threads together. [thread-safe]
 */
#ifndef SUMS_H
#define SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;
struct pg_server_counters;
struct rp_budget_info;

/* Of the counter that lies `offset` bytes into struct lookup_counters. */
uint64_t host_sum_lookups(const struct host *host, size_t offset);

/* Adds those of the server of that name: see servers_add_counters. */
void host_add_counters(const struct host *host, const char *name, bool before,
                       struct pg_server_counters *sum);

/* Of the section that lookups follow; without a limit where the plugin does not tell. */
void host_read_budget(const struct host *host, struct rp_budget_info *budget);

#endif
