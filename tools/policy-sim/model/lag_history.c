/*
 * lag_history.c - a queue: the primary adds at its end, the replica takes from its start.
 */
#include "lag_history.h"

#include <stdlib.h>
#include <string.h>

bool lag_history_init(struct lag_history *history) {
    *history = (struct lag_history){0};
    history->waiting = calloc(LAG_HISTORY_MAX, sizeof *history->waiting);
    return history->waiting != NULL;
}

void lag_history_free(struct lag_history *history) {
    free(history->waiting);
    *history = (struct lag_history){0};
}

/* Makes room at the end: moves all points to the front and, if that frees little, drops every other
 * one, but never the first, which tells how long the replica has not moved. */
static void make_room(struct lag_history *history) {
    size_t count = history->end - history->begin;
    memmove(history->waiting, history->waiting + history->begin, count * sizeof *history->waiting);
    if (count > LAG_HISTORY_MAX / 2) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i += 2) {
            history->waiting[kept++] = history->waiting[i];
        }
        count = kept;
    }
    history->begin = 0;
    history->end = count;
}

void lag_history_primary(struct lag_history *history, uint64_t position, uint64_t now_ns) {
    bool first = history->primary == 0;
    if (position == history->primary) {
        return;
    }
    history->primary = position;
    if (first) {
        return;
    }
    if (history->end == LAG_HISTORY_MAX) {
        make_room(history);
    }
    history->waiting[history->end++] = (struct lag_point){.position = position, .seen_ns = now_ns};
}

bool lag_history_replica(struct lag_history *history, uint64_t position, uint64_t now_ns,
                         uint64_t *lag_ns) {
    const struct lag_point *waiting = history->waiting;
    while (history->begin < history->end && waiting[history->begin].position <= position) {
        history->lag_ns = now_ns - waiting[history->begin].seen_ns;
        history->known = true;
        history->begin++;
    }
    *lag_ns = history->lag_ns;
    if (history->begin < history->end && now_ns - waiting[history->begin].seen_ns > *lag_ns) {
        *lag_ns = now_ns - waiting[history->begin].seen_ns;
    }
    return history->known;
}
