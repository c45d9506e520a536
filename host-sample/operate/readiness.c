/*
 * readiness.c - see readiness.h.
 */
#include "readiness.h"

#include "host-sample/host.h"
#include "host-sample/servers/directory.h"
#include "policy_needs.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_too_far(const struct server_view *view, const struct policy_needs *needs) {
    return policy_needs_closer(needs, counter_value(&view->lag_ns),
                               counter_value(&view->lag_at_least_ns));
}

/* What a lookup lacks, NULL if it can be answered. */
static const char *lacking(const struct servers *servers, const struct policy_needs *needs) {
    const bool primary = counter_value(&servers->primary_answers) != 0;
    bool out = counter_value(&servers->replicas_out) != 0;
    bool replica = false;
    for (uint32_t i = 0; i < servers->count; i++) {
        const struct server_view *view = &servers->servers[i].view;
        const bool serves = counter_value(&view->answers) != 0 && !is_too_far(view, needs);
        if (counter_value(&view->role) == RP_ROLE_REPLICA &&
            counter_value(&view->state) == RP_SERVER_ON) {
            replica = replica || serves;
            out = out || !serves; /* a silent one is still offered, and reads of it fail */
        }
    }
    if (!primary && !replica) {
        return "No server can answer";
    }
    if (!primary && !needs->replica_serves) {
        return "No primary answers, which the policy reads first";
    }
    if (out && !replica && !needs->primary_stands_in) {
        return "No replica can be asked, and the policy lets no primary stand in";
    }
    return NULL;
}

/* Of the first server that this thread does not reach, says why it is out, or is too far behind. */
static void explain(struct servers *servers, const struct policy_needs *needs, char *text,
                    size_t length) {
    struct server_label labels[SERVERS_MAX];
    const uint32_t count = servers_list(servers, labels);
    char error[256];
    for (uint32_t i = 0; i < count; i++) {
        if (servers_find_error(servers, labels[i].name, false, error, sizeof error) &&
            error[0] != '\0') {
            (void)snprintf(text, length, "%.*s: %s", (int)HOST_NAME_BYTES - 1, labels[i].name,
                           error);
            return;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct server_view *view = &servers->servers[labels[i].index].view;
        const char *why = atomic_load_explicit(&view->why, memory_order_relaxed);
        if (why[0] != '\0') {
            (void)snprintf(text, length, "%s: %s", labels[i].name, why);
            return;
        }
        if (is_too_far(view, needs)) {
            (void)snprintf(text, length, "%s is further behind than max_lag_ms = %" PRIu64,
                           labels[i].name, needs->max_lag_ms);
            return;
        }
    }
    (void)snprintf(text, length, "none has said that it is a primary or a replica");
}

bool host_is_ready(const struct worker *worker, const struct policy_needs *needs, char *why,
                   size_t length) {
    const struct host *host = worker->host;
    char error[HOST_NAME_BYTES + 258];
    if (counter_value(&host->leaving) != 0) {
        (void)snprintf(why, length, "Draining");
        return false;
    }
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct servers *servers = &host->workers[i].servers;
        if (counter_value(&servers->announced) == 0 || counter_value(&servers->settled) == 0) {
            (void)snprintf(why, length, "Not every server has been tried yet");
            return false;
        }
        const char *what = lacking(servers, needs);
        if (what != NULL) {
            explain(servers, needs, error, sizeof error);
            (void)snprintf(why, length, "%s: %s", what, error);
            return false;
        }
    }
    return true;
}
