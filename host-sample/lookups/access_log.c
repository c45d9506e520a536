/*
 * access_log.c - see access_log.h.
 */
#include "access_log.h"

#include "host-sample/base/monotonic.h"

#include <stdio.h>

void access_log_write(const struct lookups *lookups, const struct access *access) {
    char status[16];
    char milliseconds[32];
    char bytes[24];
    if (lookups->config->log.access != HOST_YES) {
        return;
    }
    (void)snprintf(status, sizeof status, "%u", access->status);
    const unsigned long long took_us = (monotonic_ns() - access->began_ns) / 1000;
    (void)snprintf(milliseconds, sizeof milliseconds, "%llu.%03llu", took_us / 1000,
                   took_us % 1000);
    (void)snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)access->bytes);
    const struct log_field fields[] = {
        LOG_TEXT("client",
                 access->client != NULL && access->client[0] != '\0' ? access->client : NULL),
        LOG_TEXT("request", access->what),
        LOG_TEXT("request_run_id", access->run_id),
        LOG_TEXT("request_snapshot_id", access->snapshot_id),
        LOG_NUMBER("status", status),
        LOG_NUMBER("bytes", bytes),
        LOG_NUMBER("milliseconds", milliseconds),
        LOG_TEXT("served_by", access->served_by),
        LOG_TEXT("traceparent", access->trace != NULL ? trace_context_field(access->trace) : NULL),
        LOG_END,
    };
    log_write(lookups->service->log, LOG_LEVEL_INFO, "access", fields);
}
