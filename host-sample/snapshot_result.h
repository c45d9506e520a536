/*
 * snapshot_result.h - a snapshot statement's result, gone through and put in order.
 *
 * A result is gone through whole before anything is said of it, so an answer that was found can be
 * written. Nothing here depends on the order in which the rows come.
 */
#ifndef SNAPSHOT_RESULT_H
#define SNAPSHOT_RESULT_H

#include "snapshot_rows.h"

/* One row too many, from the lean statement, shows what the limit has cut off. */
#define SNAPSHOT_RESULT_MOST_PLACES (SNAPSHOT_MOST_ROWS + 1)

/* A snapshot's row, as far as its place among the others goes. */
struct snapshot_place {
    int64_t created_at;
    struct text id;
    int row;
    bool linked; /* lean rows only: it has completed waitpoints */
};

struct snapshot_result {
    struct snapshot_place newest_first[SNAPSHOT_RESULT_MOST_PLACES];
    int count; /* of the newer snapshots, at most SNAPSHOT_MOST_ROWS */
    int links; /* of the latest to waitpoints, whether or not the waitpoint is there */
    bool missing;
    bool lean;
    bool needs_full;
};

/* False if the result is malformed. It points into `result` afterwards. */
bool snapshot_result_read(struct snapshot_result *read, const PGresult *result);

/* By bytes, as the statement's COLLATE "C" does. */
int text_compare(const struct text *a, const struct text *b);

/* The ids of a snapshot's "completedWaitpointOrder", sorted, the places of one ascending. NULLs
 * count as places and are left out. */
struct occurrence {
    struct text id;
    int index; /* 0-based place in the order */
};
struct occurrences {
    struct occurrence *sorted; /* to be freed; NULL if there are none */
    size_t count;
};

/* Of a lean or full row. False if out of memory. */
bool occurrences_read(struct occurrences *occurrences, const struct row *row);

#endif
