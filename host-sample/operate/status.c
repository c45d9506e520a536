/*
 * status.c - see status.h.
 */
#include "status.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/base/one_line.h"
#include "host-sample/base/unix_time.h"
#include "host-sample/http/front.h"
#include "readiness.h"
#include "sums.h"

#include <stddef.h>
#include <stdio.h>

const char *const status_verdict_names[STATUS_VERDICTS] = {"refused", "found", "not_found",
                                                           "failed", "shed"};

/* The values of a sample. */
enum {
    RATE_VERDICTS,
    RATE_SERVED_BY = RATE_VERDICTS + STATUS_VERDICTS,
    RATE_LOG_DROPPED = RATE_SERVED_BY + RP_SERVED_BY_PRIMARY + 1,
    RATE_READS,
    RATE_COUNT = RATE_READS + SERVERS_MAX
};
_Static_assert((int)RATE_COUNT <= (int)RATES_VALUES, "a sample has no room for all values");

const char *status_role_name(int32_t role) {
    static const char *const names[] = {"unknown", "primary", "replica", "out"};
    return role >= RP_ROLE_UNKNOWN && role <= RP_ROLE_OUT ? names[role] : names[0];
}

static void take_sample(const struct host *host, struct rates_sample *sample) {
    *sample = (struct rates_sample){.at_ns = monotonic_ns()};
    for (uint32_t i = 0; i < STATUS_VERDICTS; i++) {
        sample->values[RATE_VERDICTS + i] = host_sum_lookups(
            host, offsetof(struct lookup_counters, verdicts) + i * sizeof(uint64_t));
    }
    for (uint32_t i = 0; i <= RP_SERVED_BY_PRIMARY; i++) {
        sample->values[RATE_SERVED_BY + i] = host_sum_lookups(
            host, offsetof(struct lookup_counters, served_by) + i * sizeof(uint64_t));
    }
    sample->values[RATE_LOG_DROPPED] = log_dropped(host->service.log);
    const struct servers *servers = &host->workers[0].servers;
    for (uint32_t i = 0; i < servers->count; i++) {
        struct pg_server_counters sum = {0};
        if (servers->servers[i].links != NULL && !servers->servers[i].going) {
            host_add_counters(host, servers->servers[i].config.name, false, &sum);
        }
        sample->values[RATE_READS + i] = sum.reads;
    }
}

void status_sample(struct host *host) {
    struct rates_sample sample;
    take_sample(host, &sample);
    rates_add(&host->rates, &sample);
}

static void take_numbers(struct status *status, const struct rates_sample *now) {
    const struct rates *rates = &status->host->rates;
    for (uint32_t i = 0; i < STATUS_VERDICTS; i++) {
        status->verdicts[i] = now->values[RATE_VERDICTS + i];
        status->verdicts_per_s[i] = rates_per_s(rates, now, RATE_VERDICTS + i);
    }
    for (uint32_t i = 0; i <= RP_SERVED_BY_PRIMARY; i++) {
        status->served_by[i] = now->values[RATE_SERVED_BY + i];
        status->served_by_per_s[i] = rates_per_s(rates, now, RATE_SERVED_BY + i);
    }
    status->log_dropped = now->values[RATE_LOG_DROPPED];
    status->log_dropped_per_s = rates_per_s(rates, now, RATE_LOG_DROPPED);
    host_read_budget(status->host, &status->budget);
    for (uint32_t i = 0; i < status->host->worker_count; i++) {
        struct http_front_counters counters;
        http_front_read_counters(status->host->workers[i].front, &counters);
        status->connections += counters.connections_open;
        status->clients_wait |= counters.connections_waiting != 0;
    }
    status->under_way = counter_value(&status->host->service.under_way);
}

static uint64_t links_of(const struct host_config *config, const char *name) {
    const struct server_config *server = config_find_server(config, name);
    return server != NULL ? (uint64_t)server->links * config->listen.threads : 0;
}

