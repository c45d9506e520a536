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
    int lean, full, nothing, waitpoints;
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
        tally->waitpoints += row->fields[WAITPOINT_ID].bytes != NULL;
        return true;
    case ROW_NOTHING:
        tally->nothing++;
        return true;
    case ROW_MALFORMED:
        read->fault = row->fault;
        break;
    }
    return false;
}

/* Every row is checked. False if they do not belong together: of the full statement there is one
 * row with a head alone, and links only with a snapshot; of the lean one there is such a row or
 * snapshots. */
static bool collect_all(struct snapshot_result *read, struct tally *tally) {
    for (int number = 0; number < read->source.count; number++) {
        if (!collect(read, number, tally)) {
            return false;
        }
    }
    if (read->lean) {
        return tally->nothing == 0 ? tally->lean <= SNAPSHOT_MAX_LEAN_ROWS + 1
                                   : tally->nothing == 1 && tally->lean == 0;
    }
    if (tally->full > 0) {
        read->fault = rows_column_of_other_type(&read->source);
    }
    return tally->nothing == 1 && read->fault == NULL && (tally->full > 0 || read->links == 0);
}

/* ---- what it means ---- */

static bool text_equal(const struct text *a, const struct text *b) {
    return text_compare(a, b) == 0;
}

static bool are_of_question(const struct snapshot_result *read,
                            const struct snapshot_question *asked) {
    for (int i = 0; i < read->count; i++) {
        const struct row *row = &read->rows[read->newest_first[i].row];
        if (!text_equal(&row->fields[SNAPSHOT_RUN_ID], &asked->run) ||
            !text_equal(&row->environment, &asked->environment)) {
            return false;
        }
    }
    return true;
}

static int count_distinct(const struct occurrences *occurrences) {
    int distinct = occurrences->count > 0;
    for (size_t i = 1; i < occurrences->count; i++) {
        distinct += text_compare(&occurrences->sorted[i - 1].id, &occurrences->sorted[i].id) != 0;
    }
    return distinct;
}

/* How many waitpoints so many rows of existing ones are. False if out of memory. */
static bool count_waitpoints(const struct snapshot_result *read, int rows, int *count) {
    *count = rows;
    if (rows > 1) {
        struct waitpoints waitpoints;
        if (!waitpoints_read(&waitpoints, read)) {
            return false;
        }
        *count = (int)waitpoints.count;
        free(waitpoints.sorted);
    }
    return true;
}

/* At the end of each link there must be a waitpoint, and there must be a link for each distinct id
 * in the latest row's order. A link that is there twice makes up for no other. */
static enum snapshot_outcome found_or_partial(struct snapshot_result *read, int rows) {
    const struct row *latest = &read->rows[read->newest_first[0].row];
    const int ordered = row_text_array(latest, SNAPSHOT_ORDER).count;
    int there = 0;
    read->lacking = read->links - rows;
    if (ordered > 0 && !count_waitpoints(read, rows, &there)) {
        return SNAPSHOT_MALFORMED;
    }
    if (ordered > 0 && ordered > there + read->lacking) {
        struct occurrences order;
        if (!occurrences_read(&order, latest)) {
            return SNAPSHOT_MALFORMED;
        }
        const int unlinked = count_distinct(&order) - there;
        read->lacking = unlinked > read->lacking ? unlinked : read->lacking;
        free(order.sorted);
    }
    return read->lacking > 0 ? SNAPSHOT_PARTIAL : SNAPSHOT_FOUND;
}

/* Or the statement does not know. */
static bool has_link(const struct row *row) {
    return row_is_blank(row, LEAN_HAS_LINK) || row_boolean(row, LEAN_HAS_LINK);
}

static bool needs_full(const struct snapshot_result *read, const struct tally *tally) {
    return read->lean && (tally->checkpoints || tally->lean > SNAPSHOT_MAX_LEAN_ROWS ||
                          has_link(&read->rows[read->newest_first[0].row]));
}

static enum snapshot_outcome outcome_of(struct snapshot_result *read,
                                        const struct snapshot_question *asked) {
    struct tally tally = {.lean = 0};
    if (asked->as_replica && !read->head.recovering) {
        return SNAPSHOT_ROLE_CHANGED;
    }
    if (!collect_all(read, &tally) || (!read->head.found && read->count > 0)) {
        return SNAPSHOT_MALFORMED;
    }
    if (read->head.restated || !are_of_question(read, asked)) {
        return SNAPSHOT_FOREIGN;
    }
    if (!read->head.found) {
        return SNAPSHOT_MISSING;
    }
    if (read->count == 0) {
        return SNAPSHOT_FOUND;
    }
    return needs_full(read, &tally) ? SNAPSHOT_NEEDS_FULL
                                    : found_or_partial(read, tally.waitpoints);
}

bool snapshot_read_head(struct snapshot_head *head, const struct result_rows *rows,
                        const struct snapshot_question *asked) {
    if (!rows_have_columns(rows)) {
        return false;
    }
    const struct text text = rows_head(rows);
    return head_read(head, &text, asked);
}

enum snapshot_outcome snapshot_read_rows(struct snapshot_result *read, struct result_rows rows,
                                         const struct snapshot_question *asked,
                                         const struct snapshot_head *head) {
    read->source = rows;
    read->head = *head;
    read->count = 0;
    read->links = 0;
    read->lacking = 0;
    read->fault = NULL;
    read->newest_first[SNAPSHOT_MAX_ROWS].row = SNAPSHOT_MAX_ROWS;
    read->lean = rows_are_lean(&rows);
    read->outcome = outcome_of(read, asked);
    return read->outcome;
}

enum snapshot_outcome snapshot_read(struct snapshot_result *read, struct result_rows rows,
                                    const struct snapshot_question *asked) {
    struct snapshot_head head;
    if (!snapshot_read_head(&head, &rows, asked)) {
        return read->outcome = SNAPSHOT_FOREIGN;
    }
    return snapshot_read_rows(read, rows, asked, &head);
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

/* ---- waitpoints ---- */

static int compare_waitpoints(const void *a, const void *b) {
    const struct waitpoint *left = a, *right = b;
    const int order = text_compare(&left->id, &right->id);
    return order != 0 ? order : (left->row > right->row) - (left->row < right->row);
}

static void drop_repeated(struct waitpoints *waitpoints) {
    size_t kept = 0;
    for (size_t i = 0; i < waitpoints->count; i++) {
        if (kept == 0 || !text_equal(&waitpoints->sorted[i].id, &waitpoints->sorted[kept - 1].id)) {
            waitpoints->sorted[kept++] = waitpoints->sorted[i];
        }
    }
    waitpoints->count = kept;
}

bool waitpoints_read(struct waitpoints *waitpoints, const struct snapshot_result *read) {
    waitpoints->count = 0;
    waitpoints->sorted = malloc((size_t)read->links * sizeof(*waitpoints->sorted));
    if (waitpoints->sorted == NULL) {
        return false;
    }
    for (int number = 0; number < read->source.count; number++) {
        struct text id;
        if (row_waitpoint_id(&read->source, number, &id)) {
            waitpoints->sorted[waitpoints->count++] = (struct waitpoint){id, number};
        }
    }
    qsort(waitpoints->sorted, waitpoints->count, sizeof(*waitpoints->sorted), compare_waitpoints);
    drop_repeated(waitpoints);
    return true;
}
