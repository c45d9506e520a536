/*
 * said.h - what servers have said of themselves, in short questions.
 */
#ifndef CLUSTER_SAID_H
#define CLUSTER_SAID_H

#include "cluster.h"

static inline bool is_on(const struct server *server) {
    return server->state != RP_SERVER_OFF;
}

static inline bool leads(const struct server *server) {
    return is_on(server) && server->said.instance != 0 && !server->said.in_recovery;
}

static inline bool follows(const struct server *server) {
    return is_on(server) && server->said.instance != 0 && server->said.in_recovery;
}

static inline uint64_t system_of(const struct server *server) {
    return server->instance != NULL ? server->instance->system : 0;
}

/* It has led, or followed, and was not asked yet of which system it is. */
static inline bool system_is_due(const struct server *server) {
    return server->instance != NULL && !server->instance->heard_in_full;
}

static inline bool is_other_system(const struct rp_cluster *cluster, uint64_t system) {
    return cluster->system != 0 && system != 0 && system != cluster->system;
}

static inline bool is_foreign(const struct rp_cluster *cluster, const struct server *server) {
    return is_other_system(cluster, system_of(server));
}

/* That it leads, or follows. */
static inline uint32_t timeline_of(const struct server *server) {
    return follows(server) ? server->instance->followed.timeline : server->said.upper;
}

#endif