static void take_servers(struct status *status, const struct servers *servers,
                         const struct rates_sample *now) {
    const struct host *host = status->host;
    for (uint32_t i = 0; i < servers->count; i++) {
        struct pg_server_counters sum = {0};
        char error[256];
        if (servers->servers[i].links == NULL || servers->servers[i].going ||
            status->server_count == HOST_MAX_SERVERS) {
            continue;
        }
        struct status_server *server = &status->servers[status->server_count];
        server->info.struct_size = sizeof server->info;
        if (servers->calls->server(servers->cluster, i, &server->info) != RP_OK) {
            continue;
        }
        status->server_count++;
        server->name = servers->servers[i].config.name;
        host_add_counters(host, server->name, true, &sum);
        /* Where it answers others, this thread's links are what is lacking. */
        if (host_threads_without(host, server->name) < host->worker_count) {
            server->info.answers = 1;
        }
        server->links = links_of(status->config, server->name);
        server->links_up = sum.links_up;
        server->in_flight = sum.in_flight;
        server->reads = sum.reads;
        server->reads_per_s = rates_per_s(&host->rates, now, RATE_READS + i);
        if (server->links_up < server->links) {
            host_find_error(host, server->name, error, sizeof error);
            one_line(server->error, sizeof server->error, error);
        }
    }
}

static const struct rp_server_info *info_of_primary(const struct status *status) {
    static const struct rp_server_info none = {0};
    for (uint32_t i = 0; i < status->server_count; i++) {
        if (status->servers[i].info.role == RP_ROLE_PRIMARY) {
            return &status->servers[i].info;
        }
    }
    return &none;
}

/* What is known of an unknown lag grows from when the primary was last seen where the replica is.
 * So long it has been behind at least, if the primary was seen to go on; if not, it may be level
 * still, and be the one to promote. One that streams an older timeline than the primary's is where
 * somebody else is, whatever its position. */
static void judge_lags(struct status *status) {
    const struct rp_server_info *primary = info_of_primary(status);
    for (uint32_t i = 0; i < status->server_count; i++) {
        struct status_server *server = &status->servers[i];
        struct rp_server_info *info = &server->info;
        const bool elsewhere = info->timeline != 0 && info->timeline < primary->timeline;
        if (info->role == RP_ROLE_REPLICA && info->lag_ns == RP_UNKNOWN &&
            (elsewhere || info->position >= primary->position)) {
            server->level = primary->position != 0 && !elsewhere;
            server->unknown_ns = info->lag_at_least_ns;
            info->lag_at_least_ns = 0;
        }
    }
}

static void take_policy(struct status *status) {
    const struct lookup_service *service = &status->host->service;
    (void)service->plugin->describe(service->policy, status->policy, sizeof status->policy);
    if (RP_HAS(service->plugin, diagram) &&
        service->plugin->diagram(service->policy, status->diagram, sizeof status->diagram) >=
            sizeof status->diagram) {
        status->diagram[0] = '\0';
    }
}

void status_take(struct status *status, const struct worker *worker) {
    struct host *host = worker->host;
    struct rates_sample now;
    take_sample(host, &now);
    *status = (struct status){.host = host,
                              .config = worker->lookups.config,
                              .calls = worker->servers.calls,
                              .now_unix_ms = unix_now_ms(),
                              .cluster = {.struct_size = sizeof status->cluster}};
    policy_needs_find(host, &status->needs);
    status->ready =
        host_is_ready(worker, &status->needs, status->not_ready, sizeof status->not_ready);
    (void)worker->servers.calls->info(worker->servers.cluster, &status->cluster);
    status->cluster.split = host_is_split(host);
    status->threads_without_primary = host_threads_without_primary(host);
    status->cluster.primary_answers = status->threads_without_primary == 0;
    take_numbers(status, &now);
    take_servers(status, &worker->servers, &now);
    judge_lags(status);
    take_policy(status);
    status->miss_count = misses_copy(&host->service.misses, status->misses);
}
