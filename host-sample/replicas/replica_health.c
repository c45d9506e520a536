/*
 * replica_health.c - doubling, capped, jittered back-off.
 */
#include "replica_health.h"

#include <stddef.h>
#include <string.h>

#define FIRST_BACKOFF_NS UINT64_C(100000000)
#define MAX_BACKOFF_NS   UINT64_C(5000000000)
#define MAX_DOUBLINGS    6u /* 100 ms * 2^6 is over the cap */

enum replica_failure replica_failure_of(const char *sqlstate) {
    /* 40001 and 40P01: a conflict with recovery or a deadlock ended this one statement; 57014: a
     * timeout or an operator did. */
    static const char *const once[] = {"40001", "40P01", "57014"};
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        if (strcmp(sqlstate, once[i]) == 0) {
            return REPLICA_FAILED_ONCE;
        }
    }
    return REPLICA_BROKEN;
}

void replica_health_failed(struct replica_health *health, enum replica_failure failure,
                           uint64_t now_ns, uint64_t random) {
    if (failure == REPLICA_FAILED_ONCE) {
        return;
    }
    health->silent = failure == REPLICA_SILENT;
    /* Reads that were sent before the back-off began fail one after the other: they count as one
     * failure.
     */
    if (replica_health_is_left_alone(health, now_ns) && health->failures > 0) {
        return;
    }
    uint32_t doublings = health->failures < MAX_DOUBLINGS ? health->failures : MAX_DOUBLINGS;
    uint64_t backoff = FIRST_BACKOFF_NS << doublings;
    backoff = backoff < MAX_BACKOFF_NS ? backoff : MAX_BACKOFF_NS;
    /* Between half the back-off and all of it, so that hosts that saw the same failure do not
     * return together.
     */
    health->left_alone_until_ns = now_ns + backoff / 2 + random % (backoff / 2);
    health->failures++;
}

void replica_health_answered(struct replica_health *health, uint64_t now_ns) {
    *health = (struct replica_health){.answered_ns = now_ns};
}

bool replica_health_is_left_alone(const struct replica_health *health, uint64_t now_ns) {
    return now_ns < health->left_alone_until_ns;
}

bool replica_health_may_ask(struct replica_health *health, uint64_t now_ns, uint64_t timeout_ns) {
    if (!health->silent) {
        return true;
    }
    if (replica_health_is_left_alone(health, now_ns)) {
        return false;
    }
    health->left_alone_until_ns = now_ns + timeout_ns;
    return true;
}
