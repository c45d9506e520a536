/*
 * result.h - the orders of ids that results are read and written in.
 */
#ifndef SNAPSHOT_RESULT_H
#define SNAPSHOT_RESULT_H

#include "read.h"

/* By bytes. Runners compare ids by code unit, which is the same except for characters beyond
 * U+FFFF, and no id has those. */
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

/* The waitpoints of the latest snapshot that exist, in the byte order of their ids. Each is there
 * once, however often it is linked or stored: the unique indexes that forbid it may be lost. */
struct waitpoint {
    struct text id;
    int row; /* in snapshot_result.source */
};
struct waitpoints {
    struct waitpoint *sorted; /* to be freed */
    size_t count;
};

/* The rows have been read before. False if out of memory. */
bool waitpoints_read(struct waitpoints *waitpoints, const struct snapshot_result *read);

#endif
