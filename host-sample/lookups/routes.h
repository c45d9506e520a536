/*
 * routes.h - the paths that are served.
 *
 * Pure functions on bytes. [thread-safe]
 */
#ifndef ROUTES_H
#define ROUTES_H

#include <stddef.h>

enum route {
    ROUTE_UNKNOWN,
    ROUTE_HEALTH,
    ROUTE_READY,
    ROUTE_METRICS,
    ROUTE_STATUS,            /* a page for people */
    ROUTE_STATUS_JSON,       /* the same for programs */
    ROUTE_STATUS_TEXT,       /* and for terminals */
    ROUTE_WORKER_SNAPSHOTS,  /* /engine/v1/worker-actions/runs/{}/snapshots/since/{} */
    ROUTE_WORKLOAD_SNAPSHOTS /* /api/v1/workload-actions/runs/{}/snapshots/since/{} */
};

struct route_match {
    enum route route;
    const char *run; /* raw path segments in the target, not decoded; may be empty */
    size_t run_length;
    const char *snapshot;
    size_t snapshot_length;
};

/* Takes the raw request target apart: origin form ("/path?query") or absolute form
 * ("http://host/path"). The query string is ignored. An empty id segment still matches its route
 * (the id is then refused); a trailing slash after the last id does not match. */
struct route_match route_of_target(const char *target, size_t length);

#endif
