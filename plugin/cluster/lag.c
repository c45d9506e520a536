/*
 * lag.c - see lag.h.
 */
#include "lag.h"

#include <string.h>

/* Of all entries but the oldest and the newest the one without which the gap is the smallest part
 * of its age; so the gaps stay in proportion to their ages. */
static uint32_t least_missed(const struct lag_history *history, uint64_t now_ns) {
    uint32_t least = 1;
    double least_part = 2;
    for (uint32_t i = 1; i + 1 < history->count; i++) {
        const uint64_t before_ns = history->entries[i - 1].at_ns;
        const uint64_t gap_ns = history->entries[i + 1].at_ns - before_ns;
        const double part = (double)gap_ns / (double)(now_ns - before_ns);
        if (part < least_part) {
            least_part = part;
            least = i;
        }
    }
    return least;
}

static void make_room(struct lag_history *history, uint64_t now_ns) {
    const uint32_t gone = least_missed(history, now_ns);
    history->entries[gone + 1].apart |= history->entries[gone].apart;
    history->count--;
    memmove(&history->entries[gone], &history->entries[gone + 1],
            (history->count - gone) * sizeof history->entries[0]);
}

void lag_note_primary(struct lag_history *history, uint64_t instance, uint64_t position,
                      uint64_t at_ns) {
    if (history->count > 0) {
        const uint32_t last = history->count - 1;
        const bool is_lower = position < history->entries[last].position;
        if (is_lower && instance != history->instance) {
            lag_forget(history);
        } else if (is_lower || at_ns <= history->entries[last].at_ns) {
            return; /* it was answered, or asked, before what was heard last */
        }
    }
    history->interrupted |= instance != history->instance;
    history->instance = instance;
    if (history->count == LAG_HISTORY) {
        make_room(history, at_ns);
    }
    history->entries[history->count].at_ns = at_ns;
    history->entries[history->count].position = position;
    history->entries[history->count].apart = history->interrupted;
    history->interrupted = false;
    history->count++;
}

void lag_interrupt(struct lag_history *history) {
    history->interrupted = true;
}

void lag_forget(struct lag_history *history) {
    history->count = 0;
}

uint64_t lag_reached_ns(const struct lag_history *history, uint64_t position) {
    uint32_t low = 0;
    uint32_t high = history->count; /* entries below low are reached, those from high on are not */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (history->entries[middle].position <= position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return 0;
    }
    if (low == history->count || history->entries[low].apart) {
        return history->entries[low - 1].at_ns;
    }
    const uint64_t from = history->entries[low - 1].position;
    const uint64_t from_ns = history->entries[low - 1].at_ns;
    const double part = (double)(position - from) / (double)(history->entries[low].position - from);
    return from_ns + (uint64_t)(part * (double)(history->entries[low].at_ns - from_ns));
}
