/*
 * ending.c - see ending.h.
 */
#include "ending.h"

#include "host-sample/base/json_string.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/unix_time.h"
#include "record.h"

#include <stdio.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------ */

/* A session in UTF-8 sends nothing else; one that a pooler has left in another encoding may. */
static bool put_answer(struct byte_buffer *out, const struct snapshot_result *result) {
    return snapshot_answer_write(out, result, unix_now_ms()) &&
           json_is_utf8(out->data, out->length);
}

void ending_keep_answer(struct lookup *lookup, int32_t outcome) {
    byte_buffer_reset(&lookup->kept, LOOKUP_SPARE_BYTES);
    if ((outcome == RP_FOUND || outcome == RP_PARTIAL) &&
        !put_answer(&lookup->kept, lookup->result)) {
        byte_buffer_reset(&lookup->kept, 0);
    }
}

/* Writes the answer of the last read into the thread's scratch buffer. */
static bool write_answer(struct lookup *lookup) {
    struct byte_buffer *body = &lookup->lookups->answers.scratch;
    byte_buffer_reset(body, SIZE_MAX);
    if (lookup->result == NULL) {
        byte_buffer_append(body, lookup->kept.data, lookup->kept.length);
        return lookup->kept.length > 0 && !body->failed;
    }
    return put_answer(body, lookup->result);
}

/* ---- headers --------------------------------------------------------------------------------- */

/* Every hit has these, so they are put together without printf. */
static char *put_header(char *at, char *end, const char *name, const char *value) {
    const char *const parts[] = {name, value, "\r\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const size_t length = strlen(parts[i]);
        if (length >= (size_t)(end - at)) {
            break;
        }
        memcpy(at, parts[i], length + 1);
        at += length;
    }
    return at;
}

/* Where the server that answered was. That a database can hold no such id is an error, which brings
 * no position; and as it was so at any time, where the server was last heard to be will do, unless
 * the caller knows of a later one. */
static uint64_t position_of(const struct lookup *lookup, const struct rp_action *done) {
    const struct servers *servers = lookup->lookups->servers;
    struct rp_server_info info = {.struct_size = sizeof info};
    if (done->position != 0 || !lookup->alien) {
        return done->position;
    }
    (void)servers->calls->server(servers->cluster, lookup->server, &info);
    return info.position >= lookup->request.position ? info.position : 0;
}

/* x-read-served-by and x-read-position, of what a lookup has found out. */
static void put_headers(struct ending *ending, const struct lookup *lookup,
                        const struct rp_action *done) {
    const char *served_by = lookup_served_by(done->served_by);
    char position[RP_POSITION_BYTES];
    char *at = ending->headers;
    char *const end = at + sizeof ending->headers;
    if (served_by == NULL) {
        return;
    }
    at = put_header(at, end, "x-read-served-by: ", served_by);
    const uint64_t reached = position_of(lookup, done);
    if (reached != 0) {
        lookup->lookups->servers->calls->position_print(reached, position);
        (void)put_header(at, end, "x-read-position: ", position);
    }
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* Why it failed: what a server said last, else what the cluster or the links know. */
static void explain_failure(struct lookup *lookup, const struct rp_action *done) {
    char why[LOOKUP_ERROR_BYTES / 2];
    if (lookup->error[0] != '\0') {
        return;
    }
    servers_last_error(lookup->lookups->servers, why, sizeof why);
    (void)snprintf(lookup->error, sizeof lookup->error, "%.120s%s%s",
                   done->reason != NULL ? done->reason : "",
                   done->reason != NULL && why[0] != '\0' ? "; " : "", why);
}

/* A found answer that nobody has whole: the primary gave it, or a replica that was asked where it
 * is. Where the caller's position was the reason to ask, replica_only may have given it, and
 * somebody may have more. */
static void tell_lacking(struct ending *ending, const struct lookup *lookup,
                         const struct rp_action *done) {
    const bool may_lag = done->served_by == RP_SERVED_BY_REPLICA && lookup->request.position != 0;
    if (lookup->lacking == 0 || lookup->statement.question == NULL) {
        return;
    }
    if (ending->log_level == RP_LOG_NONE) {
        ending->log_level = RP_LOG_WARN;
    }
    (void)snprintf(ending->text, sizeof ending->text,
                   "%s; the answer lacks %d completed waitpoint%s%s", done->message,
                   lookup->lacking, lookup->lacking == 1 ? "" : "s",
                   may_lag ? "" : " that nobody has");
    ending->message = ending->text;
}

static void decide_found(struct ending *ending, struct lookup *lookup,
                         const struct rp_action *done) {
    if (write_answer(lookup)) {
        tell_lacking(ending, lookup, done);
        put_headers(ending, lookup, done);
        return;
    }
    ending->verdict = RP_VERDICT_FAILED;
    ending->served_by = RP_SERVED_BY_NONE;
    ending->log_level = RP_LOG_ERROR;
    ending->message = ending->error =
        "the answer could not be written: out of memory, too long for any client, not UTF-8, or a "
        "result of unknown shape";
}

static void decide_failed(struct ending *ending, struct lookup *lookup,
                          const struct rp_action *done) {
    if (monotonic_ns() >= lookup->deadline_ns) {
        counter_add(&lookup->lookups->counters.timeouts, 1);
        ending->message = "not answered within lookup_timeout_ms";
    }
    ending->error = ending->message;
    explain_failure(lookup, done);
    put_headers(ending, lookup, done);
}

void ending_decide(struct ending *ending, struct lookup *lookup, const struct rp_action *done) {
    ending->verdict = done->verdict;
    ending->served_by = done->served_by;
    ending->log_level = done->log_level;
    ending->message = done->message;
    ending->error = NULL;
    ending->headers[0] = '\0';
    switch (done->verdict) {
    case RP_VERDICT_FOUND:
        decide_found(ending, lookup, done);
        break;
    case RP_VERDICT_NOT_FOUND:
        ending->error = "Snapshot not found";
        put_headers(ending, lookup, done);
        break;
    case RP_VERDICT_SHED:
        ending->error = done->message;
        break;
    default:
        decide_failed(ending, lookup, done);
    }
}

void ending_send(const struct ending *ending, struct answers *answers,
                 struct http_exchange *exchange) {
    const uint32_t status = lookup_status(ending->verdict);
    if (ending->error == NULL) {
        answer_scratch(answers, exchange, status, "application/json", ending->headers);
    } else if (ending->verdict == RP_VERDICT_SHED) {
        answer_shed(answers, exchange, ending->error);
    } else {
        answer_error(answers, exchange, status, ending->error, ending->headers);
    }
}
