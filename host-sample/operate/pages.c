/*
 * pages.c - see pages.h.
 */
#include "pages.h"

#include "host-sample/host.h"
#include "metrics.h"
#include "readiness.h"

static uint32_t write_readiness(const struct worker *worker, struct byte_buffer *out) {
    char why[256];
    if (host_is_ready(worker, why, sizeof why)) {
        BYTE_BUFFER_LITERAL(out, "{\"status\":\"ready\"}");
        return 200;
    }
    byte_buffer_append_text(out, why);
    return 503;
}

uint32_t host_page_write(void *context, enum route route, struct byte_buffer *out) {
    const struct worker *worker = context;
    switch (route) {
    case ROUTE_HEALTH:
        BYTE_BUFFER_LITERAL(out, "{\"status\":\"ok\"}");
        return 200;
    case ROUTE_READY:
        return write_readiness(worker, out);
    case ROUTE_METRICS:
        host_metrics_write(worker->host, out);
        return 200;
    default:
        BYTE_BUFFER_LITERAL(out, "Not found");
        return 404;
    }
}
