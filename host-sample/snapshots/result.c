/*
 * result.c - parses a result and says what it means.
 *
 * A result is checked as a whole before anything is said about it, so an answer that was found can
 * always be written. Nothing here depends on the order in which the rows come.
 */
#include "result.h"

#include <stdlib.h>
#include <string.h>

int text_compare(const struct text *a, const struct text *b) {
    const size_t shorter = a->length < b->length ? a->length : b->length;
    const int order = shorter == 0 ? 0 : memcmp(a->bytes, b->bytes, shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* ---- the rows in order ---- */

static const struct text *id_of(const struct snapshot_result *read,
                                const struct snapshot_place *place) {
    return &read->rows[place->row].fields[SNAPSHOT_ID];
}

static bool is_newer(const struct snapshot_result *read, const struct snapshot_place *one,
                     const struct snapshot_place *other) {
    if (one->created_at != other->created_at) {
        return one->created_at > other->created_at;
    }
    return text_compare(id_of(read, one), id_of(read, other)) > 0;
}

/* The free row: the next one while there is space, else the one that fell out last. */
static int free_row(const struct snapshot_result *read) {
    return read->count < SNAPSHOT_MAX_ROWS ? read->count
                                           : read->newest_first[SNAPSHOT_MAX_ROWS].row;
}

/* Rows come newest first except for ties, so there is hardly ever anything to move. If there are
 * more than an answer may have, the oldest falls out. */
static void insert(struct snapshot_result *read, int index) {
    const struct snapshot_place place = {row_time(&read->rows[index], SNAPSHOT_CREATED_AT), index};
    int at = read->count;
    while (at > 0 && is_newer(read, &place, &read->newest_first[at - 1])) {
        read->newest_first[at] = read->newest_first[at - 1];
        at--;
    }
    read->newest_first[at] = place;
    read->count += read->count < SNAPSHOT_MAX_ROWS;
}

/* ---- all rows ---- */

/* How many rows there are of each kind. */
struct tally {
    int lean, full, nothing;
    bool checkpoints; /* that the lean statement left out */
};

static bool collect(struct snapshot_result *read, int number, struct tally *tally) {
    const int index = free_row(read);
    struct row *row = &read->rows[index];
    switch (row_read(&read->source, number, row)) {
    case ROW_LEAN:
        tally->lean++;
        tally->checkpoints = tally->checkpoints || row_boolean(row, LEAN_HAS_CHECKPOINT);
        insert(read, index);
        return true;
    case ROW_FULL:
        tally->full++;
        insert(read, index);
        return true;
    case ROW_WAITPOINT:
        read->links++;
        return true;
    case ROW_NOTHING:
        tally->nothing++;
        return true;
    case ROW_MALFORMED:
        break;
    }
    return false;
}

/* Every row is checked. False if they do not belong together. */
static bool collect_all(struct snapshot_result *read, struct tally *tally) {
    for (int number = 0; number < read->source.count; number++) {
        if (!collect(read, number, tally)) {
            return false;
        }
    }
    if (tally->nothing > 0) {
        return read->source.count == 1;
    }
    return tally->lean > 0 ? tally->lean <= SNAPSHOT_MAX_LEAN_ROWS + 1 : tally->full > 0;
}

/* ---- what it means ---- */

static size_t count_distinct(const struct occurrences *occurrences) {
    size_t distinct = occurrences->count > 0;
    for (size_t i = 1; i < occurrences->count; i++) {
        distinct += text_compare(&occurrences->sorted[i - 1].id, &occurrences->sorted[i].id) != 0;
    }
    return distinct;
}

static enum snapshot_outcome found_or_partial(const struct snapshot_result *read,
                                              const struct row *latest) {
    struct occurrences order;
    if (row_text_array(latest, SNAPSHOT_ORDER).count <= read->links) {
        return SNAPSHOT_FOUND;
    }
    if (!occurrences_read(&order, latest)) {
        return SNAPSHOT_MALFORMED;
    }
    const bool partial = (size_t)read->links < count_distinct(&order);
    free(order.sorted);
    return partial ? SNAPSHOT_PARTIAL : SNAPSHOT_FOUND;
}

static enum snapshot_outcome outcome_of(struct snapshot_result *read) {
    const struct result_rows *rows = &read->source;
    struct tally tally = {.lean = 0};
    if (!rows_have_columns(rows)) {
        return SNAPSHOT_MALFORMED;
    }
    if (rows->count == 0) {
        return SNAPSHOT_MISSING;
    }
    if (!collect_all(read, &tally)) {
        return SNAPSHOT_MALFORMED;
    }
    if (tally.nothing > 0) {
        return SNAPSHOT_FOUND;
    }
    const struct row *latest = &read->rows[read->newest_first[0].row];
    read->lean = tally.lean > 0;
    if (read->lean && (tally.checkpoints || tally.lean > SNAPSHOT_MAX_LEAN_ROWS ||
                       row_boolean(latest, LEAN_HAS_LINK))) {
        return SNAPSHOT_NEEDS_FULL;
    }
    return found_or_partial(read, latest);
}

enum snapshot_outcome snapshot_read(struct snapshot_result *read, struct result_rows rows) {
    read->source = rows;
    read->lean = false;
    read->count = 0;
    read->links = 0;
    read->newest_first[SNAPSHOT_MAX_ROWS].row = SNAPSHOT_MAX_ROWS;
    read->outcome = outcome_of(read);
    return read->outcome;
}

/* ---- the order of completion ---- */

static int compare_occurrences(const void *a, const void *b) {
    const struct occurrence *left = a, *right = b;
    const int order = text_compare(&left->id, &right->id);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

bool occurrences_read(struct occurrences *occurrences, const struct row *row) {
    struct text_array array = row_text_array(row, SNAPSHOT_ORDER);
    *occurrences = (struct occurrences){.count = 0};
    if (array.count == 0) {
        return true;
    }
    occurrences->sorted = malloc((size_t)array.count * sizeof(*occurrences->sorted));
    if (occurrences->sorted == NULL) {
        return false;
    }
    struct text id;
    for (int index = 0; text_array_next(&array, &id); index++) {
        if (id.bytes != NULL) {
            occurrences->sorted[occurrences->count++] =
                (struct occurrence){.id = id, .index = index};
        }
    }
    qsort(occurrences->sorted, occurrences->count, sizeof(*occurrences->sorted),
          compare_occurrences);
    return true;
}
