/*
 * lag.h - how long ago the primary was at a position that a replica has reached.
 *
 * The age of the position that the replica has reached, by this process's clock alone: when the
 * primary was there. Between two questions to it the primary is taken to have written evenly, so
 * this is exact to the time between them, or to a tenth of itself. Not while it did not answer:
 * what it has written then may be as old as that.
 */
#ifndef CLUSTER_LAG_H
#define CLUSTER_LAG_H

#include <stdbool.h>
#include <stdint.h>

#define LAG_HISTORY 128u /* any span, the more roughly the longer ago */

/* Where the primary was, and when it was asked. All zero: nothing known. */
struct lag_history {
    struct {
        uint64_t at_ns;
        uint64_t position;
        bool apart;         /* it did not answer, or was not asked, in between */
    } entries[LAG_HISTORY]; /* the oldest first; both grow */
    uint32_t count;
    uint64_t instance; /* of the newest */
    bool interrupted;  /* what comes next is apart */
};

/* A primary that was asked at at_ns was at `position`. One below the last one starts over if
 * another instance tells it (another history); one instance never goes back, but its answers may
 * overtake each other. */
void lag_note_primary(struct lag_history *history, uint64_t instance, uint64_t position,
                      uint64_t at_ns);

/* The primary is not heard for a while. */
void lag_interrupt(struct lag_history *history);

void lag_forget(struct lag_history *history);

/* When the primary was at `position`, or where it was last if that is beyond it; 0: that was before
 * all that is remembered, or nothing is known. */
uint64_t lag_reached_ns(const struct lag_history *history, uint64_t position);

#endif
