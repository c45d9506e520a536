/*
 * lookup_pool.h - the lookups under way, at addresses that never change; reused once they are over.
 */
#ifndef LOOKUP_POOL_H
#define LOOKUP_POOL_H

#include "station.h"
#include "tools/policy-sim/model/random.h"

struct lookup {
    TAILQ_ENTRY(lookup) entry; /* of the pool's list */
    uint32_t index;            /* in the pool, for good */
    uint32_t generation;       /* grows with each read: events of earlier reads are ignored */
    struct statement statement;
    struct random_stream random;
    uint64_t row_position; /* see struct arrival, and what follows */
    uint64_t floor;
    uint64_t arrived_ns;
    uint64_t action;   /* of its read under way */
    uint64_t read_ns;  /* how long that read takes, without the question before it */
    uint64_t position; /* the server's, at the read's snapshot */
    int32_t outcome;   /* what that snapshot showed */
    uint32_t repeats;  /* how often the client may repeat it */
    uint32_t repeated; /* and has */
    bool asked;        /* a question comes before that read */
    bool missed;
};
TAILQ_HEAD(lookup_list, lookup);

/* Lookups in one block. */
#define LOOKUP_POOL_BLOCK 256u

struct lookup_pool {
    struct lookup **blocks;
    uint32_t block_count;
    struct lookup_list spare;
};

void lookup_pool_init(struct lookup_pool *pool);
void lookup_pool_free(struct lookup_pool *pool);

/* NULL: out of memory. Only index and generation are as they were. */
struct lookup *lookup_pool_take(struct lookup_pool *pool);
void lookup_pool_give(struct lookup_pool *pool, struct lookup *lookup);

static inline struct lookup *lookup_pool_at(const struct lookup_pool *pool, uint32_t index) {
    return &pool->blocks[index / LOOKUP_POOL_BLOCK][index % LOOKUP_POOL_BLOCK];
}

/* The lookup of that index, if it is still in that generation; else NULL. */
struct lookup *lookup_pool_find(const struct lookup_pool *pool, uint32_t index,
                                uint32_t generation);

#endif
