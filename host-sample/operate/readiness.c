/*
 * readiness.c - see readiness.h.
 */
#include "readiness.h"

#include "host-sample/host.h"
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

/* Of the first server that is not reached, says why it is out, or is too far behind. Of the
 * thread's own. */
static void explain(const struct servers *servers, const struct policy_needs *needs, char *text,
                    size_t length) {
    servers_last_error(servers, text, length);
    for (uint32_t i = 0; text[0] == '\0' && i < servers->count; i++) {
        const struct server *server = &servers->servers[i];
        const char *why = atomic_load_explicit(&server->view.why, memory_order_relaxed);
        if (why[0] != '\0') {
            (void)snprintf(text, length, "%s: %s", server->config.name, why);
        } else if (is_too_far(&server->view, needs)) {
            (void)snprintf(text, length, "%s is further behind than max_lag_ms = %" PRIu64,
                           server->config.name, needs->max_lag_ms);
        }
    }
    if (text[0] == '\0') {
        (void)snprintf(text, length, "none has said that it is a primary or a replica");
    }
}

bool host_is_ready(const struct worker *worker, const struct policy_needs *needs, char *why,
                   size_t length) {
    const struct host *host = worker->host;
    char error[160];
    if (counter_value(&host->leaving) != 0) {
        (void)snprintf(why, length, "Draining");
        return false;
    }
    for (uint32_t i = 0; i < host->worker_count; i++) {
        const struct servers *servers = &host->workers[i].servers;
        if (counter_value(&servers->settled) == 0) {
            (void)snprintf(why, length, "Not every server has been tried yet");
            return false;
        }
        const char *what = lacking(servers, needs);
        if (what != NULL) {
            explain(&worker->servers, needs, error, sizeof error);
            (void)snprintf(why, length, "%s: %s", what, error);
            return false;
        }
    }
    return true;
}
