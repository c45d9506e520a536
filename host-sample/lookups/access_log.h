/*
 * access_log.h - one line for every request, if [log] access says so.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include "host-sample/base/trace_context.h"
#include "lookups.h"

struct access {
    const char *what;        /* the request's target, cut, or the kind of lookup */
    const char *run_id;      /* of a lookup, else NULL */
    const char *snapshot_id; /* of a lookup, else NULL */
    const char *served_by;   /* as in x-read-served-by, or NULL */
    const struct trace_context *trace;
    uint32_t status;
    uint64_t took_us;
};

void access_log_write(const struct lookups *lookups, const struct access *access);

#endif
