/*
 * snapshot_result.c - see snapshot_result.h.
 */
#include "snapshot_result.h"

#include <stdlib.h>
#include <string.h>

int text_compare(const struct text *a, const struct text *b) {
    const size_t shorter = a->length < b->length ? a->length : b->length;
    const int order = shorter == 0 ? 0 : memcmp(a->bytes, b->bytes, shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_places(const void *a, const void *b) {
    const struct snapshot_place *left = a, *right = b;
    if (left->created_at != right->created_at) {
        return left->created_at < right->created_at ? 1 : -1;
    }
    return text_compare(&right->id, &left->id);
}

static bool collect_snapshot(struct snapshot_result *read, const struct row *row, int number,
                             bool lean) {
    const int most = lean ? SNAPSHOT_RESULT_MOST_PLACES : SNAPSHOT_MOST_ROWS;
    if (read->count >= most || (read->count > 0 && read->lean != lean)) {
        return false;
    }
    read->newest_first[read->count++] = (struct snapshot_place){
        .created_at = row_time(row, SNAPSHOT_CREATED_AT),
        .id = row->fields[SNAPSHOT_ID],
        .row = number,
        .linked = lean && row_boolean(row, LEAN_HAS_LINK),
    };
    read->lean = lean;
    read->needs_full = read->needs_full || (lean && row_boolean(row, LEAN_HAS_CHECKPOINT));
    return true;
}

/* Checks every row and counts. */
static bool collect_all(struct snapshot_result *read, const PGresult *result) {
    const int count = PQntuples(result);
    for (int number = 0; number < count; number++) {
        struct row row;
        const enum row_kind kind = row_read(result, number, &row);
        if (kind == ROW_MALFORMED) {
            return false;
        }
        if (kind == ROW_WAITPOINT) {
            read->links++;
        } else if (!collect_snapshot(read, &row, number, kind == ROW_LEAN)) {
            return false;
        }
    }
    return read->links == 0 || (read->count > 0 && !read->lean);
}

bool snapshot_result_read(struct snapshot_result *read, const PGresult *result) {
    *read = (struct snapshot_result){.missing = PQntuples(result) == 0};
    if (PQnfields(result) != 1 || PQfformat(result, 0) != 1) {
        return false;
    }
    if (PQntuples(result) == 1 && PQgetisnull(result, 0, 0)) {
        return true; /* nothing new */
    }
    if (!collect_all(read, result)) {
        return false;
    }
    struct snapshot_place *places = read->newest_first;
    qsort(places, (size_t)read->count, sizeof(*places), compare_places);
    if (read->count > SNAPSHOT_MOST_ROWS) {
        const struct snapshot_place *last = &places[SNAPSHOT_MOST_ROWS - 1];
        read->needs_full = read->needs_full || last->created_at == last[1].created_at;
        read->count = SNAPSHOT_MOST_ROWS;
    }
    read->needs_full = read->needs_full || (read->count > 0 && places[0].linked);
    return true;
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
