/*
 * view.h - what is known of a server, for metrics and pages: struct rp_server_info in words that
 * any thread may read.
 */
#ifndef SERVER_VIEW_H
#define SERVER_VIEW_H

#include "plugin/read_policy.h"

#include <stdint.h>

struct server_view {
    _Atomic uint64_t role;
    _Atomic uint64_t state;
    _Atomic uint64_t answers;
    _Atomic uint64_t in_recovery;
    _Atomic uint64_t timeline;
    _Atomic uint64_t position;
    _Atomic uint64_t lag_bytes;
    _Atomic uint64_t lag_ns;
    _Atomic uint64_t lag_at_least_ns;
    _Atomic uint64_t version;
    _Atomic uint64_t system;
    _Atomic uint64_t instance;
    const char *_Atomic why; /* a constant; "": nothing */
    const char *_Atomic grants;
};

void server_view_fill(struct server_view *view, const struct rp_server_info *info);

/* As of a server of which nothing is known. */
void server_view_reset(struct server_view *view);

#endif
