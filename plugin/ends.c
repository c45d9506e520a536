/*
 * ends.c - the table of ends, as data.
 */
#include "ends.h"

#define DONE(verdict_, served_by_, log_level_, failed_during_, counter_, message_)                 \
    {.struct_size = sizeof(struct rp_step),                                                        \
     .kind = RP_STEP_DONE,                                                                         \
     .verdict = RP_VERDICT_##verdict_,                                                             \
     .served_by = RP_SERVED_BY_##served_by_,                                                       \
     .log_level = RP_LOG_##log_level_,                                                             \
     .failed_during = (failed_during_),                                                            \
     .message = "" message_,                                                                       \
     .counted = COUNTED_##counter_}
/* The header's words for the counters; one that has none cannot be in the table. */
#define COUNTED_NONE               RP_COUNTED_NONE
#define COUNTED_MISS_REPLICA_RETRY RP_COUNTED_REPLICA_RETRY
#define COUNTED_MISS_PRIMARY       RP_COUNTED_PRIMARY
#define COUNTED_PROVEN_ABSENT      RP_COUNTED_PROVEN_ABSENT
#define COUNTED_PRIMARY_SHED       RP_COUNTED_PRIMARY_SHED

#define ROW(end, verdict, served_by, log_level, failed_during, counter_, message)                  \
    [end] = {.step = DONE(verdict, served_by, log_level, failed_during, counter_, message),        \
             .counter = COUNTER_##counter_},
const struct rp_end_row rp_ends[END_COUNT] = {RP_ENDS(ROW)};

const struct rp_step rp_bad_begin =
    DONE(FAILED, NONE, ERROR, NULL, NONE,
         "begin was called with a NULL argument or a struct_size below that of ABI 1.0");
const struct rp_step rp_bad_next =
    DONE(FAILED, NONE, ERROR, NULL, NONE,
         "next was called with a NULL argument, a struct_size below that of ABI 1.0, or for a read "
         "that was not begun");
