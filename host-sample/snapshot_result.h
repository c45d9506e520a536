/*
 * snapshot_result.h - what is inside a struct snapshot_result, for those that write answers.
 *
 * A result is gone through whole before anything is said of it, so an answer that was found can be
 * written. Nothing here depends on the order in which the rows come.
 */
#ifndef SNAPSHOT_RESULT_H
#define SNAPSHOT_RESULT_H

#include "snapshot_read.h"

/* Whether row `number` is a link of the latest snapshot; `row` is then filled in. */
bool snapshot_result_link(const struct snapshot_result *read, int number, struct row *row);

/* By bytes. Runners compare ids by code unit, which is the same but for characters beyond U+FFFF,
 * and no id has those. */
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
