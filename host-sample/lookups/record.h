/*
 * record.h - records a lookup that has ended: counters, log lines, probe.
 */
#ifndef LOOKUP_RECORD_H
#define LOOKUP_RECORD_H

#include "lookup_request.h"
#include "lookups.h"

/* How a lookup ended. All pointers are the caller's; all but request and message may be NULL.
 */
struct lookup_end {
    const void *lookup; /* tells it apart from others, for the probe */
    const struct lookup_request *request;
    int32_t verdict;           /* enum rp_verdict */
    int32_t served_by;         /* enum rp_served_by */
    int32_t log_level;         /* enum rp_log_level */
    const char *message;       /* the log line's */
    const char *failed_during; /* see rp_step */
    const char *error;         /* what a server said last; "" is none */
    uint64_t began_ns;         /* by the monotonic clock */
    uint64_t took_us;
};

/* Upper bounds of the latency histogram's buckets, in microseconds. */
extern const uint32_t lookup_latency_bounds_us[LOOKUP_LATENCY_BUCKETS];

/* The HTTP status that the verdict is answered with. */
uint32_t lookup_status(int32_t verdict);

/* "replica", "replica_retry", "primary", or NULL. */
const char *lookup_served_by(int32_t served_by);

/* Once for each lookup that was begun and is answered, right before its answer: the access log's
 * line is written with that. */
void lookup_record(struct lookups *lookups, const struct lookup_end *end);

/* [thread-safe] In the log: a lookup over max_lookups, a connection over max_connections. */
void lookup_record_refused(struct lookup_service *service);
void connection_record_refused(struct lookup_service *service);

#endif
