/*
 * access.h - what the access log says of a request. All pointers are the writer's.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "host-sample/base/trace_context.h"

#include <stdint.h>

struct access {
    const char *what;                  /* method and target, cut, or the kind of lookup */
    const char *run_id;                /* of a lookup, else NULL */
    const char *snapshot_id;           /* of a lookup, else NULL */
    const char *served_by;             /* as in x-read-served-by, or NULL */
    const struct trace_context *trace; /* NULL: none */
    const char *client;                /* as in client_address.h; NULL or "": not known */
    uint32_t status;
    uint64_t bytes;    /* of the answer's body */
    uint64_t began_ns; /* by the monotonic clock */
};

/* The client left before its answer: as other servers log it. */
#define ACCESS_CLIENT_LEFT 499u

#endif
