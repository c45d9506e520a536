/*
 * requests.c - checks run in this order: unknown path 404, method 405, credentials 401, ids 400.
 */
#include "requests.h"

#include "access_log.h"
#include "answer.h"
#include "friendly_id.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/secret.h"
#include "host-sample/http/client_address.h"
#include "lookup.h"
#include "record.h"
#include "routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Of the request headers that are looked at. */
enum {
    HEADER_AUTHORIZATION,
    HEADER_ENVIRONMENT_ID,
    HEADER_DEPLOYMENT_ID,
    HEADER_READ_POSITION,
    HEADER_TRACEPARENT
};

const char *const requests_headers[REQUESTS_HEADER_COUNT] = {
    [HEADER_AUTHORIZATION] = "authorization",
    [HEADER_ENVIRONMENT_ID] = "x-trigger-worker-environment-id",
    [HEADER_DEPLOYMENT_ID] = "x-trigger-workload-deployment-id",
    [HEADER_READ_POSITION] = "x-read-position",
    [HEADER_TRACEPARENT] = "traceparent",
};

/* Longer targets are cut in the access log. */
#define MAX_LOGGED_TARGET 512u

static const struct http_text *header(const struct http_request *request, int which) {
    return &request->headers[which];
}

static bool method_is(const struct http_request *request, const char *method) {
    const size_t length = strlen(method);
    return request->method.length == length && memcmp(request->method.bytes, method, length) == 0;
}

static bool is_health(enum route route) {
    return route == ROUTE_HEALTH || route == ROUTE_READY;
}

/* Probes of load balancers ask with OPTIONS, and want the status that GET has. */
static bool method_fits(const struct http_request *request, enum route route) {
    return method_is(request, "GET") || method_is(request, "HEAD") ||
           (is_health(route) && method_is(request, "OPTIONS"));
}

static const char *allow_of(enum route route) {
    return is_health(route) ? "Allow: GET, HEAD, OPTIONS\r\n" : "Allow: GET, HEAD\r\n";
}

/* A credential that is given twice counts as none: proxies and hosts may disagree on which one
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

static bool deployment_matches(const char *expected, const struct http_text *deployment) {
    return deployment->bytes != NULL &&
           secret_matches(expected, deployment->bytes, deployment->length, deployment->seen);
}

/* A route without a credential of its own lets nobody in. */
static bool authorized(const struct host_config *config, enum route route,
                       const struct http_request *request) {
    switch (route) {
    case ROUTE_WORKER_SNAPSHOTS:
        return bearer_matches(config->auth.token, header(request, HEADER_AUTHORIZATION)) ||
               bearer_matches(config->auth.other_token, header(request, HEADER_AUTHORIZATION));
    case ROUTE_WORKLOAD_SNAPSHOTS:
        return deployment_matches(config->auth.deployment_id,
                                  header(request, HEADER_DEPLOYMENT_ID));
    default:
        return false;
    }
}

static bool read_position(const struct rp_cluster_calls *calls, const struct http_text *given,
                          uint64_t *position) {
    char text[RP_POSITION_BYTES];
    if (given->length >= sizeof text || memchr(given->bytes, '\0', given->length) != NULL) {
        return false;
    }
    memcpy(text, given->bytes, given->length);
    text[given->length] = '\0';
    return calls->position_parse(text, position) == RP_OK;
}

/* Fills in the lookup's request; false with the reason in `why`. */
static bool read_ids(const struct rp_cluster_calls *calls, const struct route_match *match,
                     const struct http_request *request, struct lookup_request *lookup, char *why,
                     size_t why_length) {
    const struct http_text *environment = header(request, HEADER_ENVIRONMENT_ID);
    const struct http_text *position = header(request, HEADER_READ_POSITION);
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
    if (good && (environment->seen > 1 || position->seen > 1)) {
        what = environment->seen > 1 ? "x-trigger-worker-environment-id" : "x-read-position";
        reason = "it is given more than once";
        good = false;
    }
    /* A blank environment is an absent one. */
    if (good && environment->length > 0) {
        what = "x-trigger-worker-environment-id";
        good =
            plain_id_check(environment->bytes, environment->length, &lookup->environment, &reason);
    }
    if (good && position->bytes != NULL) {
        what = "x-read-position";
        reason = "expected a WAL position such as 16/B374D848";
        good = read_position(calls, position, &lookup->position);
    }
    if (!good) {
        (void)snprintf(why, why_length, "Invalid %s: %s", what, reason);
    }
    return good;
}

/* Returns the status that was answered; 0 if a lookup was begun, which answers by itself. */
static uint32_t on_lookup(struct requests *requests, struct http_exchange *exchange,
                          const struct http_request *request, const struct route_match *match) {
    const struct host_config *config = requests->lookups->config;
    const struct http_text *traceparent = header(request, HEADER_TRACEPARENT);
    struct lookup_request lookup;
    char why[160];
    if (!authorized(config, match->route, request)) {
        answer_error(&requests->lookups->answers, exchange, 401, "Invalid or missing worker token",
                     NULL);
        return 401;
    }
    if (!read_ids(requests->lookups->servers->calls, match, request, &lookup, why, sizeof why)) {
        answer_error(&requests->lookups->answers, exchange, 400, why, NULL);
        return 400;
    }
    trace_context_read(&lookup.trace, traceparent->bytes, traceparent->length);
    return lookup_start(requests->lookups, exchange, &lookup);
}

