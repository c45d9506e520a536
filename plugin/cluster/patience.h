/*
 * patience.h - how often something is tried that may be in vain, by what came of it: after a try in
 * vain the next one is left out, then the next 3, 7, ..., 255.
 */
#ifndef CLUSTER_PATIENCE_H
#define CLUSTER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { PATIENCE_MAX = 255 };

struct patience {
    uint32_t left; /* occasions to come that are left out */
    uint32_t last; /* `left` after the last try in vain */
};

/* One occasion: whether it is tried. */
static inline bool patience_tries(struct patience *patience) {
    if (patience->left > 0) {
        patience->left--;
        return false;
    }
    return true;
}

/* What came of a try. Of several at once, those in vain count once. */
static inline void patience_note(struct patience *patience, bool paid) {
    if (paid) {
        patience->last = 0;
    } else if (patience->left == 0) {
        patience->last = 2 * patience->last + 1;
        patience->last = patience->last < PATIENCE_MAX ? patience->last : PATIENCE_MAX;
        patience->left = patience->last;
    }
}

#endif
