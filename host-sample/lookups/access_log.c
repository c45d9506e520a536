/*
 * access_log.c - see access_log.h.
 */
#include "access_log.h"

#include "host-sample/base/log.h"

#include <stdio.h>

void access_log_write(const struct host_config *config, const struct access *access) {
    char status[16];
    char milliseconds[32];
    if (config->log.access != HOST_YES) {
        return;
    }
    (void)snprintf(status, sizeof status, "%u", access->status);
    (void)snprintf(milliseconds, sizeof milliseconds, "%llu.%03llu",
                   (unsigned long long)access->took_us / 1000,
                   (unsigned long long)access->took_us % 1000);
    const struct log_field fields[] = {
        {"request", access->what},
        {"request_run_id", access->run_id},
        {"request_snapshot_id", access->snapshot_id},
        {"status", status},
        {"milliseconds", milliseconds},
        {"served_by", access->served_by},
        {"traceparent", trace_context_field(access->trace)},
        {NULL, NULL},
    };
    log_write(LOG_LEVEL_INFO, "access", fields);
}
