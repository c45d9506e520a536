/*
 * pipeline.h - a libpq connection in pipeline mode and what is under way on it, in order.
 *
 * Everything sent occupies a request; results are matched to the oldest request. A request is
 * answered when all of its queries are: libpq returns a result only when it is complete, so a link
 * that is cut in the middle of a result can never look like fewer rows. The user of a pipeline
 * decides what its requests mean.
 *
 * [one thread]: everything belongs to one event loop. Nothing here allocates in steady state,
 * except libpq for its results.
 */
#ifndef PG_PIPELINE_H
#define PG_PIPELINE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct pg_statement;

enum {
    PG_PIPELINE_DEPTH = 256 /* requests */
};

enum pg_request_purpose {
    PG_REQUEST_STATEMENT, /* a statement of the host's, or a group of them */
    PG_REQUEST_SETTING,   /* a part of the set-up: SET, BEGIN, PREPARE */
    PG_REQUEST_WHO,       /* which server answers? */
    PG_REQUEST_VARIANT    /* which set of the prepared statements? */
};

struct pg_request {
    struct pg_statement *statement; /* the first of a group, or the only one; NULL: none (the
                                       link's own question), or all are forgotten */
    uint32_t statements;            /* sent in the request */
    enum pg_request_purpose purpose;
    uint64_t sent_ms; /* of a group, by the monotonic clock */
    uint32_t batch;   /* which one it is part of: that many syncs were sent before it */
    uint8_t queries;  /* whose end has not been seen yet: a PREPARE, a question, a read */
    bool asks;        /* there is a question among them, the last one or before the read */
    bool reads;       /* the last one is a read */
    int8_t preparing; /* number of the question whose PREPARE comes first; -1: none, or done */
    bool failed;      /* result is an error, the first one of the request */
    bool read_failed; /* and it is the read's */
    bool aborted;     /* not run, because of an error before it in its batch */
    PGresult *before; /* the question's answer; NULL: none */
    PGresult *result; /* rows or, if failed, the error; NULL if there was no read */
};

struct pg_pipeline {
    PGconn *conn;           /* NULL: closed */
    uint32_t oldest;        /* index of the oldest request */
    uint32_t in_flight;     /* requests in use */
    uint32_t batch;         /* syncs sent so far; it may wrap */
    uint32_t syncs;         /* sent and not answered */
    bool unsynced;          /* something was sent since the last sync */
    uint32_t drains;        /* how often what TLS holds is still to be asked for */
    uint64_t received;      /* bytes that the kernel had received when those drains were granted */
    uint64_t owed_since_ms; /* since when the server has owed an answer without any coming */
    char last_word[256];    /* why the server ended the connection, if it said so; one line */
    bool conflicted;        /* for what was under way stood in the way of its recovery */
    struct pg_request requests[PG_PIPELINE_DEPTH];
};

/* Takes the connection over, whatever the outcome, and turns it non-blocking and to pipeline mode.
 */
bool pg_pipeline_open(struct pg_pipeline *pipeline, PGconn *conn);

/* Closes the connection and discards what its requests hold. Statements in them must have been
 * dealt with before. */
void pg_pipeline_close(struct pg_pipeline *pipeline);

/* The place-th oldest request, place < in_flight. */
struct pg_request *pg_pipeline_request(struct pg_pipeline *pipeline, uint32_t place);

/* Takes the next request, for `queries` queries that the caller sends next. NULL if there is none
 * left. It stays where it is until it is answered. */
struct pg_request *pg_pipeline_append(struct pg_pipeline *pipeline, enum pg_request_purpose purpose,
                                      uint8_t queries);

/* Ends the batch. PQflush sends it; until libpq 17 this does so itself. False if the connection is
 * lost. */
bool pg_pipeline_sync(struct pg_pipeline *pipeline);

/* Reads what has arrived, without blocking. False if the connection is lost. */
bool pg_pipeline_receive(struct pg_pipeline *pipeline);

enum pg_pipeline_event {
    PG_PIPELINE_QUIET,    /* nothing more for now */
    PG_PIPELINE_ANSWERED, /* the oldest request; moved to *request, whose result is the caller's to
                           * clear
                           */
    PG_PIPELINE_SYNCED,   /* a batch has ended */
    PG_PIPELINE_LOST      /* the connection, or the order of its answers */
};

/* The next event among what was received. Does not block. */
enum pg_pipeline_event pg_pipeline_next(struct pg_pipeline *pipeline, struct pg_request *request);

/* After a loss, and before the pipeline is closed. May be of several lines. */
const char *pg_pipeline_why_lost(const struct pg_pipeline *pipeline);

/* Whether the server owes an answer. */
static inline bool pg_pipeline_is_owed(const struct pg_pipeline *pipeline) {
    return pipeline->in_flight > 0 || pipeline->syncs > 0;
}

#endif
