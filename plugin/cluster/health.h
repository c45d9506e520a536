/*
 * health.h - what is remembered about a server's failures.
 *
 * After a failure, reads back off from the server (doubling, capped, jittered), so that a bad one
 * costs a few reads and not every read. A silent one (no answer in time) is not read at all during
 * that time, not even if it is the only one: each read would cost a timeout. After the back-off one
 * read is let through to try it.
 */
#ifndef CLUSTER_HEALTH_H
#define CLUSTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: healthy. */
struct health {
    uint32_t failures;    /* in a row */
    bool silent;          /* the last of them was a silence */
    uint8_t silent_polls; /* in a row, with no answer between them */
    uint64_t until_ns;    /* end of the back-off */
    uint64_t answered_ns; /* when it last answered a read or a question, 0: never. One that answers
                             other reads is slow, not silent */
};

/* random: 64 random bits, for the jitter. */
void health_failed(struct health *health, bool silent, uint64_t now_ns, uint64_t random);

static inline void health_answered(struct health *health, uint64_t now_ns) {
    *health = (struct health){.answered_ns = now_ns};
}

static inline bool health_backs_off(const struct health *health, uint64_t now_ns) {
    return health->failures > 0 && now_ns < health->until_ns;
}

/* Whether a read may be sent now. For a silent server whose back-off is over, this read tries it;
 * others are refused until it is answered, or for timeout_ns. */
bool health_may_read(struct health *health, uint64_t now_ns, uint64_t timeout_ns);

#endif
