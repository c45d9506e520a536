/*
 * pipeline.c - see pipeline.h.
 */
#include "pipeline.h"

#include "failure.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/one_line.h"
#include "result.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Returns true, and keeps the reason, if the server ends the connection with this error or notice.
 */
static bool is_last_word(struct pg_pipeline *pipeline, const PGresult *result) {
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity == NULL || (strcmp(severity, "FATAL") != 0 && strcmp(severity, "PANIC") != 0)) {
        return false;
    }
    one_line(pipeline->last_word, sizeof(pipeline->last_word), pg_result_error(result));
    pipeline->conflicted = pg_error_is_conflict(result);
    return true;
}

/* Notices never go to stderr. On an idle link, a server's last message comes as a notice. */
static void on_notice(void *context, const PGresult *notice) {
    (void)is_last_word(context, notice);
}

bool pg_pipeline_open(struct pg_pipeline *pipeline, PGconn *conn) {
    pipeline->conn = conn;
    pipeline->oldest = 0;
    pipeline->in_flight = 0;
    pipeline->batch = 0;
    pipeline->syncs = 0;
    pipeline->unsynced = false;
    pipeline->drains = 0;
    pipeline->received = 0;
    pipeline->last_word[0] = '\0';
    pipeline->conflicted = false;
    PQsetNoticeReceiver(conn, on_notice, pipeline);
    return PQsetnonblocking(conn, 1) == 0 && PQenterPipelineMode(conn) == 1;
}

void pg_pipeline_close(struct pg_pipeline *pipeline) {
    for (uint32_t place = 0; place < pipeline->in_flight; place++) {
        PQclear(pg_pipeline_request(pipeline, place)->result);
        PQclear(pg_pipeline_request(pipeline, place)->before);
    }
    pipeline->in_flight = 0;
    pipeline->syncs = 0;
    PQfinish(pipeline->conn);
    pipeline->conn = NULL;
}

struct pg_request *pg_pipeline_request(struct pg_pipeline *pipeline, uint32_t place) {
    return &pipeline->requests[(pipeline->oldest + place) % PG_PIPELINE_DEPTH];
}

struct pg_request *pg_pipeline_append(struct pg_pipeline *pipeline, enum pg_request_purpose purpose,
                                      uint8_t queries) {
    if (pipeline->in_flight == PG_PIPELINE_DEPTH) {
        return NULL;
    }
    if (!pg_pipeline_is_owed(pipeline)) {
        pipeline->owed_since_ms = monotonic_ms();
    }
    struct pg_request *request = pg_pipeline_request(pipeline, pipeline->in_flight);
    *request = (struct pg_request){
        .purpose = purpose, .batch = pipeline->batch, .queries = queries, .preparing = -1};
    pipeline->in_flight++;
    pipeline->unsynced = true;
    return request;
}

/* Since libpq 17 the syncs of a turn are sent in one write, with what they end. */
static bool send_sync(PGconn *conn) {
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(conn) == 1;
#else
    return PQpipelineSync(conn) == 1;
#endif
}

bool pg_pipeline_sync(struct pg_pipeline *pipeline) {
    if (!send_sync(pipeline->conn)) {
        return false;
    }
    pipeline->batch++;
    pipeline->syncs++;
    pipeline->unsynced = false;
    return true;
}

/* 1 if the kernel does not tell. */
static uint64_t bytes_received(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > 0
               ? info.tcpi_bytes_received
               : 1;
}

static bool is_readable(int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, 0) != 0;
}

/* libpq reads as much at once as it has room for, at least 8 kB. Of a TLS record (or a GSSAPI
 * packet), of at most 16 kB, the rest then lies in the library that has decrypted it, and no event
 * tells of that. While the socket has more, an event comes. Once it is empty, two reads take what
 * is left of one record; if bytes came meanwhile, they may have begun another, and it starts over.
 */
static bool grant_drains(struct pg_pipeline *pipeline) {
    enum { DRAINS_PER_RECORD = 2 };
    if (!PQsslInUse(pipeline->conn) && !PQgssEncInUse(pipeline->conn)) {
        return false;
    }
    const int fd = PQsocket(pipeline->conn);
    const uint64_t received = bytes_received(fd); /* before the socket is seen to be empty */
    if (received == pipeline->received || is_readable(fd)) {
        return false;
    }
    pipeline->received = received;
    pipeline->drains = DRAINS_PER_RECORD;
    return true;
}

/* False if there is nothing to be drained. */
static bool drain(struct pg_pipeline *pipeline) {
    if (!pg_pipeline_is_owed(pipeline) || (pipeline->drains == 0 && !grant_drains(pipeline))) {
        return false;
    }
    pipeline->drains--;
    return PQconsumeInput(pipeline->conn) == 1; /* if not, the next event tells why */
}

bool pg_pipeline_receive(struct pg_pipeline *pipeline) {
    pipeline->drains = 0;
    pipeline->received = 0;
    return PQconsumeInput(pipeline->conn) == 1;
}

