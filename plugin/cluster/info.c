/*
 * info.c - see info.h.
 */
#include "info.h"

#include "cluster.h"
#include "proofs.h"
#include "replica_lag.h"
#include "standing.h"

#include <stddef.h>
#include <string.h>

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

/* A host may hand it on to a reader, who then awaits it on a standby. */
static uint64_t position_of(const struct rp_cluster *cluster, uint32_t index) {
    const struct facts *said = &cluster->servers[index].said;
    if (said->instance == 0) {
        return 0;
    }
    return said->in_recovery ? said->position : reachable_position(cluster, index, said->position);
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
        .position = position_of(cluster, index),
        .why = standing_why(server),
        .grants = server->probed ? question_missing_grants(&server->can) : "",
    };
    if (health_backs_off(&server->health, cluster->now_ns)) {
        all.backing_off_ns = server->health.until_ns - cluster->now_ns;
    }
    replica_lag_fill(cluster, server, &all);
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
        .forgetting = cluster->forget.under_way,
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
