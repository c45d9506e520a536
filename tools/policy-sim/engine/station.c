/*
 * station.c - see station.h.
 */
#include "station.h"

void station_init(struct station *station, struct event_queue *events, struct figures *figures) {
    station->events = events;
    station->figures = figures;
    for (int kind = 0; kind < STATEMENT_KINDS; kind++) {
        TAILQ_INIT(&station->queues[kind]);
    }
}

static void count(const struct station *station, const struct statement *statement,
                  uint64_t now_ns) {
    if (statement->kind != STATEMENT_READ) {
        return; /* the cluster counts its questions */
    }
    if (station->server == 0) {
        figures_add_primary_read(station->figures, now_ns);
    } else {
        station->figures->replica_reads++;
    }
}

static void start(struct station *station, const struct statement *statement, uint64_t now_ns) {
    struct sim_event event = {
        .at_ns = now_ns + statement->takes_ns / 2,
        .kind = EVENT_SNAPSHOT,
        .statement = (uint8_t)statement->kind,
        .server = station->server,
        .process = station->process,
        .asker = statement->asker,
        .generation = statement->generation,
    };
    station->busy++;
    count(station, statement, now_ns);
    event_queue_put(station->events, &event);
    event.at_ns = now_ns + statement->takes_ns;
    event.kind = EVENT_ANSWER;
    event_queue_put(station->events, &event);
}

void station_submit(struct station *station, struct statement *statement, uint64_t now_ns) {
    if (station->links == 0 || station->busy < station->links) {
        start(station, statement, now_ns);
    } else {
        statement->queued_at = station;
        TAILQ_INSERT_TAIL(&station->queues[statement->kind], statement, entry);
    }
}

void station_answered(struct station *station, uint64_t now_ns) {
    struct statement *first = TAILQ_FIRST(&station->queues[STATEMENT_QUESTION]);
    if (first == NULL) {
        first = TAILQ_FIRST(&station->queues[STATEMENT_READ]);
    }
    station->busy--;
    if (first != NULL) {
        statement_forget(first); /* by the queue */
        start(station, first, now_ns);
    }
}

void statement_forget(struct statement *statement) {
    if (statement->queued_at != NULL) {
        TAILQ_REMOVE(&statement->queued_at->queues[statement->kind], statement, entry);
        statement->queued_at = NULL;
    }
}
