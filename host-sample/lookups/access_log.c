/*
 * access_log.c - see access_log.h.
 */
#include "access_log.h"

#include <stdio.h>

void access_log_write(const struct lookups *lookups, const struct access *access) {
    char status[16];
    char milliseconds[32];
    if (lookups->config->log.access != HOST_YES) {
        return;
    }
    (void)snprintf(status, sizeof status, "%u", access->status);
    (void)snprintf(milliseconds, sizeof milliseconds, "%llu.%03llu",
                   (unsigned long long)access->took_us / 1000,
                   (unsigned long long)access->took_us % 1000);
    const struct log_field fields[] = {
        LOG_TEXT("request", access->what),
        LOG_TEXT("request_run_id", access->run_id),
        LOG_TEXT("request_snapshot_id", access->snapshot_id),
        LOG_NUMBER("status", status),
        LOG_NUMBER("milliseconds", milliseconds),
        LOG_TEXT("served_by", access->served_by),
        LOG_TEXT("traceparent", trace_context_field(access->trace)),
        LOG_END,
    };
    log_write(lookups->service->log, LOG_LEVEL_INFO, "access", fields);
}
