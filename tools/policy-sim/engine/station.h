/*
 * station.h - one server as one process of the host sees it: a few links, and queues in front of
 * them.
 *
 * A link carries one statement at a time; statements that come while all are busy wait their turn,
 * questions before reads. A server takes the snapshot in the middle of a statement's time.
 */
#ifndef STATION_H
#define STATION_H

#include "event_queue.h"
#include "tools/policy-sim/report/figures.h"

#include <sys/queue.h>

enum statement_kind { STATEMENT_QUESTION, STATEMENT_READ, STATEMENT_KINDS };

struct station;

/* Embedded in the object that asks. It may be submitted again once it was answered or forgotten. */
struct statement {
    enum statement_kind kind;
    uint32_t asker; /* as in struct sim_event */
    uint32_t generation;
    uint64_t takes_ns;
    struct station *queued_at; /* non-NULL exactly while it waits for a link */
    TAILQ_ENTRY(statement) entry;
};
TAILQ_HEAD(statement_list, statement);

struct station {
    struct event_queue *events;
    struct figures *figures;
    uint32_t process;
    uint16_t server; /* as in struct sim_event */
    uint32_t links;  /* 0: any number */
    uint32_t busy;
    struct statement_list queues[STATEMENT_KINDS];
};

void station_init(struct station *station, struct event_queue *events, struct figures *figures);

/* EVENT_SNAPSHOT and EVENT_ANSWER will follow, the latter taken to station_answered. */
void station_submit(struct station *station, struct statement *statement, uint64_t now_ns);
void station_answered(struct station *station, uint64_t now_ns);

/* The answer is no longer wanted. A statement that is on a link occupies it until its answer. */
void statement_forget(struct statement *statement);

#endif
