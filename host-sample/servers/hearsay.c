/*
 * hearsay.c - see hearsay.h.
 */
#include "hearsay.h"

#include <stdatomic.h>
#include <stdbool.h>

/* A cluster remembers a timeline once it has been told twice, so this is no damaged answer's. */
static void say(struct hearsay *hearsay, uint64_t history, const struct rp_cluster_info *info) {
    const bool same = history == hearsay->history && info->system == hearsay->system;
    if (history < hearsay->history || (same && info->timeline <= hearsay->timeline)) {
        return;
    }
    hearsay->history = history;
    hearsay->system = info->system;
    hearsay->timeline = info->timeline;
    atomic_fetch_add(&hearsay->changes, 1);
}

uint32_t hearsay_exchange(struct hearsay *hearsay, uint64_t history,
                          const struct rp_cluster_info *info, uint64_t *seen) {
    (void)pthread_mutex_lock(&hearsay->lock);
    if (info->primary_answers && info->timeline != 0) {
        say(hearsay, history, info);
    }
    const bool is_news = hearsay->history == history && hearsay->system == info->system &&
                         hearsay->timeline > info->timeline;
    const uint32_t timeline = is_news ? hearsay->timeline : 0;
    *seen = atomic_load(&hearsay->changes);
    (void)pthread_mutex_unlock(&hearsay->lock);
    return timeline;
}
