/*
 * lookup_pool.h - the lookups under way, at addresses that never change; reused once they are over.
 */
#ifndef LOOKUP_POOL_H
#define LOOKUP_POOL_H

#include "plugin/read_policy.h"
#include "station.h"
#include "tools/policy-sim/model/random.h"
#include "waiters.h"

struct lookup {
    TAILQ_ENTRY(lookup) entry; /* of its process's list, or of the pool's */
    uint32_t index;            /* in the pool, for good */
    uint32_t generation;       /* grows with each step: events of earlier steps are ignored */
    struct rp_read read;
    const struct rp_step *step; /* under way */
    struct statement statement;
    struct waiter waiter;
    struct random_stream random;
    uint64_t arrived_ns;
    uint64_t row_position; /* see struct arrival */
    uint64_t position;     /* READ: the server's position at its snapshot */
    int32_t outcome;       /* READ: what the snapshot showed */
    bool missed;
};
TAILQ_HEAD(lookup_list, lookup);

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

/* The lookup of that index, if it is still in that generation; else NULL. */
struct lookup *lookup_pool_find(const struct lookup_pool *pool, uint32_t index,
                                uint32_t generation);

#endif
