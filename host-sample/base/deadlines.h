/*
 * deadlines.h - very many deadlines of very few lengths.
 *
 * Deadlines of one length fall due in the order in which they were set, so a queue for each length
 * is always sorted: setting and clearing are O(1), and one timer of the event loop serves all
 * queues. No call here makes a system call.
 *
 * [one thread]: everything belongs to the thread of the event base.
 */
#ifndef DEADLINES_H
#define DEADLINES_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct deadline_queue;

/* Embedded in the object that waits; all zero: not set. */
struct deadline {
    TAILQ_ENTRY(deadline) entry;
    struct deadline_queue *queue; /* NULL: not set */
    int64_t due_ms;
};

TAILQ_HEAD(deadline_list, deadline);

struct deadline_queue {
    struct deadline_list waiting; /* the earliest first */
    uint32_t length_ms;
    struct deadlines *owner;
};

/* Calls back with a deadline that has passed and is not set any more. It may set and clear any
 * deadline and free the memory of this one. */
typedef void deadline_passed(void *context, struct deadline_queue *queue,
                             struct deadline *deadline);

struct deadlines {
    struct event timer;
    bool armed;
    int64_t armed_for_ms;
    struct deadline_queue *queues; /* the caller's array */
    uint32_t queue_count;
    deadline_passed *passed;
    void *context;
};

/* `queues` are the caller's, their length_ms set, and stay where they are. */
void deadlines_init(struct deadlines *deadlines, struct event_base *base,
                    struct deadline_queue *queues, uint32_t queue_count, deadline_passed *passed,
                    void *context);

/* Forgets every deadline without calling back. */
void deadlines_free(struct deadlines *deadlines);

/* Sets the deadline to the queue's length from now, whatever it was set to before. */
void deadline_set(struct deadline *deadline, struct deadline_queue *queue);
void deadline_clear(struct deadline *deadline);

/* The one that was set first and has not passed, or NULL. */
struct deadline *deadline_first(const struct deadline_queue *queue);

#endif
