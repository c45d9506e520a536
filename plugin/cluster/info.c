/*
 * info.c - see info.h.
 */
#include "info.h"

#include "cluster.h"
#include "proofs.h"
#include "standing.h"

#include <stddef.h>
#include <string.h>

#define MS UINT64_C(1000000)

static uint64_t lag_bytes_of(const struct rp_cluster *cluster, const struct server *server) {
    if (!cluster->primary_answers || server->said.position == 0 ||
        !is_on_primarys_way(cluster, server)) {
        return RP_UNKNOWN;
    }
    uint64_t primary = reachable_position(cluster, cluster->primary,
                                          cluster->servers[cluster->primary].said.position);
    if (primary == 0) {
        return RP_UNKNOWN;
    }
    return server->said.position < primary ? primary - server->said.position : 0;
}

static void fill_lag(const struct rp_cluster *cluster, const struct server *server,
                     struct rp_server_info *info) {
    info->lag_bytes = RP_UNKNOWN;
    info->lag_ns = RP_UNKNOWN;
    info->lag_at_least_ns = 0;
    if (server->role != RP_ROLE_REPLICA) {
        return;
    }
    if (server->reached_ns != 0) {
        info->lag_at_least_ns = cluster->now_ns - server->reached_ns;
    }
    info->lag_bytes = lag_bytes_of(cluster, server);
    if (info->lag_bytes == 0) {
        info->lag_ns = 0;
        info->lag_at_least_ns = 0;
    } else if (info->lag_bytes != RP_UNKNOWN && server->reached_ns != 0) {
        /* Where one that answers has come to since, its next answer tells. */
        const uint64_t told_ns = server->answers ? server->lag_known_ns : cluster->now_ns;
        info->lag_ns = told_ns > server->reached_ns ? told_ns - server->reached_ns : 0;
        info->lag_at_least_ns = info->lag_ns;
    } else if (info->lag_bytes != RP_UNKNOWN && server->said.replay_age_ms != 0) {
        /* Behind all that is remembered: what the server itself says is the best there is. */
        info->lag_ns = server->said.replay_age_ms * MS;
    }
}

/* What a host of ABI 1.0 must have room for: who it is, and the notice. It is given as much as it
 * has room for, so that these structures can grow. */
#define MIN_SERVER_INFO_BYTES  UP_TO(struct rp_server_info, position)
#define MIN_CLUSTER_INFO_BYTES UP_TO(struct rp_cluster_info, system)
#define MIN_NOTICE_BYTES       UP_TO(struct rp_notice, text)

/* `all` is `size` bytes long; the first member of both is struct_size, and that of `host` stays. */
static void give(void *host, uint32_t host_size, const void *all, size_t size) {
    const size_t room = host_size < size ? host_size : size;
    memcpy((char *)host + sizeof host_size, (const char *)all + sizeof host_size,
           room - sizeof host_size);
}

int32_t cluster_server(struct rp_cluster *cluster, uint32_t index, struct rp_server_info *info) {
    if (cluster == NULL || info == NULL || info->struct_size < MIN_SERVER_INFO_BYTES) {
        return RP_E_ARGUMENT;
    }
    if (index >= cluster->max_servers) {
        return RP_E_END;
    }
    const struct server *server = &cluster->servers[index];
    bool known = server->said.instance != 0;
    struct rp_server_info all = {
        .role = server->role,
        .expect = server->expect,
        .state = server->state,
        .answers = server->answers,
        .in_recovery = known ? server->said.in_recovery : 2,
        .timeline = server->said.upper,
        .version = server->can.version,
        .instance = server->said.instance,
        .system = server->instance != NULL ? server->instance->system : 0,
        .position = known ? server->said.position : 0,
        .why = standing_why(server),
        .grants = server->probed ? question_missing_grants(&server->can) : "",
    };
    if (health_backs_off(&server->health, cluster->now_ns)) {
        all.backing_off_ns = server->health.until_ns - cluster->now_ns;
    }
    fill_lag(cluster, server, &all);
    give(info, info->struct_size, &all, sizeof all);
    return RP_OK;
}

int32_t cluster_info(struct rp_cluster *cluster, struct rp_cluster_info *info) {
    if (cluster == NULL || info == NULL || info->struct_size < MIN_CLUSTER_INFO_BYTES) {
        return RP_E_ARGUMENT;
    }
    const struct rp_cluster_info all = {
        .settled = cluster->settled,
        .split = cluster->split || cluster->two_systems,
        .primary = cluster->primary,
        .primary_answers = cluster->primary_answers,
        .timeline = cluster->timeline,
        .reads = cluster->reads_open,
        .replicas = (uint32_t)__builtin_popcountll(cluster->replicas),
        .system = cluster->system,
        .replicas_out = cluster->replicas == 0 && cluster->others != 0,
        .forgetting = cluster->forgetting,
    };
    give(info, info->struct_size, &all, sizeof all);
    return RP_OK;
}

int32_t cluster_notice(struct rp_cluster *cluster, struct rp_notice *notice) {
    struct rp_notice next;
    if (cluster == NULL || notice == NULL || notice->struct_size < MIN_NOTICE_BYTES ||
        !notices_take(&cluster->notices, &next)) {
        return 0;
    }
    give(notice, notice->struct_size, &next, sizeof next);
    return 1;
}

/* ---- counters -------------------------------------------------------------------------------- */

struct counter_row {
    const char *name;
    const char *help;
    size_t offset; /* in struct cluster_counters */
};

#define ROW(member, help) {"cluster." #member, help, offsetof(struct cluster_counters, member)}

static const struct counter_row counter_rows[] = {
    ROW(polls, "Questions to servers about who and where they are."),
    ROW(locates, "Questions to the primary for its WAL position, each shared by those who waited."),
    ROW(watches,
        "Questions for a position between two polls: reads await it, or max_lag_ms is set."),
    ROW(waits, "Waits for a replay position that a replica itself has kept."),
    ROW(role_changes, "Servers whose role, or the reason why they are out, has changed."),
    ROW(detours, "Reads that were sent to another replica, since the first could not be read."),
    ROW(conflicts, "Reads that were asked again after a conflict with recovery."),
    ROW(unproven, "Misses on a replica that could have proven an absence, and could not."),
    ROW(uncounted_misses,
        "Misses on a primary that did not count, since it was not sure to be one."),
    ROW(behind, "Answers of a replica that was not known to have reached the caller's position."),
    ROW(foreign_answers, "Answers that came late, or to no action."),
};

int32_t cluster_metrics(const struct rp_cluster *cluster, uint32_t index,
                        struct rp_metric *metric) {
    if (cluster == NULL || metric == NULL || metric->struct_size < sizeof *metric) {
        return RP_E_ARGUMENT;
    }
    if (index >= sizeof counter_rows / sizeof counter_rows[0]) {
        return RP_E_END;
    }
    const struct counter_row *row = &counter_rows[index];
    *metric = (struct rp_metric){
        .struct_size = metric->struct_size, .name = row->name, .help = row->help, .section = ""};
    memcpy(&metric->value, (const char *)&cluster->counters + row->offset, sizeof metric->value);
    return RP_OK;
}
