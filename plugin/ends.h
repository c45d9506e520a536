/*
 * ends.h - how a read can end, and what each end means to the host.
 *
 * Each is one line of a table. Exactly the rows that the replica missed and that were then found
 * are counted, by who found them; genuine misses and failures are not, so that bogus ids and
 * outages cannot pollute the lag metric; nor is a replica that was only behind the wanted
 * position. WARN means exactly that the primary served a replica's miss: the writer was touched.
 */
#ifndef ENDS_H
#define ENDS_H

#include "read_policy.h"

/* clang-format off */
#define RP_ENDS(END)                                                                                                         \
    /*  name                   verdict    served by      log    failed during       counter             message */           \
    END(END_FOUND_DIRECT,      FOUND,     PRIMARY,       NONE,  NULL,               NONE,               "served by the primary") \
    END(END_FOUND_REPLICA,     FOUND,     REPLICA,       NONE,  NULL,               NONE,               "served by the replica") \
    END(END_FOUND_RETRY,       FOUND,     REPLICA_RETRY, NONE,  NULL,               MISS_REPLICA_RETRY, "missed on the replica, served by a retry there") \
    END(END_FOUND_PRIMARY,     FOUND,     PRIMARY,       WARN,  NULL,               MISS_PRIMARY,       "missed on the replica, served by the primary") \
    END(END_FOUND_FAILOVER,    FOUND,     PRIMARY,       NONE,  NULL,               NONE,               "failed on the replica, served by the primary") \
    END(END_FOUND_REACHED,     FOUND,     REPLICA_RETRY, NONE,  NULL,               NONE,               "behind the wanted position at first, served by a replica that has reached it") \
    END(END_FOUND_FLOOR,       FOUND,     PRIMARY,       NONE,  NULL,               NONE,               "no replica is known to have reached the wanted position, served by the primary") \
    END(END_NOT_FOUND_DIRECT,  NOT_FOUND, PRIMARY,       ERROR, NULL,               NONE,               "not found on the primary") \
    END(END_NOT_FOUND_REPLICA, NOT_FOUND, REPLICA,       ERROR, NULL,               NONE,               "not found on the replica") \
    END(END_NOT_FOUND_PRIMARY, NOT_FOUND, PRIMARY,       ERROR, "primary_fallback", NONE,               "not found on the replica, nor on the primary") \
    END(END_NOT_FOUND_ALONE,   NOT_FOUND, PRIMARY,       ERROR, "primary_fallback", NONE,               "not found on the primary, and no replica could answer") \
    END(END_ABSENT_REPLICA,    NOT_FOUND, REPLICA,       ERROR, NULL,               PROVEN_ABSENT,      "proven absent: not on the replica, which had reached the primary's position") \
    END(END_ABSENT_RETRY,      NOT_FOUND, REPLICA_RETRY, ERROR, "replica_retry",    PROVEN_ABSENT,      "proven absent: not on the replica, which had reached the primary's position") \
    END(END_FAILED_DIRECT,     FAILED,    NONE,          ERROR, NULL,               NONE,               "the read of the primary failed") \
    END(END_FAILED_REPLICA,    FAILED,    NONE,          ERROR, NULL,               NONE,               "the read of the replica failed") \
    END(END_FAILED_OUT,        FAILED,    NONE,          ERROR, NULL,               NONE,               "there are replicas, but none may be asked now") \
    END(END_FAILED_FLOOR,      FAILED,    NONE,          ERROR, NULL,               NONE,               "no replica is known to have reached the caller's position") \
    END(END_FAILED_RETRY,      FAILED,    NONE,          ERROR, "replica_retry",    NONE,               "not served by the replica at first, and the retry there failed") \
    END(END_FAILED_PRIMARY,    FAILED,    NONE,          ERROR, "primary_fallback", NONE,               "not served by the replica, and the read of the primary failed") \
    END(END_SHED,              SHED,      NONE,          ERROR, "primary_budget",   PRIMARY_SHED,       "not served by the replica, and the primary's budget is used up") \
    END(END_BROKEN,            FAILED,    NONE,          ERROR, NULL,               NONE,               "the host reported an outcome that the step under way cannot have")

/* The counters of a section, in the order of enum rp_counted: name behind the prefix, help, and the
 * one attribute if there is one. */
#define RP_COUNTERS(COUNTER)                                                                                                 \
    COUNTER(MISS_REPLICA_RETRY, "replica_miss",  RP_MISS_HELP, "outcome", "replica_retry")                                   \
    COUNTER(MISS_PRIMARY,       "replica_miss",  RP_MISS_HELP, "outcome", "primary")                                         \
    COUNTER(PROVEN_ABSENT,      "proven_absent", "Reads of rows that a replica proved absent without a read of the primary's tables.", NULL, NULL) \
    COUNTER(PRIMARY_SHED,       "primary_shed",  "Reads turned away because the primary's budget was used up.", NULL, NULL)
/* clang-format on */
#define RP_MISS_HELP "Reads that missed on the replica and were then found, by what found them."

#define END_NAME(name, ...) name,
enum rp_end { END_NONE, RP_ENDS(END_NAME) END_COUNT };
#undef END_NAME

#define COUNTER_NAME(name, ...) COUNTER_##name,
enum rp_counter { RP_COUNTERS(COUNTER_NAME) COUNTER_COUNT, COUNTER_NONE = COUNTER_COUNT };
#undef COUNTER_NAME

struct rp_end_row {
    struct rp_step step;
    uint32_t counter; /* enum rp_counter that grows by one; COUNTER_NONE for most */
};

/* Indexed by enum rp_end; END_NONE is not used. */
extern const struct rp_end_row rp_ends[END_COUNT];

/* Done steps for calls that break the header's contract, with a message that says how. */
extern const struct rp_step rp_bad_begin;
extern const struct rp_step rp_bad_next;

#endif
