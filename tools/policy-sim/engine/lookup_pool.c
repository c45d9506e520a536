/*
 * lookup_pool.c - blocks of lookups; a block never moves, because statements stand in queues.
 */
#include "lookup_pool.h"

#include <stdlib.h>

void lookup_pool_init(struct lookup_pool *pool) {
    *pool = (struct lookup_pool){0};
    TAILQ_INIT(&pool->spare);
}

void lookup_pool_free(struct lookup_pool *pool) {
    for (uint32_t i = 0; i < pool->block_count; i++) {
        free(pool->blocks[i]);
    }
    free(pool->blocks);
    lookup_pool_init(pool);
}

static bool add_block(struct lookup_pool *pool) {
    struct lookup *block = calloc(LOOKUP_POOL_BLOCK, sizeof *block);
    struct lookup **blocks =
        block == NULL ? NULL
                      : realloc(pool->blocks, (pool->block_count + 1u) * sizeof(struct lookup *));
    if (blocks == NULL) {
        free(block);
        return false;
    }
    pool->blocks = blocks;
    blocks[pool->block_count] = block;
    for (uint32_t i = 0; i < LOOKUP_POOL_BLOCK; i++) {
        block[i].index = pool->block_count * LOOKUP_POOL_BLOCK + i;
        TAILQ_INSERT_TAIL(&pool->spare, &block[i], entry);
    }
    pool->block_count++;
    return true;
}

struct lookup *lookup_pool_take(struct lookup_pool *pool) {
    if (TAILQ_EMPTY(&pool->spare) && !add_block(pool)) {
        return NULL;
    }
    struct lookup *lookup = TAILQ_FIRST(&pool->spare);
    TAILQ_REMOVE(&pool->spare, lookup, entry);
    return lookup;
}

void lookup_pool_give(struct lookup_pool *pool, struct lookup *lookup) {
    lookup->generation++;
    TAILQ_INSERT_HEAD(&pool->spare, lookup, entry);
}

struct lookup *lookup_pool_find(const struct lookup_pool *pool, uint32_t index,
                                uint32_t generation) {
    struct lookup *lookup = lookup_pool_at(pool, index);
    return lookup->generation == generation ? lookup : NULL;
}
