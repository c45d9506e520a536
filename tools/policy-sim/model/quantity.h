/*
 * quantity.h - numbers with units, as people write them, parsed exactly.
 *
 * All arithmetic of the simulator is on integers, so that the same seed gives the same output on
 * every machine. So "0.3ms" becomes 300000 ns here, and never a floating-point number. All
 * functions are [thread-safe], accept the whole text or none of it, and do not change the value if
 * they return false.
 */
#ifndef QUANTITY_H
#define QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#define QUANTITY_MAX_NS (UINT64_C(31) * 86400 * NS_PER_S)

/* Shares are in parts of this. */
#define SHARE_ALL 1000000000u

/* "250us", "0.3ms", "5s", "2m", "1h", "0": at most QUANTITY_MAX_NS, the 744h of option_table.c. */
bool quantity_duration(const char *text, uint64_t *ns);

/* "12.345678": seconds with at most nine decimals, at most QUANTITY_MAX_NS. `end` receives where
 * the number ended. */
bool quantity_seconds(const char *text, uint64_t *ns, const char **end);

/* The latest moment, so that it fits in 64 bits of nanoseconds. */
#define QUANTITY_MAX_MOMENT_S UINT64_C(9999999999)

/* A moment in seconds, of any clock: as quantity_seconds, but up to that. */
bool quantity_moment(const char *text, uint64_t *ns, const char **end);

/* "0.25" or "25%": from 0 to 1, with at most nine decimals. */
bool quantity_share(const char *text, uint32_t *share);

/* "1000", "0.5": per second, from 0.001 to 10000000; becomes the mean time between two. */
bool quantity_rate(const char *text, uint64_t *interval_ns);

/* Decimal digits, within the inclusive bounds. */
bool quantity_count(const char *text, uint64_t min, uint64_t max, uint64_t *count);

#endif
