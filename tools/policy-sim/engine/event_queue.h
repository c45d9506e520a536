/*
 * event_queue.h - upcoming events in virtual time, earliest first: a binary heap.
 *
 * Events at the same moment come out in the order in which they were put in, so that every run is
 * the same. [one thread]
 */
#ifndef EVENT_QUEUE_H
#define EVENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_event_kind {
    EVENT_ARRIVAL,  /* the next lookup arrives */
    EVENT_REPEAT,   /* a client repeats a lookup that it got no answer to */
    EVENT_SNAPSHOT, /* a server takes the snapshot for a statement */
    EVENT_ANSWER,   /* the statement's answer arrives, and its link is free */
    EVENT_WAKE,     /* a process's cluster wants to be asked what to do */
    EVENT_TICK      /* the replicas' lag is recorded */
};

struct sim_event {
    uint64_t at_ns;
    uint64_t order;      /* set by event_queue_put */
    uint8_t kind;        /* enum sim_event_kind; it tells which members below are used */
    uint8_t statement;   /* enum statement_kind */
    uint16_t server;     /* 0: the primary; n: replica n - 1 */
    uint32_t process;    /* of the host */
    uint32_t asker;      /* statement_kind tells whose index: a lookup's or a question's */
    uint32_t generation; /* of the asker; an event of an older one is ignored */
};

struct event_queue {
    struct sim_event *heap;
    size_t count;
    size_t capacity;
    uint64_t put;
    bool out_of_memory; /* an event was lost: the run is worthless */
};

void event_queue_put(struct event_queue *queue, const struct sim_event *event);

/* False if there is none. */
bool event_queue_take(struct event_queue *queue, struct sim_event *event);

void event_queue_free(struct event_queue *queue);

#endif
