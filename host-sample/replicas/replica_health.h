/*
 * replica_health.h - what one worker remembers of a replica's failures.
 *
 * After a failure the host backs off from a replica, so that a bad one costs a few reads and not
 * every read: while others are up it is not offered to the policy. A silent one (no answer in time)
 * is not asked at all during the back-off, not even if it is the only one: each question would cost
 * a timeout. After the back-off one read is let through to try it.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef REPLICA_HEALTH_H
#define REPLICA_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum replica_failure {
    REPLICA_FAILED_ONCE, /* says nothing about the next read: cancelled by recovery, for instance */
    REPLICA_BROKEN,      /* an error, or a lost link */
    REPLICA_SILENT       /* no answer in time */
};

struct replica_health {
    uint32_t failures; /* in a row, those of REPLICA_FAILED_ONCE not counted */
    bool silent;       /* the last of them was a silence */
    uint64_t left_alone_until_ns;
    uint64_t answered_ns; /* when it last answered a read, 0: never. One that answers other reads is
                             slow, not silent */
};

/* What a failed statement's SQLSTATE says about the replica; "" for a lost link. */
enum replica_failure replica_failure_of(const char *sqlstate);

/* `random`: 64 random bits, for the jitter of the back-off. */
void replica_health_failed(struct replica_health *health, enum replica_failure failure,
                           uint64_t now_ns, uint64_t random);
void replica_health_answered(struct replica_health *health, uint64_t now_ns);

bool replica_health_is_left_alone(const struct replica_health *health, uint64_t now_ns);

/* Whether a read may be sent now. For a silent replica whose back-off is over, this read tries it;
 * others are refused until it is answered, or for timeout_ns. */
bool replica_health_may_ask(struct replica_health *health, uint64_t now_ns, uint64_t timeout_ns);

#endif
