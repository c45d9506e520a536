/*
 * health.c - doubling, capped, jittered back-off.
 */
#include "health.h"

#define FIRST_BACKOFF_NS UINT64_C(100000000)
#define MAX_BACKOFF_NS   UINT64_C(5000000000)
#define MAX_DOUBLINGS    6u /* 100 ms * 2^6 is over the cap */

void health_failed(struct health *health, bool silent, uint64_t now_ns, uint64_t random) {
    health->silent = silent;
    /* Reads that were sent before the back-off fail one after the other: they count as one failure.
     */
    if (health_backs_off(health, now_ns)) {
        return;
    }
    uint32_t doublings = health->failures < MAX_DOUBLINGS ? health->failures : MAX_DOUBLINGS;
    uint64_t backoff = FIRST_BACKOFF_NS << doublings;
    backoff = backoff < MAX_BACKOFF_NS ? backoff : MAX_BACKOFF_NS;
    /* Between half the back-off and all of it, so that hosts that saw the same failure do not
     * return together.
     */
    health->until_ns = now_ns + backoff / 2 + random % (backoff / 2);
    health->failures++;
}

bool health_may_read(struct health *health, uint64_t now_ns, uint64_t timeout_ns) {
    if (!health->silent) {
        return true;
    }
    if (health_backs_off(health, now_ns)) {
        return false;
    }
    health->until_ns = now_ns + timeout_ns;
    return true;
}
