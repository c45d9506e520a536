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
    bool in;                 /* it is in a heap, */
    bool queued;             /* in its queue */
    struct heap_node *child; /* the first */
    struct heap_node *next;  /* sibling */
    struct heap_node
        *before; /* the sibling before it, or the parent of the first; NULL: the root */
};

/* Beside the heap's tree there is a queue, for keys that come in order. */
struct heap {
    uint64_t bound; /* no key is below it */
    struct heap_node *root;
    struct heap_node *front;
    struct heap_node *back;
};

/* The structure that a node is a member of. */
#define heap_owner(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

/* The node must be in no heap. */
void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key);

/* The same, and cheaper if keys seldom get smaller. */
static inline void heap_append(struct heap *heap, struct heap_node *node, uint64_t key) {
    struct heap_node *back = heap->back;
    if (back != NULL && key < back->key) {
        heap_insert(heap, node, key);
        return;
    }
    if (key < heap->bound) {
        heap->bound = key;
    }
    node->key = key;
    node->in = true;
    node->queued = true;
    node->next = NULL;
    node->before = back;
    if (back != NULL) {
        back->next = node;
    } else {
        heap->front = node;
    }
    heap->back = node;
}

/* The node must be in this heap's queue. */
static inline void heap_take_queued(struct heap *heap, struct heap_node *node) {
    node->in = false;
    node->queued = false;
    if (node->before != NULL) {
        node->before->next = node->next;
    } else {
        heap->front = node->next;
    }
    if (node->next != NULL) {
        node->next->before = node->before;
    } else {
        heap->back = node->before;
    }
}

/* The node must be in this heap's tree. */
void heap_take(struct heap *heap, struct heap_node *node);

/* Harmless if the node is in none; if it is in one, it must be this one. */
static inline void heap_remove(struct heap *heap, struct heap_node *node) {
    if (node->queued) {
        heap_take_queued(heap, node);
    } else if (node->in) {
        heap_take(heap, node);
    }
}

/* heap_remove, then heap_insert. */
static inline void heap_move(struct heap *heap, struct heap_node *node, uint64_t key) {
    heap_remove(heap, node);
    heap_insert(heap, node, key);
}

/* The node of the least key, or NULL. */
static inline struct heap_node *heap_first(struct heap *heap) {
    struct heap_node *root = heap->root, *front = heap->front;
    struct heap_node *first =
        root == NULL || (front != NULL && front->key < root->key) ? front : root;
    heap->bound = first != NULL ? first->key : UINT64_MAX;
    return first;
}

/* Whether there may be a key that is not above this one. A comparison, where heap_first has to
 * look. */
static inline bool heap_may_have(const struct heap *heap, uint64_t key) {
    return heap->bound <= key;
}

#endif