static bool is_served(const struct requests *requests, enum route route) {
    const enum requests_listener listener = requests->listener;
    switch (route) {
    case ROUTE_HEALTH:
    case ROUTE_READY:
        return true;
    case ROUTE_METRICS:
        return listener != LISTENER_PUBLIC;
    case ROUTE_STATUS:
    case ROUTE_STATUS_JSON:
    case ROUTE_STATUS_TEXT:
        return listener == LISTENER_ADMIN;
    case ROUTE_WORKER_SNAPSHOTS:
        return listener != LISTENER_ADMIN;
    case ROUTE_WORKLOAD_SNAPSHOTS: /* it exists only if it has a credential */
        return listener != LISTENER_ADMIN &&
               requests->lookups->config->auth.deployment_id[0] != '\0';
    case ROUTE_UNKNOWN:
        break;
    }
    return false;
}

static const char *type_of(enum route route) {
    switch (route) {
    case ROUTE_METRICS:
        return "text/plain; version=0.0.4; charset=utf-8";
    case ROUTE_STATUS:
        return "text/html; charset=utf-8";
    case ROUTE_STATUS_TEXT:
        return "text/plain; charset=utf-8";
    default:
        return "application/json";
    }
}

/* The page brings all that it uses, and shows texts that clients have sent. */
static const char page_headers[] =
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'\r\n";

static uint32_t answer_page(struct requests *requests, struct http_exchange *exchange,
                            const struct http_request *request, enum route route) {
    struct answers *answers = &requests->lookups->answers;
    const char *headers = method_is(request, "OPTIONS") ? allow_of(route)
                          : route == ROUTE_STATUS       ? page_headers
                                                        : "Cache-Control: no-store\r\n";
    byte_buffer_reset(&answers->scratch, SIZE_MAX);
    const uint32_t status = requests->write_page(requests->pages_context, route, &answers->scratch);
    if (status == 200) {
        answer_scratch(answers, exchange, status, type_of(route), headers);
    } else {
        char why[256];
        (void)snprintf(why, sizeof why, "%.*s", (int)answers->scratch.length,
                       answers->scratch.data);
        answer_error(answers, exchange, status, why, headers);
    }
    return status;
}

/* Returns the status that was answered; 0 if a lookup was begun. */
static uint32_t dispatch(struct requests *requests, struct http_exchange *exchange,
                         const struct http_request *request) {
    struct answers *answers = &requests->lookups->answers;
    struct route_match match = route_of_target(request->target.bytes, request->target.length);
    if (!is_served(requests, match.route)) {
        answer_error(answers, exchange, 404, "Not found", NULL);
        return 404;
    }
    if (!method_fits(request, match.route)) {
        answer_error(answers, exchange, 405, "Method not allowed", allow_of(match.route));
        return 405;
    }
    if (match.route == ROUTE_WORKER_SNAPSHOTS || match.route == ROUTE_WORKLOAD_SNAPSHOTS) {
        return on_lookup(requests, exchange, request, &match);
    }
    return answer_page(requests, exchange, request, match.route);
}

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request) {
    struct requests *requests = context;
    if (requests->lookups->config->log.access != HOST_YES) {
        (void)dispatch(requests, exchange, request);
        return;
    }
    /* Copied first: the request's bytes are gone once it has been answered. */
    const struct http_text *traceparent = header(request, HEADER_TRACEPARENT);
    struct trace_context trace;
    char target[MAX_LOGGED_TARGET + 1];
    (void)snprintf(target, sizeof target, "%.*s %.*s", (int)request->method.length,
                   request->method.bytes, (int)request->target.length, request->target.bytes);
    trace_context_read(&trace, traceparent->bytes, traceparent->length);
    requests->lookups->access =
        (struct access){.what = target, .trace = &trace, .began_ns = monotonic_ns()};
    (void)dispatch(requests, exchange, request);
    requests->lookups->access.what = NULL; /* a lookup that was begun sets its own */
}

/* Of whatever is answered: a request, a lookup, or what was none and the front refused. */
static void on_reply(void *context, int fd, uint32_t status, size_t body_bytes) {
    const struct requests *requests = context;
    struct lookups *lookups = requests->lookups;
    struct access access = lookups->access;
    char client[HTTP_CLIENT_BYTES];
    if (lookups->config->log.access != HOST_YES) {
        return;
    }
    if (access.what == NULL) {
        access = (struct access){.what = "(refused as it came)", .began_ns = monotonic_ns()};
    }
    lookups->access.what = NULL;
    http_client_print(fd, client);
    access.client = client;
    access.status = status;
    access.bytes = body_bytes;
    access_log_write(lookups, &access);
}

static void on_gone(void *context, struct http_exchange *exchange, void *user) {
    (void)context;
    (void)exchange;
    if (user != NULL) {
        lookup_abandon(user);
    }
}

static void on_hang_up(void *context, struct http_exchange *exchange, void *user) {
    (void)context;
    (void)exchange;
    if (user != NULL) {
        lookup_hang_up(user);
    }
}

static void on_exhausted(void *context, int error) {
    const struct requests *requests = context;
    const struct log_field fields[] = {LOG_TEXT("error", strerror(error)), LOG_END};
    log_write_limited(requests->lookups->service->log, LOG_CONNECTIONS, LOG_LEVEL_ERROR,
                      "cannot accept connections; clients wait, and it is tried again", fields);
}

static void on_refused(void *context) {
    const struct requests *requests = context;
    connection_record_refused(requests->lookups->service);
}

const struct http_front_handlers requests_handlers = {.on_request = on_request,
                                                      .on_gone = on_gone,
                                                      .on_hang_up = on_hang_up,
                                                      .on_exhausted = on_exhausted,
                                                      .on_refused = on_refused,
                                                      .on_reply = on_reply};
