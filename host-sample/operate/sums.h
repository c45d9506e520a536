/*
 * sums.h - counters of all threads together, and what is wrong in any of them. [thread-safe]
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

/* Threads have links of their own, so to each of them something else may be wrong: whether there is
 * a split in any; how many no primary answers, or not the server of that name; and why some thread
 * has too few links to it ("": none has). */
bool host_is_split(const struct host *host);
uint32_t host_threads_without_primary(const struct host *host);
uint32_t host_threads_without(const struct host *host, const char *name);
void host_find_error(const struct host *host, const char *name, char *text, size_t length);

/* Of the section that lookups follow; without a limit where the plugin does not tell. */
void host_read_budget(const struct host *host, struct rp_budget_info *budget);

#endif
