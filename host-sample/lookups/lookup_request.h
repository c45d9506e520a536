/*
 * lookup_request.h - what a lookup is asked for.
 */
#ifndef LOOKUP_REQUEST_H
#define LOOKUP_REQUEST_H

#include "friendly_id.h"
#include "host-sample/base/trace_context.h"

#include <stdint.h>

struct lookup_request {
    struct database_id run;
    struct database_id snapshot;
    struct database_id environment; /* length 0: any */
    uint64_t position;              /* WAL position that the caller has seen; 0: none */
    struct trace_context trace;
};

#endif
