/*
 * hearsay.h - what one thread's cluster has found out, and those of all others must know.
 *
 * Each thread has links of its own, so a new primary may be reached by some threads and not by
 * others: it has no more connections to give, say. To those the old one, if it lives on, is the
 * primary still. So they are told which timeline a primary was seen on.
 *
 * [thread-safe]
 */
#ifndef HEARSAY_H
#define HEARSAY_H

#include "plugin/read_policy.h"

#include <pthread.h>
#include <stdint.h>

/* All zero, with its lock made: nothing is known. */
struct hearsay {
    pthread_mutex_t lock;
    _Atomic uint64_t changes; /* of what follows */
    uint64_t history;         /* under which it was found out */
    uint64_t system;
    uint32_t timeline;
};

/* Says what a cluster knows, and returns a newer timeline of its system that another one has told
 * of, or 0. Clusters that have configurations of different histories tell each other nothing: in
 * the later one it was forgotten what was remembered before. *seen: the changes, for whoever wants
 * only news. */
uint32_t hearsay_exchange(struct hearsay *hearsay, uint64_t history,
                          const struct rp_cluster_info *info, uint64_t *seen);

#endif
