/*
 * lag.c - see lag.h.
 */
#include "lag.h"

static void thin_out(struct lag_history *history) {
    for (uint32_t i = 0; i < LAG_HISTORY / 2; i++) {
        history->entries[i] = history->entries[2 * i + 1];
    }
    history->count = LAG_HISTORY / 2;
    uint64_t span = history->entries[history->count - 1].at_ns - history->entries[0].at_ns;
    history->least_apart_ns = span / history->count;
}

void lag_note_primary(struct lag_history *history, uint64_t position, uint64_t at_ns) {
    if (history->count > 0) {
        uint32_t last = history->count - 1;
        if (position < history->entries[last].position) {
            lag_forget(history);
        } else if (at_ns <= history->entries[last].at_ns) {
            return; /* an answer that was overtaken by a later question's */
        } else if (last > 0 && at_ns - history->entries[last - 1].at_ns < history->least_apart_ns) {
            history->count--; /* the newest entry is always the newest answer */
        }
    }
    if (history->count == LAG_HISTORY) {
        thin_out(history);
    }
    history->entries[history->count].at_ns = at_ns;
    history->entries[history->count].position = position;
    history->count++;
}

void lag_forget(struct lag_history *history) {
    history->count = 0;
    history->least_apart_ns = 0;
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
    return low == 0 ? 0 : history->entries[low - 1].at_ns;
}
