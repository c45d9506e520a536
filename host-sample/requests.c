/*
 * requests.c - checks run in this order: unknown path 404, method 405, credentials 401, ids 400.
 */
#include "requests.h"

#include "answer.h"
#include "host_metrics.h"
#include "lookup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct http_text *header(const struct http_request *request, enum http_header which) {
    return &request->headers[which];
}

static bool is_get(const struct http_request *request) {
    return request->method.length == 3 && memcmp(request->method.bytes, "GET", 3) == 0;
}

/* A credential that stands twice is no credential: proxies and hosts may disagree on which one
 * counts. */
static bool secret_matches(const char *expected, const char *given, size_t length, uint32_t seen) {
    return seen == 1 && secret_equal(expected, strlen(expected), given, length);
}

/* "Bearer TOKEN"; the scheme's name is not case sensitive (RFC 9110). */
static bool bearer_matches(const char *token, const struct http_text *authorization) {
    static const char scheme[] = "Bearer ";
    const size_t scheme_length = sizeof scheme - 1;
    if (authorization->bytes == NULL || authorization->length < scheme_length ||
        strncasecmp(authorization->bytes, scheme, scheme_length) != 0) {
        return false;
    }
    return secret_matches(token, authorization->bytes + scheme_length,
                          authorization->length - scheme_length, authorization->seen);
}

static bool authorized(const struct host_config *config, enum route route,
                       const struct http_request *request) {
    if (route == ROUTE_WORKER_SNAPSHOTS) {
        return bearer_matches(config->auth.token, header(request, HTTP_HEADER_AUTHORIZATION));
    }
    const struct http_text *deployment = header(request, HTTP_HEADER_DEPLOYMENT_ID);
    return deployment->bytes != NULL &&
           secret_matches(config->auth.deployment_id, deployment->bytes, deployment->length,
                          deployment->seen);
}

/* Fills in the lookup's request; false with a sentence in `why`. */
static bool read_ids(const struct route_match *match, const struct http_request *request,
                     struct lookup_request *lookup, char *why, size_t why_length) {
    const struct http_text *environment = header(request, HTTP_HEADER_ENVIRONMENT_ID);
    const struct http_text *position = header(request, HTTP_HEADER_READ_POSITION);
    const char *what = "run id";
    const char *reason = NULL;
    lookup->environment.length = 0;
    lookup->position = 0;
    bool good = friendly_id_decode(match->run, match->run_length, &lookup->run, &reason);
    if (good) {
        what = "snapshot id";
        good =
            friendly_id_decode(match->snapshot, match->snapshot_length, &lookup->snapshot, &reason);
    }
    /* A blank environment is an absent one. Only supervisors are bound to one. */
    if (good && match->route == ROUTE_WORKER_SNAPSHOTS && environment->length > 0) {
        what = "x-trigger-worker-environment-id";
        good =
            plain_id_check(environment->bytes, environment->length, &lookup->environment, &reason);
    }
    if (good && position->bytes != NULL) {
        what = "x-read-position";
        reason = "expected a WAL position such as 16/B374D848";
        good = wal_position_parse(position->bytes, position->length, &lookup->position);
    }
    if (!good) {
        (void)snprintf(why, why_length, "Invalid %s: %s", what, reason);
    }
    return good;
}

static void on_lookup(struct worker *worker, struct http_exchange *exchange,
                      const struct http_request *request, const struct route_match *match) {
    const struct host_config *config = worker->host->config;
    struct lookup_request lookup;
    char why[160];
    if (!authorized(config, match->route, request)) {
        answer_error(worker, exchange, 401, "Invalid or missing worker token", NULL);
    } else if (!read_ids(match, request, &lookup, why, sizeof why)) {
        answer_error(worker, exchange, 400, why, NULL);
    } else {
        lookup_start(worker, exchange, &lookup);
    }
}

/* The workload route exists only if it has a credential. */
static enum route existing_route(const struct host_config *config, enum route route) {
    if (route == ROUTE_WORKLOAD_SNAPSHOTS && config->auth.deployment_id[0] == '\0') {
        return ROUTE_UNKNOWN;
    }
    return route;
}

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request) {
    struct worker *worker = context;
    struct route_match match = route_of_target(request->target.bytes, request->target.length);
    enum route route = existing_route(worker->host->config, match.route);
    if (route == ROUTE_UNKNOWN) {
        answer_error(worker, exchange, 404, "Not found", NULL);
    } else if (!is_get(request)) {
        answer_error(worker, exchange, 405, "Method not allowed", "Allow: GET\r\n");
    } else if (route == ROUTE_HEALTH) {
        byte_buffer_reset(&worker->scratch, SIZE_MAX);
        BYTE_BUFFER_LITERAL(&worker->scratch, "{\"status\":\"ok\"}");
        answer_scratch(worker, exchange, 200, "application/json", NULL);
    } else if (route == ROUTE_METRICS) {
        byte_buffer_reset(&worker->scratch, SIZE_MAX);
        host_metrics_write(worker->host, &worker->scratch);
        answer_scratch(worker, exchange, 200, "text/plain; version=0.0.4; charset=utf-8", NULL);
    } else {
        on_lookup(worker, exchange, request, &match);
    }
}

static void on_gone(void *context, struct http_exchange *exchange, void *user) {
    (void)context;
    (void)exchange;
    if (user != NULL) {
        lookup_abandon(user);
    }
}

const struct http_front_handlers requests_handlers = {.on_request = on_request, .on_gone = on_gone};
