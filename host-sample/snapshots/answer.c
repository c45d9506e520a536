/*
 * answer.c - the JSON of a snapshot statement's result.
 *
 * Completed waitpoints are listed in the byte order of their ids.
 */
#include "host-sample/base/json_string.h"
#include "host-sample/base/utc_date.h"
#include "read.h"
#include "result.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define LITERAL BYTE_BUFFER_LITERAL

/* ---- pieces of JSON ---- */

static void put_string(struct byte_buffer *out, struct text text) {
    json_string_append(out, text.bytes, text.length);
}

static void put_date(struct byte_buffer *out, int64_t unix_ms) {
    char date[UTC_DATE_LENGTH];
    utc_date_print(unix_ms, date);
    LITERAL(out, "\"");
    byte_buffer_append(out, date, sizeof(date));
    LITERAL(out, "\"");
}

/* "prefix" and the id in one string; the id alone if it begins with the prefix. */
static void put_friendly_id(struct byte_buffer *out, const char *prefix, struct text id) {
    const size_t length = strlen(prefix);
    if (id.length >= length && memcmp(id.bytes, prefix, length) == 0) {
        put_string(out, id);
        return;
    }
    const size_t start = out->length;
    byte_buffer_append(out, prefix, length);
    put_string(out, id);
    if (!out->failed) {
        /* The string's quote came after the prefix; it belongs before it. */
        memmove(out->data + start + 1, out->data + start, length);
        out->data[start] = '"';
    }
}

/* {"id":...,"friendlyId":... without the closing brace. */
static void put_reference(struct byte_buffer *out, const char *prefix, struct text id) {
    LITERAL(out, "{\"id\":");
    put_string(out, id);
    LITERAL(out, ",\"friendlyId\":");
    put_friendly_id(out, prefix, id);
}

static const char run_prefix[] = "run_";
static const char snapshot_prefix[] = "snapshot_";
static const char batch_prefix[] = "batch_";

/* ,"name":{"id":...,"friendlyId":...} or nothing, if there is no id. */
static void put_batch(struct byte_buffer *out, const char *name, struct text id) {
    if (id.length > 0) {
        byte_buffer_append_text(out, name);
        put_reference(out, batch_prefix, id);
        LITERAL(out, "}");
    }
}

/* ---- completed waitpoints ---- */

static void put_completed_by_run(struct byte_buffer *out, const struct row *row,
                                 struct text batch_id) {
    if (!row_is_blank(row, WAITPOINT_COMPLETED_BY_RUN)) {
        LITERAL(out, ",\"completedByTaskRun\":");
        put_reference(out, run_prefix, row->fields[WAITPOINT_COMPLETED_BY_RUN]);
        put_batch(out, ",\"batch\":", batch_id);
        LITERAL(out, "}");
    }
}

static void put_unconditional_fields(struct byte_buffer *out, const struct row *row,
                                     int64_t now_ms) {
    LITERAL(out, "{\"id\":");
    put_string(out, row->fields[WAITPOINT_ID]);
    LITERAL(out, ",\"friendlyId\":");
    put_string(out, row->fields[WAITPOINT_FRIENDLY_ID]);
    LITERAL(out, ",\"type\":");
    put_string(out, row->fields[WAITPOINT_TYPE]);
    LITERAL(out, ",\"outputType\":");
    put_string(out, row->fields[WAITPOINT_OUTPUT_TYPE]);
    LITERAL(out, ",\"outputIsError\":");
    byte_buffer_append_text(out, row_boolean(row, WAITPOINT_OUTPUT_IS_ERROR) ? "true" : "false");
    LITERAL(out, ",\"completedAt\":");
    put_date(out, row->fields[WAITPOINT_COMPLETED_AT].bytes == NULL
                      ? now_ms
                      : row_unix_ms(row, WAITPOINT_COMPLETED_AT));
}

/* index: -1 if the waitpoint is not in the order. */
static void put_waitpoint(struct byte_buffer *out, const struct row *row, struct text batch_id,
                          int index, int64_t now_ms) {
    put_unconditional_fields(out, row, now_ms);
    if (index >= 0) {
        LITERAL(out, ",\"index\":");
        byte_buffer_append_signed(out, index);
    }
    if (row_boolean(row, WAITPOINT_USER_PROVIDED) && row_is_blank(row, WAITPOINT_INACTIVE_KEY)) {
        LITERAL(out, ",\"idempotencyKey\":");
        put_string(out, row->fields[WAITPOINT_IDEMPOTENCY_KEY]);
    }
    put_completed_by_run(out, row, batch_id);
    if (row->fields[WAITPOINT_COMPLETED_AFTER].bytes != NULL) {
        LITERAL(out, ",\"completedAfter\":");
        put_date(out, row_unix_ms(row, WAITPOINT_COMPLETED_AFTER));
    }
    put_batch(out, ",\"completedByBatch\":", row->fields[WAITPOINT_COMPLETED_BY_BATCH]);
    if (row->fields[WAITPOINT_OUTPUT].bytes != NULL) {
        LITERAL(out, ",\"output\":");
        put_string(out, row->fields[WAITPOINT_OUTPUT]);
    }
    LITERAL(out, "}");
}

/* Both are sorted by id, so one pass over both suffices. What is too long for any client is not
 * written to its end. */
