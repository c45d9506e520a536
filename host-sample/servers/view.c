/*
 * view.c - see view.h.
 */
#include "view.h"

#include <stdatomic.h>

static void set(_Atomic uint64_t *word, uint64_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed);
}

void server_view_fill(struct server_view *view, const struct rp_server_info *info) {
    set(&view->role, (uint64_t)info->role);
    set(&view->state, (uint64_t)info->state);
    set(&view->answers, info->answers);
    set(&view->in_recovery, info->in_recovery);
    set(&view->timeline, info->timeline);
    set(&view->position, info->position);
    set(&view->lag_bytes, info->lag_bytes);
    set(&view->lag_ns, info->lag_ns);
    set(&view->lag_at_least_ns, info->lag_at_least_ns);
    set(&view->version, info->version);
    set(&view->system, info->system);
    set(&view->instance, info->instance);
    atomic_store_explicit(&view->why, info->why, memory_order_relaxed);
    atomic_store_explicit(&view->grants, info->grants, memory_order_relaxed);
}

void server_view_reset(struct server_view *view) {
    const struct rp_server_info nothing = {
        .lag_bytes = RP_UNKNOWN, .lag_ns = RP_UNKNOWN, .why = "", .grants = ""};
    server_view_fill(view, &nothing);
}