/* One result of the oldest request, which takes it over. */
static void take_result(struct pg_request *request, PGresult *result) {
    const bool is_read = request->reads && request->queries == 1;
    const bool is_question = request->asks && request->queries == 1 + request->reads;
    const bool is_preparation = request->preparing >= 0 && !is_read && !is_question;
    ExecStatusType status = PQresultStatus(result);
    bool is_good =
        status == (request->purpose == PG_REQUEST_SETTING || is_preparation ? PGRES_COMMAND_OK
                                                                            : PGRES_TUPLES_OK);
    if (status == PGRES_PIPELINE_ABORTED) {
        request->aborted = true;
    } else if (request->failed) {
        /* The first error is the request's. */
    } else if (!is_good) {
        PQclear(request->result);
        request->result = result;
        request->failed = true;
        request->read_failed = is_read;
        return;
    } else if (is_preparation) {
        request->preparing = -1;
    } else if (is_question && request->before == NULL) {
        request->before = result;
        return;
    } else if (request->result == NULL) {
        request->result = result;
        return;
    }
    PQclear(result);
}

/* No statement of ours copies. libpq would give the same result over and over until the copy, which
 * may be without end, has been read. */
static bool is_copy(const PGresult *result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH;
}

static enum pg_pipeline_event lose(struct pg_pipeline *pipeline, PGresult *result,
                                   const char *last_word) {
    PQclear(result);
    (void)snprintf(pipeline->last_word, sizeof(pipeline->last_word), "%s", last_word);
    return PG_PIPELINE_LOST;
}

static void leave_ring(struct pg_pipeline *pipeline, struct pg_request *answered) {
    *answered = *pg_pipeline_request(pipeline, 0);
    pipeline->oldest = (pipeline->oldest + 1) % PG_PIPELINE_DEPTH;
    pipeline->in_flight--;
}

/* Whether the oldest request is of the batch that is being answered. If not, a sync ends that one
 * first. Answers that a pooler puts in or swallows, and ends of batches that libpq has no memory
 * for, shift all that follow, which then are older than what they are taken for. */
static bool is_oldest_due(struct pg_pipeline *pipeline) {
    return pipeline->in_flight > 0 &&
           pg_pipeline_request(pipeline, 0)->batch == pipeline->batch - pipeline->syncs;
}

/* One result, or the NULL that ends a query, of the connection. */
static enum pg_pipeline_event take(struct pg_pipeline *pipeline, PGresult *result,
                                   struct pg_request *answered) {
    if (PQstatus(pipeline->conn) != CONNECTION_OK || is_last_word(pipeline, result)) {
        PQclear(result);
        return PG_PIPELINE_LOST;
    }
    const bool ends_batch = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    if (ends_batch == is_oldest_due(pipeline) || (ends_batch && pipeline->syncs == 0)) {
        return lose(pipeline, result,
                    ends_batch ? "the end of a batch came before all of its answers"
                               : "an answer came that is not due");
    }
    if (ends_batch) {
        PQclear(result);
        pipeline->syncs--;
        pipeline->owed_since_ms = monotonic_ms();
        return PG_PIPELINE_SYNCED;
    }
    if (is_copy(result)) {
        return lose(pipeline, result, "the server began to copy, which nobody asked for");
    }
    struct pg_request *oldest = pg_pipeline_request(pipeline, 0);
    if (result != NULL) {
        take_result(oldest, result);
    } else if (--oldest->queries == 0) {
        pipeline->owed_since_ms = monotonic_ms();
        leave_ring(pipeline, answered);
        return PG_PIPELINE_ANSWERED;
    }
    return PG_PIPELINE_QUIET;
}

/* A session that a pooler hands on may have been told to listen; libpq keeps what it hears until
 * somebody takes it. */
static void drop_notifications(PGconn *conn) {
    PGnotify *notification;
    while ((notification = PQnotifies(conn)) != NULL) {
        PQfreemem(notification);
    }
}

enum pg_pipeline_event pg_pipeline_next(struct pg_pipeline *pipeline, struct pg_request *request) {
    enum pg_pipeline_event event = PG_PIPELINE_QUIET;
    /* PQisBusy is called even when no answer is owed: it also processes what the server sends
     * unasked.
     */
    do {
        while (event == PG_PIPELINE_QUIET && !PQisBusy(pipeline->conn) &&
               pg_pipeline_is_owed(pipeline)) {
            event = take(pipeline, PQgetResult(pipeline->conn), request);
        }
    } while (event == PG_PIPELINE_QUIET && drain(pipeline));
    if (event == PG_PIPELINE_QUIET) {
        drop_notifications(pipeline->conn);
    }
    return event;
}

const char *pg_pipeline_why_lost(const struct pg_pipeline *pipeline) {
    return pipeline->last_word[0] != '\0' ? pipeline->last_word : PQerrorMessage(pipeline->conn);
}