static void put_waitpoints(struct byte_buffer *out, const struct result_rows *source,
                           const struct waitpoints *waitpoints, const struct occurrences *order,
                           struct text batch_id, int64_t now_ms) {
    size_t place = 0;
    for (size_t i = 0; i < waitpoints->count; i++) {
        const struct waitpoint *waitpoint = &waitpoints->sorted[i];
        struct row row;
        row_read_waitpoint(source, waitpoint->row, &row);
        const char *comma = i > 0 ? "," : "";
        int entries = 0, compared = -1;
        while (place < order->count &&
               (compared = text_compare(&order->sorted[place].id, &waitpoint->id)) <= 0) {
            if (compared == 0) {
                byte_buffer_append_text(out, entries++ > 0 ? "," : comma);
                put_waitpoint(out, &row, batch_id, order->sorted[place].index, now_ms);
                out->failed = out->failed || out->length > SNAPSHOT_MAX_ANSWER_BYTES;
            }
            place++;
        }
        if (entries == 0) {
            byte_buffer_append_text(out, comma);
            put_waitpoint(out, &row, batch_id, -1, now_ms);
        }
    }
}

/* Of the latest snapshot. */
static void put_completed_waitpoints(struct byte_buffer *out, const struct snapshot_result *read,
                                     const struct row *latest, int64_t now_ms) {
    struct waitpoints waitpoints;
    struct occurrences order = {.sorted = NULL};
    if (waitpoints_read(&waitpoints, read) && occurrences_read(&order, latest)) {
        put_waitpoints(out, &read->source, &waitpoints, &order, latest->fields[SNAPSHOT_BATCH_ID],
                       now_ms);
    } else {
        out->failed = true;
    }
    free(order.sorted);
    free(waitpoints.sorted);
}

/* ---- snapshots ---- */

static void put_run(struct byte_buffer *out, const struct row *row) {
    LITERAL(out, ",\"run\":");
    put_reference(out, run_prefix, row->fields[SNAPSHOT_RUN_ID]);
    LITERAL(out, ",\"status\":");
    put_string(out, row->fields[SNAPSHOT_RUN_STATUS]);
    if (row->fields[SNAPSHOT_ATTEMPT_NUMBER].bytes != NULL) {
        LITERAL(out, ",\"attemptNumber\":");
        byte_buffer_append_signed(out, row_integer(row, SNAPSHOT_ATTEMPT_NUMBER));
    }
    LITERAL(out, "}");
}

static void put_checkpoint(struct byte_buffer *out, const struct row *row) {
    LITERAL(out, ",\"checkpoint\":{\"id\":");
    put_string(out, row->fields[CHECKPOINT_ID]);
    LITERAL(out, ",\"friendlyId\":");
    put_string(out, row->fields[CHECKPOINT_FRIENDLY_ID]);
    LITERAL(out, ",\"type\":");
    put_string(out, row->fields[CHECKPOINT_TYPE]);
    LITERAL(out, ",\"location\":");
    put_string(out, row->fields[CHECKPOINT_LOCATION]);
    LITERAL(out, ",\"imageRef\":");
    if (row->fields[CHECKPOINT_IMAGE_REF].bytes != NULL) {
        put_string(out, row->fields[CHECKPOINT_IMAGE_REF]);
    } else {
        LITERAL(out, "null");
    }
    if (row->fields[CHECKPOINT_REASON].bytes != NULL) {
        LITERAL(out, ",\"reason\":");
        put_string(out, row->fields[CHECKPOINT_REASON]);
    }
    LITERAL(out, "}");
}

static void put_snapshot(struct byte_buffer *out, const struct row *row, bool lean) {
    LITERAL(out, "{\"version\":\"1\",\"snapshot\":");
    put_reference(out, snapshot_prefix, row->fields[SNAPSHOT_ID]);
    LITERAL(out, ",\"executionStatus\":");
    put_string(out, row->fields[SNAPSHOT_EXECUTION_STATUS]);
    LITERAL(out, ",\"description\":");
    put_string(out, row->fields[SNAPSHOT_DESCRIPTION]);
    LITERAL(out, ",\"createdAt\":");
    put_date(out, row_unix_ms(row, SNAPSHOT_CREATED_AT));
    LITERAL(out, "}");
    put_run(out, row);
    put_batch(out, ",\"batch\":", row->fields[SNAPSHOT_BATCH_ID]);
    if (!lean && row->fields[CHECKPOINT_ID].bytes != NULL) {
        put_checkpoint(out, row);
    }
    LITERAL(out, ",\"completedWaitpoints\":[");
}

bool snapshot_answer_write(struct byte_buffer *out, const struct snapshot_result *read,
                           int64_t now_ms) {
    if ((read->outcome != SNAPSHOT_FOUND && read->outcome != SNAPSHOT_PARTIAL) ||
        !utc_date_is_printable(now_ms)) {
        return false;
    }
    LITERAL(out, "{\"snapshots\":[");
    for (int i = read->count - 1; i >= 0; i--) {
        const struct row *row = &read->rows[read->newest_first[i].row];
        put_snapshot(out, row, read->lean);
        if (i == 0 && read->links > 0) {
            put_completed_waitpoints(out, read, row, now_ms);
        }
        byte_buffer_append_text(out, i > 0 ? "]}," : "]}");
    }
    LITERAL(out, "]}");
    return !out->failed;
}
