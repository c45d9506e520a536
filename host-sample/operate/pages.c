/*
 * pages.c - see pages.h.
 */
#include "pages.h"

#include "host-sample/host.h"
#include "metrics.h"
#include "policy_needs.h"
#include "problems.h"
#include "readiness.h"
#include "report.h"
#include "status_json.h"

#include <stdlib.h>

static uint32_t write_readiness(const struct worker *worker, struct byte_buffer *out) {
    char why[256];
    struct policy_needs needs;
    policy_needs_find(worker->host, &needs);
    if (host_is_ready(worker, &needs, why, sizeof why)) {
        BYTE_BUFFER_LITERAL(out, "{\"status\":\"ready\"}");
        return 200;
    }
    byte_buffer_append_text(out, why);
    return 503;
}

static uint32_t write_status(const struct worker *worker, enum route route,
                             struct byte_buffer *out) {
    struct status *status = malloc(sizeof *status);
    if (status == NULL) {
        BYTE_BUFFER_LITERAL(out, "Out of memory");
        return 503;
    }
    status_take(status, worker);
    status_find_problems(status);
    if (route == ROUTE_STATUS_JSON) {
        status_write_json(out, status);
    } else {
        report_write(out, route == ROUTE_STATUS ? &report_html : &report_text, status);
    }
    free(status);
    return 200;
}

uint32_t host_page_write(void *context, enum route route, struct byte_buffer *out) {
    struct worker *worker = context;
    servers_show(&worker->servers);
    switch (route) {
    case ROUTE_HEALTH:
        BYTE_BUFFER_LITERAL(out, "{\"status\":\"ok\"}");
        return 200;
    case ROUTE_READY:
        return write_readiness(worker, out);
    case ROUTE_METRICS:
        host_metrics_write(worker, out);
        return 200;
    case ROUTE_STATUS:
    case ROUTE_STATUS_JSON:
    case ROUTE_STATUS_TEXT:
        return write_status(worker, route, out);
    default:
        BYTE_BUFFER_LITERAL(out, "Not found");
        return 404;
    }
}
