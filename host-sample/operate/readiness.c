/*
 * readiness.c - see readiness.h.
 */
#include "readiness.h"

#include "host-sample/host.h"

#include <stdio.h>

/* A server that a read may be sent to, by what it last said. */
static bool can_answer(const struct server *server) {
    const uint64_t role = counter_value(&server->view.role);
    return counter_value(&server->view.answers) != 0 &&
           (role == RP_ROLE_PRIMARY || role == RP_ROLE_REPLICA);
}

static bool has_server(const struct servers *servers) {
    for (uint32_t i = 0; i < servers->count; i++) {
        if (can_answer(&servers->servers[i])) {
            return true;
        }
    }
    return false;
}

/* Of the first server that says why it is out. */
static const char *why_out(const struct servers *servers) {
    for (uint32_t i = 0; i < servers->count; i++) {
        const char *why = atomic_load_explicit(&servers->servers[i].view.why, memory_order_relaxed);
        if (why[0] != '\0') {
            return why;
        }
    }
    return "none has said that it is a primary or a replica";
}

bool host_is_ready(const struct worker *worker, char *why, size_t length) {
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
        if (!has_server(servers)) {
            servers_last_error(&worker->servers, error, sizeof error);
            (void)snprintf(why, length, "No server can answer: %s",
                           error[0] != '\0' ? error : why_out(servers));
            return false;
        }
    }
    return true;
}
