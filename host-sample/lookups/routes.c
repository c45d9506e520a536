/*
 * routes.c - see routes.h.
 */
#include "routes.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define LITERAL_LENGTH(literal) (sizeof(literal) - 1)

static const char between_ids[] = "/snapshots/since/";

static const struct {
    enum route route;
    const char *path;
} plain_routes[] = {
    {ROUTE_HEALTH, "/healthz"},          {ROUTE_READY, "/readyz"},
    {ROUTE_METRICS, "/metrics"},         {ROUTE_STATUS, "/status"},
    {ROUTE_STATUS_JSON, "/status.json"}, {ROUTE_STATUS_TEXT, "/status.txt"},
};

static const struct {
    enum route route;
    const char *before_ids;
} id_routes[] = {
    {ROUTE_WORKER_SNAPSHOTS, "/engine/v1/worker-actions/runs/"},
    {ROUTE_WORKLOAD_SNAPSHOTS, "/api/v1/workload-actions/runs/"},
};

static bool starts_with(const char *text, size_t length, const char *start, size_t start_length) {
    return length >= start_length && memcmp(text, start, start_length) == 0;
}

/* The length of "http://host" in front of an absolute target's path; 0 if there is no such thing.
 */
static size_t origin_length(const char *target, size_t length) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const size_t scheme_length = strlen(schemes[i]);
        if (length > scheme_length && strncasecmp(target, schemes[i], scheme_length) == 0) {
            size_t end = scheme_length;
            while (end < length && target[end] != '/' && target[end] != '?') {
                end++;
            }
            return end == scheme_length ? 0 : end;
        }
    }
    return 0;
}

/* The two ids in what follows the route's prefix. */
static bool match_ids(const char *ids, size_t length, struct route_match *match) {
    const char *run_end = memchr(ids, '/', length);
    if (run_end == NULL) {
        return false;
    }
    match->run = ids;
    match->run_length = (size_t)(run_end - ids);
    const size_t rest = length - match->run_length;
    if (!starts_with(run_end, rest, between_ids, LITERAL_LENGTH(between_ids))) {
        return false;
    }
    match->snapshot = run_end + LITERAL_LENGTH(between_ids);
    match->snapshot_length = rest - LITERAL_LENGTH(between_ids);
    return memchr(match->snapshot, '/', match->snapshot_length) == NULL;
}

static struct route_match route_of_path(const char *path, size_t length) {
    const struct route_match unknown = {.route = ROUTE_UNKNOWN};
    for (size_t i = 0; i < sizeof(plain_routes) / sizeof(plain_routes[0]); i++) {
        if (length == strlen(plain_routes[i].path) &&
            memcmp(path, plain_routes[i].path, length) == 0) {
            return (struct route_match){.route = plain_routes[i].route};
        }
    }
    for (size_t i = 0; i < sizeof(id_routes) / sizeof(id_routes[0]); i++) {
        const size_t before = strlen(id_routes[i].before_ids);
        if (starts_with(path, length, id_routes[i].before_ids, before)) {
            struct route_match match = {.route = id_routes[i].route};
            return match_ids(path + before, length - before, &match) ? match : unknown;
        }
    }
    return unknown;
}

struct route_match route_of_target(const char *target, size_t length) {
    if (length == 0) {
        return (struct route_match){.route = ROUTE_UNKNOWN};
    }
    const char *path = target + origin_length(target, length);
    size_t path_length = length - (size_t)(path - target);
    const char *query = memchr(path, '?', path_length);
    if (query != NULL) {
        path_length = (size_t)(query - path);
    }
    return route_of_path(path, path_length);
}
