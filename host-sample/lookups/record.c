/*
 * record.c - see record.h.
 */
#include "record.h"

#include "host-sample/base/log.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/probes.h"

#include <stdio.h>
#include <string.h>

#define FLOOD_DIGITS 24

const uint32_t lookup_latency_bounds_us[LOOKUP_LATENCY_BUCKETS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,  25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000};

uint32_t lookup_status(int32_t verdict) {
    switch (verdict) {
    case RP_VERDICT_FOUND:
        return 200;
    case RP_VERDICT_NOT_FOUND:
        return 404;
    case RP_VERDICT_SHED:
        return 429;
    default:
        return 503;
    }
}

const char *lookup_served_by(int32_t served_by) {
    switch (served_by) {
    case RP_SERVED_BY_REPLICA:
        return "replica";
    case RP_SERVED_BY_REPLICA_RETRY:
        return "replica_retry";
    case RP_SERVED_BY_PRIMARY:
        return "primary";
    default:
        return NULL;
    }
}

static void count(struct lookup_counters *counters, const struct lookup_end *end) {
    uint32_t bucket = 0;
    while (bucket < LOOKUP_LATENCY_BUCKETS && end->took_us > lookup_latency_bounds_us[bucket]) {
        bucket++;
    }
    counter_add(&counters->verdicts[end->verdict], 1);
    counter_add(&counters->served_by[end->served_by], 1);
    counter_add(&counters->latency[bucket], 1);
    counter_add(&counters->latency_sum_us, end->took_us);
}

static const char *non_empty(const char *text) {
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static enum log_kind kind_of(const struct lookup_end *end) {
    if (end->verdict == RP_VERDICT_FOUND) {
        return LOG_PRIMARY_SERVED;
    }
    return end->verdict == RP_VERDICT_NOT_FOUND ? LOG_NOT_FOUND : LOG_FAILED;
}

static void log_end(const struct lookup_service *service, const struct lookup_end *end) {
    const struct log_field fields[] = {
        LOG_TEXT("run_id", end->request->run.text),
        LOG_TEXT("snapshot_id", end->request->snapshot.text),
        LOG_TEXT("environment_id",
                 end->request->environment.length > 0 ? end->request->environment.text : NULL),
        LOG_TEXT("failed_during", end->failed_during),
        LOG_TEXT("error", non_empty(end->error)),
        LOG_TEXT("traceparent", trace_context_field(&end->request->trace)),
        LOG_END,
    };
    log_write_limited(service->log, kind_of(end),
                      end->log_level == RP_LOG_WARN ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
                      end->message, fields);
}

/* Counts one more. Whether it is time for a line; then `number` is what that is to say. */
static bool count_flood(struct flood *flood, char number[FLOOD_DIGITS]) {
    const uint64_t now = monotonic_ns();
    counter_add_shared(&flood->unlogged, 1);
    uint64_t next = counter_value(&flood->next_log_ns);
    if (now < next || !atomic_compare_exchange_strong_explicit(
                          &flood->next_log_ns, &next, now + UINT64_C(1000000000),
                          memory_order_relaxed, memory_order_relaxed)) {
        return false;
    }
    (void)snprintf(
        number, FLOOD_DIGITS, "%llu",
        (unsigned long long)atomic_exchange_explicit(&flood->unlogged, 0, memory_order_relaxed));
    return true;
}

/* About this one, with the number. */
static void log_shed(struct lookup_service *service, const struct lookup_end *end) {
    char number[FLOOD_DIGITS];
    if (!count_flood(&service->shed, number)) {
        return;
    }
    const struct log_field fields[] = {
        LOG_TEXT("run_id", end->request->run.text),
        LOG_TEXT("snapshot_id", end->request->snapshot.text),
        LOG_TEXT("failed_during", end->failed_during),
        LOG_NUMBER("shed", number),
        LOG_TEXT("traceparent", trace_context_field(&end->request->trace)),
        LOG_END,
    };
    log_write(service->log, LOG_LEVEL_ERROR, end->message, fields);
}

static void log_refused(struct log *log, struct flood *flood, const char *message) {
    char number[FLOOD_DIGITS];
    if (count_flood(flood, number)) {
        const struct log_field fields[] = {LOG_NUMBER("refused", number), LOG_END};
        log_write(log, LOG_LEVEL_ERROR, message, fields);
    }
}

void lookup_record_refused(struct lookup_service *service) {
    log_refused(service->log, &service->refused, "lookups refused: max_lookups are under way");
}

void connection_record_refused(struct lookup_service *service) {
    log_refused(service->log, &service->refused_connections,
                "connections refused: max_connections are open");
}

static void remember(struct lookup_service *service, const struct lookup_end *end) {
    const char *error = non_empty(end->error);
    struct miss miss = {.verdict = end->verdict, .served_by = end->served_by};
    (void)strlcpy(miss.run, end->request->run.text, sizeof miss.run);
    (void)strlcpy(miss.snapshot, end->request->snapshot.text, sizeof miss.snapshot);
    (void)strlcpy(miss.failed_during, end->failed_during != NULL ? end->failed_during : "",
                  sizeof miss.failed_during);
    (void)snprintf(miss.text, sizeof miss.text, "%s%s%s", end->message, error != NULL ? ": " : "",
                   error != NULL ? error : "");
    misses_add(&service->misses, &miss);
}

void lookup_record(struct lookups *lookups, const struct lookup_end *end) {
    PROBE_LOOKUP_DONE(end->lookup, end->verdict, end->served_by, end->took_us);
    count(&lookups->counters, end);
    if (end->verdict == RP_VERDICT_SHED) {
        log_shed(lookups->service, end);
    } else if (end->log_level != RP_LOG_NONE) {
        log_end(lookups->service, end);
    }
    if (end->verdict != RP_VERDICT_FOUND || end->log_level != RP_LOG_NONE) {
        remember(lookups->service, end);
    }
    if (lookups->config->log.access == HOST_YES) {
        lookups->access = (struct access){
            .what = "snapshots since",
            .run_id = end->request->run.text,
            .snapshot_id = end->request->snapshot.text,
            .served_by = lookup_served_by(end->served_by),
            .trace = &end->request->trace,
            .began_ns = end->began_ns,
        };
    }
}
