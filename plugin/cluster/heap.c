/*
 * heap.c - a pairing heap.
 */
#include "heap.h"
#include "plugin/hot.h"

/* Two roots become one. */
static struct heap_node *meld(struct heap_node *one, struct heap_node *other) {
    if (one == NULL || other == NULL) {
        return one != NULL ? one : other;
    }
    if (other->key < one->key) {
        struct heap_node *least = other;
        other = one;
        one = least;
    }
    other->before = one;
    other->next = one->child;
    if (one->child != NULL) {
        one->child->before = other;
    }
    one->child = other;
    return one;
}

/* The children of a root that was taken out become one tree: in pairs from the left, and the pairs
 * from the right. */
static struct heap_node *meld_children(struct heap_node *first) {
    struct heap_node *pairs = NULL; /* linked by next, the last one first */
    while (first != NULL) {
        struct heap_node *one = first;
        struct heap_node *other = one->next;
        first = other != NULL ? other->next : NULL;
        one->next = NULL;
        if (other != NULL) {
            other->next = NULL;
        }
        one = meld(one, other);
        one->next = pairs;
        pairs = one;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *one = pairs;
        pairs = one->next;
        one->next = NULL;
        root = meld(root, one);
    }
    if (root != NULL) {
        root->before = NULL;
    }
    return root;
}

HOT void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key) {
    if (key < heap->bound) {
        heap->bound = key;
    }
    node->key = key;
    node->in = true;
    node->child = NULL;
    node->next = NULL;
    node->before = NULL;
    heap->root = meld(heap->root, node);
}

HOT void heap_take(struct heap *heap, struct heap_node *node) {
    node->in = false;
    if (node == heap->root) {
        heap->root = meld_children(node->child);
        return;
    }
    if (node->before->child == node) {
        node->before->child = node->next;
    } else {
        node->before->next = node->next;
    }
    if (node->next != NULL) {
        node->next->before = node->before;
    }
    if (node->child != NULL) {
        heap->root = meld(heap->root, meld_children(node->child));
    }
}
