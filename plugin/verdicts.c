/*
 * verdicts.c - the table of verdicts.
 *
 * Counted is exactly a row that the replica had missed and that was then found, by who found it; a
 * genuine miss and a failure are not, so that bogus ids and outages cannot pollute the lag metric.
 * WARN is exactly the primary serving a replica's miss: the writer was touched.
 */
#include "verdicts.h"

#define DONE(verdict_, served_by_, log_level_, failed_during_, message_)                           \
    {                                                                                              \
        .struct_size = sizeof(struct rp_step), .kind = RP_STEP_DONE, .verdict = (verdict_),        \
        .served_by = (served_by_), .log_level = (log_level_), .failed_during = (failed_during_),   \
        .message = (message_)                                                                      \
    }
#define FOUND(served_by, log_level, message)                                                       \
    DONE(RP_VERDICT_FOUND, served_by, log_level, NULL, message)
#define NOT_FOUND(served_by, failed_during, message)                                               \
    DONE(RP_VERDICT_NOT_FOUND, served_by, RP_LOG_ERROR, failed_during, message)
#define FAILED(failed_during, message)                                                             \
    DONE(RP_VERDICT_FAILED, RP_SERVED_BY_NONE, RP_LOG_ERROR, failed_during, message)

static const char replica_retry[] = "replica_retry";
static const char primary_fallback[] = "primary_fallback";
static const char primary_budget[] = "primary_budget";

const struct rp_verdict_entry rp_verdicts[END_COUNT] = {
    [END_FOUND_DIRECT] = {FOUND(RP_SERVED_BY_PRIMARY, RP_LOG_NONE, "served by the primary"),
                          COUNTER_NONE},
    [END_FOUND_REPLICA] = {FOUND(RP_SERVED_BY_REPLICA, RP_LOG_NONE, "served by the replica"),
                           COUNTER_NONE},
    [END_FOUND_RETRY] = {FOUND(RP_SERVED_BY_REPLICA_RETRY, RP_LOG_NONE,
                               "missed on the replica, served by a retry there"),
                         COUNTER_MISS_REPLICA_RETRY},
    [END_FOUND_PRIMARY] = {FOUND(RP_SERVED_BY_PRIMARY, RP_LOG_WARN,
                                 "missed on the replica, served by the primary"),
                           COUNTER_MISS_PRIMARY},
    [END_FOUND_FAILOVER] = {FOUND(RP_SERVED_BY_PRIMARY, RP_LOG_NONE,
                                  "failed on the replica, served by the primary"),
                            COUNTER_NONE},
    [END_NOT_FOUND_DIRECT] = {NOT_FOUND(RP_SERVED_BY_PRIMARY, NULL, "not found on the primary"),
                              COUNTER_NONE},
    [END_NOT_FOUND_REPLICA] = {NOT_FOUND(RP_SERVED_BY_REPLICA, NULL, "not found on the replica"),
                               COUNTER_NONE},
    [END_NOT_FOUND_PRIMARY] = {NOT_FOUND(RP_SERVED_BY_PRIMARY, primary_fallback,
                                         "not found on the replica, nor on the primary"),
                               COUNTER_NONE},
    [END_ABSENT_REPLICA] = {NOT_FOUND(RP_SERVED_BY_REPLICA, NULL,
                                      "proven absent: not on the replica, which had reached the "
                                      "primary's position"),
                            COUNTER_PROVEN_ABSENT},
    [END_ABSENT_RETRY] = {NOT_FOUND(RP_SERVED_BY_REPLICA_RETRY, replica_retry,
                                    "proven absent: not on the replica, which had reached the "
                                    "primary's position"),
                          COUNTER_PROVEN_ABSENT},
    [END_FAILED_DIRECT] = {FAILED(NULL, "the read of the primary failed"), COUNTER_NONE},
    [END_FAILED_REPLICA] = {FAILED(NULL, "the read of the replica failed"), COUNTER_NONE},
    [END_FAILED_RETRY] = {FAILED(replica_retry,
                                 "missed on the replica, and the retry there failed"),
                          COUNTER_NONE},
    [END_FAILED_PRIMARY] = {FAILED(primary_fallback,
                                   "not served by the replica, and the read of the primary failed"),
                            COUNTER_NONE},
    [END_SHED] = {DONE(RP_VERDICT_SHED, RP_SERVED_BY_NONE, RP_LOG_ERROR, primary_budget,
                       "not served by the replica, and the primary's budget is used up"),
                  COUNTER_PRIMARY_SHED},
    [END_BROKEN] = {FAILED(NULL,
                           "the host reported an outcome that the step under way cannot have"),
                    COUNTER_NONE},
};

const struct rp_step rp_bad_begin =
    FAILED(NULL, "begin was called with a NULL argument or a struct_size below that of ABI 1.0");
const struct rp_step rp_bad_next = FAILED(
    NULL, "next was called with a NULL argument, a struct_size below that of ABI 1.0, or for a "
          "read that was not begun");
