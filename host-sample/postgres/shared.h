/*
 * shared.h - what the links of a server share; for the server and its links only.
 *
 * A link reports here what happened to it, and never calls the host: answers are collected in the
 * queue, and event_ended makes the callbacks as the last thing in every event, when every link is
 * consistent again. So a callback may submit, forget and free as it likes.
 */
#ifndef PG_SHARED_H
#define PG_SHARED_H

#include "host-sample/base/byte_buffer.h"
#include "host-sample/base/entropy.h"
#include "journal.h"
#include "options.h"
#include "prepared.h"
#include "queue.h"
#include "tally.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct wake_ups;

enum { PG_QUESTIONS_MAX = 16 /* that are prepared; others are sent as they are */ };

struct pg_shared {
    struct event_base *base;
    struct wake_ups *wake_ups;
    struct pg_server_options options;
    struct pg_queue queue;
    struct pg_journal journal;
    struct pg_tally tally;
    uint32_t untried; /* links whose first attempt has not ended */
    bool changed;     /* options.changed is to be called */
    /* The questions that have been asked; links know by their numbers here which they have
     * prepared. */
    struct pg_question {
        const char *text;
        char name[PG_NAME_SIZE];
    } questions[PG_QUESTIONS_MAX];
    uint32_t question_count;
    struct byte_buffer scratch;
    uint64_t random; /* see entropy.h */
    /* The end of an event of a link's: makes all callbacks. The server may be gone when it returns.
     */
    void (*event_ended)(struct pg_shared *shared);
};

/* A number of at least half of `ms` and at most `ms`. */
static inline uint32_t pg_shared_jitter(struct pg_shared *shared, uint32_t ms) {
    return ms - (uint32_t)(entropy_next(&shared->random) % (ms / 2 + 1));
}

#endif
