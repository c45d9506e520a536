/*
 * traffic.h - the host's statements on a link: how they are sent, and what their answers count for.
 */
#ifndef PG_TRAFFIC_H
#define PG_TRAFFIC_H

#include "pipeline.h"
#include "shared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is under way on a link that is up or being set up. */
struct pg_traffic {
    struct pg_shared *shared;
    struct pg_pipeline pipeline;
    uint32_t statements;         /* on the link, forgotten ones too */
    size_t variant;              /* the set of prepared statements */
    uint32_t prepared_questions; /* a bit for each of shared->questions */
    uint64_t since_ms;           /* when the link came up */
    bool doubted;                /* one of the link's sessions was */
    bool in_hot_standby;         /* as the server last reported it unasked */
    char why_void[256];          /* one line */
};

/* Puts a statement, or the group that it is the first of, on a ready link with room; it has its
 * request from then on. False if the connection is lost. */
bool pg_traffic_send(struct pg_traffic *traffic, struct pg_statement *first);

/* Ends the batch. False if the connection is lost. */
bool pg_traffic_sync(struct pg_traffic *traffic);

/* Collects the replies of an answered request (PG_REQUEST_STATEMENT), or queues its statements
 * again. Takes over its results. False if the link is not to be used any more: its session is void,
 * or it gives the answers to other questions; traffic->why_void says so. */
bool pg_traffic_answer(struct pg_traffic *traffic, struct pg_request *request);

/* Collects a failure for all statements on the link. `error` must stay until the callbacks are
 * made.
 */
void pg_traffic_fail_all(struct pg_traffic *traffic, const char *error);

/* Queues all statements on the link again, for whichever link. */
void pg_traffic_send_all_again(struct pg_traffic *traffic);

/* Forgets all statements on the link. */
void pg_traffic_forget_all(struct pg_traffic *traffic);

#endif
