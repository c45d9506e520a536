/*
 * notices.h - lines for the host's log: bounded, the oldest first, with a count of what was lost.
 */
#ifndef CLUSTER_NOTICES_H
#define CLUSTER_NOTICES_H

#include "plugin/read_policy.h"

#include <stdbool.h>

#define MAX_NOTICES 64u

#define NO_SERVER UINT32_MAX

/* All zero: none. */
struct notices {
    struct rp_notice kept[MAX_NOTICES];
    uint32_t first;
    uint32_t count;
    uint32_t dropped; /* since the newest that is kept */
};

/* level: enum rp_log_level. server: an index, or NO_SERVER. Cut to what fits. */
__attribute__((format(printf, 4, 5))) void notices_add(struct notices *notices, int32_t level,
                                                       uint32_t server, const char *format, ...);

/* False: there is none. */
bool notices_take(struct notices *notices, struct rp_notice *notice);

#endif
