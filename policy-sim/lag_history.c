/*
 * lag_history.c - a queue: the primary adds at its end, the replica takes from its begin.
 */
#include "lag_history.h"

#include <stdlib.h>
#include <string.h>

bool lag_history_init(struct lag_history *history) {
    *history = (struct lag_history){0};
    history->points = calloc(LAG_HISTORY_MAX, sizeof *history->points);
    return history->points != NULL;
}

void lag_history_free(struct lag_history *history) {
    free(history->points);
    *history = (struct lag_history){0};
}

/* Makes room at the end: moves all to the front, and if that gives none, forgets every other point,
 * but not the first, which says where the replica is. */
static void make_room(struct lag_history *history) {
    size_t count = history->end - history->begin;
    memmove(history->points, history->points + history->begin, count * sizeof *history->points);
    if (count > LAG_HISTORY_MAX / 2) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i += 2) {
            history->points[kept++] = history->points[i];
        }
        count = kept;
    }
    history->begin = 0;
    history->end = count;
}

void lag_history_primary(struct lag_history *history, uint64_t position, uint64_t at_ns) {
    if (history->end > history->begin && history->points[history->end - 1].position == position) {
        history->points[history->end - 1].at_ns = at_ns;
        return;
    }
    if (history->end == LAG_HISTORY_MAX) {
        make_room(history);
    }
    history->points[history->end++] = (struct lag_point){.position = position, .at_ns = at_ns};
}

bool lag_history_replica(struct lag_history *history, uint64_t position, uint64_t now_ns,
                         uint64_t *lag_ns) {
    const struct lag_point *points = history->points;
    while (history->begin + 1 < history->end && points[history->begin + 1].position <= position) {
        history->begin++;
    }
    if (history->begin == history->end || points[history->begin].position > position) {
        return false;
    }
    uint64_t at_ns = points[history->begin].at_ns;
    *lag_ns = now_ns > at_ns ? now_ns - at_ns : 0;
    return true;
}
