/*
 * sums.h - counters of all threads together. [thread-safe]
 */
#ifndef SUMS_H
#define SUMS_H

#include <stddef.h>
#include <stdint.h>

struct host;

/* Of the counter that lies `offset` bytes into struct lookup_counters. */
uint64_t host_sum_lookups(const struct host *host, size_t offset);

/* Of the counter that lies `offset` bytes into struct pg_server_counters, of one server. */
uint64_t host_sum_server(const struct host *host, uint32_t server, size_t offset);

#endif
