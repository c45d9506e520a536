/*
 * heap.h - a priority queue of nodes that live in other structures: timers by their time, waiting
 * reads by the position that they wait for.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator and Tarjan, "The pairing heap", 1986): inserting a
 * node, and removing one that is no longer needed, costs a few stores, and that is the fate of
 * nearly every deadline; taking the least costs O(log n) over time. Nothing is allocated.
 */
#ifndef CLUSTER_HEAP_H
#define CLUSTER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: in no heap. */
struct heap_node {
    uint64_t key;
    uint32_t kind;           /* the owner's, to tell its nodes apart */
    bool in;                 /* it is in a heap */
    struct heap_node *child; /* the first */
    struct heap_node *next;  /* sibling */
    struct heap_node
        *before; /* the sibling before it, or the parent of the first; NULL: the root */
};

struct heap {
    struct heap_node *root;
};

/* The structure that a node is a member of. */
#define heap_owner(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

/* The node must be in no heap. */
void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key);

/* The node must be in this heap. */
void heap_take(struct heap *heap, struct heap_node *node);

/* Harmless if the node is in none; if it is in one, it must be this one. */
static inline void heap_remove(struct heap *heap, struct heap_node *node) {
    if (node->in) {
        heap_take(heap, node);
    }
}

/* heap_remove, then heap_insert. */
static inline void heap_move(struct heap *heap, struct heap_node *node, uint64_t key) {
    heap_remove(heap, node);
    heap_insert(heap, node, key);
}

/* The node of the least key, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap) {
    return heap->root;
}

#endif
