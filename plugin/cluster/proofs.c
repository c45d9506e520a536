/*
 * proofs.c - see proofs.h.
 */
#include "proofs.h"

#include "position.h"
#include "said.h"

#include <stddef.h>

#define DEFAULT_BLOCK   8192u
#define DEFAULT_SEGMENT (16u << 20)

/* facts.instance 0: nothing was said before the answer. */
static const struct instance *instance_of(const struct server *server, const struct facts *facts) {
    if (facts->instance == 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        if (server->instances[i].start == facts->instance) {
            return &server->instances[i];
        }
    }
    return NULL;
}

bool sorts_as_primary(const struct rp_cluster *cluster, const struct instance *instance) {
    if (cluster->primary == NO_SERVER) {
        return true;
    }
    const struct instance *primary = cluster->servers[cluster->primary].instance;
    return primary == NULL || primary->collation == 0 || instance->collation == 0 ||
           primary->collation == instance->collation;
}

/* A server's connections may be to different databases: one stays in its own when names change.
 * While there is no primary, a server's own that it told of last counts. */
static bool is_in_primarys_database(const struct rp_cluster *cluster, uint32_t index,
                                    const struct facts *facts) {
    const uint32_t whose = cluster->primary != NO_SERVER ? cluster->primary : index;
    return facts->database == cluster->servers[whose].database;
}

uint64_t proof_position(const struct rp_cluster *cluster, const struct read *read,
                        const struct facts *facts) {
    const struct server *server = &cluster->servers[read->server];
    const struct instance *instance = instance_of(server, facts);
    if (instance == NULL || !facts->read_committed || !facts->in_recovery ||
        !misses_count(cluster) || cluster->outrun || cluster->primary == NO_SERVER ||
        read->located_instance == 0) {
        return 0;
    }
    const struct server *primary = &cluster->servers[cluster->primary];
    bool systems = cluster->system != 0 && instance->system == cluster->system &&
                   primary->instance != NULL && primary->instance->system == cluster->system;
    bool primaries = primary->said.instance == read->located_instance &&
                     primary->said.upper == read->located_timeline &&
                     read->located_timeline == cluster->timeline;
    bool timelines = read->located_timeline != 0 && facts->upper == read->located_timeline &&
                     instance->lower == read->located_timeline;
    bool compared = instance->compared.with == read->located_instance && !instance->compared.ahead;
    return systems && primaries && timelines && compared && sorts_as_primary(cluster, instance) &&
                   is_in_primarys_database(cluster, read->server, facts)
               ? facts->position
               : 0;
}

/* A standby may be the first to tell of it, or the only one. */
static uint32_t newest_timeline(const struct rp_cluster *cluster) {
    return cluster->followed > cluster->timeline ? cluster->followed : cluster->timeline;
}

uint64_t floor_position(const struct rp_cluster *cluster, uint32_t index,
                        const struct facts *facts) {
    const struct server *server = &cluster->servers[index];
    const struct instance *instance = instance_of(server, facts);
    if (instance == NULL || !facts->read_committed || !facts->in_recovery ||
        instance->compared.ahead || !misses_count(cluster) || instance->lower == 0 ||
        instance->lower < newest_timeline(cluster)) {
        return 0;
    }
    bool foreign = cluster->system != 0 && instance->system != cluster->system;
    return foreign || !sorts_as_primary(cluster, instance) ||
                   !is_in_primarys_database(cluster, index, facts)
               ? 0
               : facts->position;
}

/* Under this name or another one. */
static bool is_primary_instance(const struct rp_cluster *cluster, const struct facts *facts) {
    return cluster->primary != NO_SERVER &&
           cluster->servers[cluster->primary].said.instance == facts->instance;
}

const char *why_leader_does_not_count(const struct rp_cluster *cluster, uint32_t index,
                                      const struct facts *facts) {
    const struct server *server = &cluster->servers[index];
    const struct instance *instance = instance_of(server, facts);
    if (instance == NULL) {
        return "the primary did not say who it is in the transaction of its answer";
    }
    if (facts->in_recovery) {
        return "the server that was asked as the primary is in recovery";
    }
    if (!is_primary_instance(cluster, facts)) { /* it was asked before that changed */
        return "another server answered than the one that is the primary by now";
    }
    if (is_other_system(cluster, instance->system)) {
        return "the server that was asked as the primary is of another system";
    }
    if (!instance->heard_in_full) {
        return "the server that was asked as the primary has not said yet of which system it is";
    }
    if (facts->upper == 0 || facts->upper < cluster->timeline) {
        return "the server that was asked as the primary is on an older timeline, or does not tell "
               "its own";
    }
    if (!cluster->settled) {
        return "not every server has been heard since the start, or since this host slept";
    }
    if (cluster->split || cluster->suspected || cluster->outrun || server->switched_event != 0) {
        return "two servers claim to be the primary";
    }
    if (cluster->two_systems) {
        return "servers of two systems claim to be the primary";
    }
    if (!is_in_primarys_database(cluster, index, facts) || server->moved_event == cluster->event) {
        return "the primary was asked in another database than before";
    }
    if (cluster->two_databases) {
        return "servers are connected to different databases";
    }
    return NULL;
}

const char *why_primary_is_not_sure(const struct rp_cluster *cluster, uint32_t server,
                                    const struct facts *facts) {
    const char *why = why_leader_does_not_count(cluster, server, facts);
    if (why == NULL && !facts->read_committed) {
        return "the primary was not asked under READ COMMITTED";
    }
    return why;
}

uint64_t reachable_position(const struct rp_cluster *cluster, uint32_t index, uint64_t inserted) {
    const struct abilities *can = &cluster->servers[index].can;
    return position_without_page_header(inserted, can->block != 0 ? can->block : DEFAULT_BLOCK,
                                        can->segment != 0 ? can->segment : DEFAULT_SEGMENT);
}
