/*
 * systems.c - see systems.h.
 */
#include "systems.h"

#include "said.h"

/* ---- the system ------------------------------------------------------------------------------ */

static struct server *expected_primary(const struct rp_cluster *cluster) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        struct server *server = &cluster->servers[i];
        if (is_on(server) && server->expect == RP_EXPECT_PRIMARY) {
            return server;
        }
    }
    return NULL;
}

bool systems_ours_is_led(const struct rp_cluster *cluster) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (leads(server) && server->answers && system_of(server) == cluster->system) {
            return true;
        }
    }
    return false;
}

static void adopt_system(struct rp_cluster *cluster, uint64_t system) {
    if (cluster->system != 0) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "the primary is of another system than before (%llu, not %llu): what was "
                    "remembered of the old one is forgotten",
                    (unsigned long long)system, (unsigned long long)cluster->system);
    }
    cluster->system = system;
    cluster->timeline = 0;
    lag_forget(&cluster->lag);
}

/* That every server is of, which must have answered; 0: none. */
static uint64_t system_of_all(const struct rp_cluster *cluster) {
    uint64_t system = 0;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (!is_on(server)) {
            continue;
        }
        if (!server->answers || system_of(server) == 0 ||
            (system != 0 && system_of(server) != system)) {
            return 0;
        }
        system = system_of(server);
    }
    return system;
}

/* Who came to lead first, and may be the primary; NULL: nobody. */
static const struct server *first_leader(const struct rp_cluster *cluster) {
    const struct server *first = NULL;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (leads(server) && server->expect != RP_EXPECT_REPLICA && system_of(server) != 0 &&
            (first == NULL || server->leading_event < first->leading_event)) {
            first = server;
        }
    }
    return first;
}

void systems_judge(struct rp_cluster *cluster) {
    const struct server *expected = expected_primary(cluster);
    const struct server *counts = expected != NULL ? expected : first_leader(cluster);
    const uint64_t system = counts != NULL ? system_of(counts) : 0;
    if (system == 0 || system == cluster->system) {
        return;
    }
    /* After an upgrade, or a rebuild, there may be nobody left of the one that is remembered. */
    const bool nobody_is_left =
        expected != NULL ? !systems_ours_is_led(cluster) : system_of_all(cluster) != 0;
    if (cluster->system == 0 || nobody_is_left) {
        adopt_system(cluster, system);
    }
}

bool systems_are_two(const struct rp_cluster *cluster) {
    if (expected_primary(cluster) != NULL) {
        return false;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (leads(server) && server->expect == RP_EXPECT_ANY && is_foreign(cluster, server)) {
            return true;
        }
    }
    return false;
}

/* ---- the database ---------------------------------------------------------------------------- */

/* That the server is read in; 0: unknown, or of another system. Servers of one system have all its
 * databases, so that nothing else that they say of themselves tells that they are read in different
 * ones. */
static uint64_t database_of(const struct rp_cluster *cluster, const struct server *server) {
    const bool counts = is_on(server) && server->said.instance != 0 && !is_foreign(cluster, server);
    return counts ? server->database : 0;
}

bool systems_is_elsewhere(const struct rp_cluster *cluster, const struct server *server) {
    if (cluster->primary == NO_SERVER) {
        return false;
    }
    const uint64_t primarys = database_of(cluster, &cluster->servers[cluster->primary]);
    const uint64_t its = database_of(cluster, server);
    return primarys != 0 && its != 0 && its != primarys;
}

/* Which one is meant then, nobody can say; but if both are of one name, one of them has yet to hear
 * that the name has moved: a standby that is late, or silent. */
static bool are_meant_to_differ(const struct server *one, const struct server *other) {
    return one->database != other->database &&
           (one->database_name == 0 || one->database_name != other->database_name);
}

void systems_judge_databases(struct rp_cluster *cluster) {
    const struct server *first = NULL, *other = NULL;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (database_of(cluster, server) == 0) {
            continue;
        }
        if (first == NULL) {
            first = server;
        } else if (are_meant_to_differ(server, first)) {
            other = server;
        }
    }
    if (other != NULL && !cluster->two_databases) {
        notices_add(&cluster->notices, RP_LOG_ERROR, NO_SERVER,
                    "%.50s and %.50s are connected to different databases; reads that miss fail "
                    "until their connection strings (or a pooler's) name the same one",
                    first->name, other->name);
    } else if (other == NULL && cluster->two_databases) {
        notices_add(&cluster->notices, RP_LOG_NONE, NO_SERVER,
                    "all servers are connected to the same database");
    }
    cluster->two_databases = other != NULL;
}
