/*
 * read_history.h - what has happened in one read so far: the explorer's own bookkeeping, from the
 * steps that came out and the reports that went in alone.
 *
 * Times are in ns since the read began. Two histories are compared byte by byte, so every member
 * has 64 or 32 bits, in an order without gaps. And it holds no more than the invariants can still
 * ask for: what differs in nothing else is one state, and is explored once.
 */
#ifndef READ_HISTORY_H
#define READ_HISTORY_H

#include "plugin/read_policy.h"

#define NEVER INT64_MAX

struct step_seen {
    int64_t until_ns;
    uint64_t position;
    int32_t kind;
    int32_t target;
    uint32_t replica;
    uint32_t flags;
};

/* What an await was for. */
enum awaited {
    AWAITED_NOTHING,
    AWAITED_FLOOR,
    AWAITED_LOCATED,
    AWAITED_ONWARD, /* the same position, after a look on the way to it */
    AWAITED_UNPROVEN,
    AWAITED_AGAIN
};

/* What a read of a replica can prove, by its own position. */
enum current {
    NOT_CURRENT,
    CURRENT_REACHED, /* a located position is said to be reached there */
    CURRENT_LOOK     /* one is awaited there, and is not */
};

struct read_history {
    struct step_seen step; /* under way */
    int64_t now_ns;
    int64_t first_miss_ns; /* that a wait may still be counted from; NEVER: none */
    int64_t located_ns;    /* when the last locate was reported */
    uint64_t located;      /* what the last locate said; 0: failed, unknown or none yet */
    uint64_t flushed; /* and its flushed position, never beyond the former; 0: unknown, or a step
                         has followed */
    uint64_t awaited_position; /* of the last await */
    uint32_t steps;            /* the one under way is counted */
    uint32_t replica_reads;
    uint32_t primary_reads;
    uint32_t misses;   /* 2: or more */
    uint32_t not_here; /* a replica has missed, or not answered from where the answer must be from:
                          behind the floor, or behind what was located and said to be reached */
    uint32_t answered; /* a replica has told anything else */
    uint32_t replica_failures;
    uint32_t waits;
    uint32_t floor_awaits;
    uint32_t located_awaits; /* after a locate after the first read */
    uint32_t onward_awaits;
    uint32_t unproven_awaits;
    uint32_t again_awaits; /* before any locate after the first read, of what was reached before */
    uint32_t looks;
    uint32_t locates_before_a_read;
    uint32_t locates_after_a_read;
    uint32_t last_replica; /* read last */
    uint32_t awaited;      /* enum awaited: what the last await was for */
    uint32_t is_reached;   /* the last step was an await, and its position was reached */
    uint32_t is_current;   /* enum current, of the read under way */
};

/* Nothing has happened yet. */
void history_begin(struct read_history *history);

/* The step under way was reported on; an outcome of -1 breaks the contract. A time before the last
 * one counts as that one. */
void history_add_report(struct read_history *history, const struct rp_report *report,
                        uint64_t floor);

/* A step other than done came out. `begun_ns` is the plugin's time of the beginning. */
void history_add_step(struct read_history *history, const struct rp_step *step, uint64_t begun_ns);

int history_is_replica_read(const struct read_history *history);
int history_is_primary_read(const struct read_history *history);

#endif
