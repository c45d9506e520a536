/*
 * view.c - see view.h.
 */
#include "view.h"

#include "host-sample/base/counter.h"

#include <stdatomic.h>

void server_view_fill(struct server_view *view, const struct rp_server_info *info) {
    counter_set(&view->role, (uint64_t)info->role);
    counter_set(&view->state, (uint64_t)info->state);
    counter_set(&view->answers, info->answers);
    counter_set(&view->in_recovery, info->in_recovery);
    counter_set(&view->timeline, info->timeline);
    counter_set(&view->position, info->position);
    counter_set(&view->lag_bytes, info->lag_bytes);
    counter_set(&view->lag_ns, info->lag_ns);
    counter_set(&view->lag_at_least_ns, info->lag_at_least_ns);
    counter_set(&view->version, info->version);
    counter_set(&view->system, info->system);
    counter_set(&view->instance, info->instance);
    atomic_store_explicit(&view->why, info->why, memory_order_relaxed);
    atomic_store_explicit(&view->grants, info->grants, memory_order_relaxed);
}

void server_view_reset(struct server_view *view) {
    const struct rp_server_info nothing = {
        .lag_bytes = RP_UNKNOWN, .lag_ns = RP_UNKNOWN, .why = "", .grants = ""};
    server_view_fill(view, &nothing);
}
