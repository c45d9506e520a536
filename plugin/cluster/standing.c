/*
 * standing.c - see standing.h.
 */
#include "standing.h"

#include "leaders.h"
#include "said.h"
#include "splits.h"
#include "systems.h"

#include <stdio.h>
#include <string.h>

#define REDIAL_NS UINT64_C(10000000000)

/* So long after it was dialled anew a server that answers has been asked over a new connection. */
#define BACK_NS UINT64_C(2500000000)

static const char *const why_texts[WHY_COUNT] = {
    [WHY_FINE] = "",
    [WHY_FOREIGN] = "it belongs to another system than the primary",
    [WHY_ELSEWHERE] =
        ("it is connected to another database than the primary: all connection strings "
         "must name the same one"),
    [WHY_DEPOSED] =
        ("it is out of recovery on an older timeline than the primary's: a primary that "
         "was deposed and not fenced (if it is the right one after all, reload this host)"),
    [WHY_PROMOTED] = "it is expected to be a replica, and is out of recovery",
    [WHY_SECOND] = "it is out of recovery beside the primary",
    [WHY_SAME] = "it is the primary, under another name",
    [WHY_STANDBY] = "it is expected to be the primary, and is in recovery; it serves as a replica",
    [WHY_DIVERGED] = "it follows a timeline above the primary's",
    [WHY_AHEAD] = "it has replayed more than the primary has written, so it is not its replica",
    [WHY_UNCERTAIN] =
        ("a read has seen it out of recovery, and it has not said since on which timeline: reads "
         "that miss fail until it does, state = off, or this host is reloaded"),
};

const char *standing_why(const struct server *server) {
    return why_texts[server->why];
}

uint32_t standing_primary(const struct rp_cluster *cluster) {
    for (uint32_t i = 0; cluster->primary == NO_SERVER && i < cluster->server_count; i++) {
        if (cluster->servers[i].role == RP_ROLE_PRIMARY) {
            return i;
        }
    }
    return cluster->primary;
}

const char *standing_why_no_primary(const struct rp_cluster *cluster) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        if (cluster->servers[i].why == WHY_STANDBY) {
            return "no primary is known: the one that is expected to be it is in recovery";
        }
    }
    return "no primary is known";
}

static enum why why_leader(const struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    if (server->expect == RP_EXPECT_REPLICA) {
        return WHY_PROMOTED;
    }
    if (leaders_is_deposed(cluster, server)) {
        return WHY_DEPOSED;
    }
    if (index == cluster->primary) {
        return WHY_FINE;
    }
    const bool same = cluster->primary != NO_SERVER &&
                      server->said.instance == cluster->servers[cluster->primary].said.instance;
    return same ? WHY_SAME : WHY_SECOND;
}

static enum why why_follower(const struct rp_cluster *cluster, const struct server *server) {
    if (splits_is_diverged(cluster, server)) {
        return WHY_DIVERGED;
    }
    if (cluster->primary != NO_SERVER && server->instance->compared.ahead) {
        return WHY_AHEAD;
    }
    return server->expect == RP_EXPECT_PRIMARY ? WHY_STANDBY : WHY_FINE;
}

/* A server that can tell nothing of itself is what the operator says it is, unless its last words
 * were others; nothing is proven by it. */
static int32_t role_unheard(const struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    if (!server->blind || server->barred) {
        return RP_ROLE_UNKNOWN;
    }
    if (server->expect == RP_EXPECT_REPLICA) {
        return RP_ROLE_REPLICA;
    }
    bool needed = server->expect == RP_EXPECT_PRIMARY && cluster->primary == NO_SERVER;
    return needed ? RP_ROLE_PRIMARY : RP_ROLE_UNKNOWN;
}

void standing_judge(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    server->why = WHY_FINE;
    if (!is_on(server) || server->said.instance == 0) {
        server->role = is_on(server) ? role_unheard(cluster, index) : RP_ROLE_UNKNOWN;
        return;
    }
    if (is_foreign(cluster, server)) {
        server->why = WHY_FOREIGN;
    } else if (systems_is_elsewhere(cluster, server)) {
        server->why = WHY_ELSEWHERE;
    } else if (server->uncertain_event != 0) {
        server->why = WHY_UNCERTAIN;
    } else if (leads(server)) {
        server->why = (uint8_t)why_leader(cluster, index);
    } else {
        server->why = (uint8_t)why_follower(cluster, server);
    }
    if (server->why != WHY_FINE && server->why != WHY_STANDBY) {
        server->role = RP_ROLE_OUT;
    } else {
        server->role = leads(server) ? RP_ROLE_PRIMARY : RP_ROLE_REPLICA;
    }
}

static int32_t level_of(const struct rp_cluster *cluster, const struct server *server) {
    switch (server->why) {
    case WHY_FINE:
        return server->role == RP_ROLE_PRIMARY && cluster->settled ? RP_LOG_WARN : RP_LOG_NONE;
    case WHY_SAME:
        return RP_LOG_NONE;
    case WHY_ELSEWHERE:
    case WHY_DEPOSED:
    case WHY_PROMOTED:
    case WHY_STANDBY:
    case WHY_UNCERTAIN:
        return RP_LOG_ERROR;
    default:
        return RP_LOG_WARN;
    }
}

/* Two connections by one name lead to the same primary while a host exchanges how it reaches it.
 * What was told of the name holds on, and neither is told of as being out. */
static bool is_exchanged(const struct rp_cluster *cluster, const struct server *server) {
    return server->why == WHY_SAME &&
           strcmp(server->name, cluster->servers[cluster->primary].name) == 0;
}

void standing_tell(struct rp_cluster *cluster, uint32_t index) {
    static const char *const roles[] = {"not known", "the primary", "a replica", "out"};
    struct server *server = &cluster->servers[index];
    /* Of one that does not answer nothing new is known, but for what it was asked in vain. */
    const bool is_asked = server->why == WHY_UNCERTAIN && !server->blind;
    if ((server->role == server->noted.role && server->why == server->noted.why) ||
        server->answers == is_asked) {
        return;
    }
    if (is_exchanged(cluster, server)) {
        server->noted.role = RP_ROLE_PRIMARY;
        server->noted.why = WHY_FINE;
        return;
    }
    server->noted.role = server->role;
    server->noted.why = server->why;
    if (server->role == RP_ROLE_UNKNOWN) {
        return;
    }
    cluster->counters.role_changes++;
    const char *why = standing_why(server);
    char timeline[24] = "";
    if (server->said.instance != 0 && timeline_of(server) != 0) {
        (void)snprintf(timeline, sizeof timeline, " (timeline %u)", timeline_of(server));
    }
    notices_add(&cluster->notices, level_of(cluster, server), index, "%s is %s%s%s%s", server->name,
                roles[server->role], why[0] != '\0' ? ": " : "", why, timeline);
}

static void redial(struct rp_cluster *cluster, uint32_t index) {
    cluster->redial_queue |= server_bit(index);
    cluster->servers[index].redial.last_ns = cluster->now_ns;
}

/* A session stays in its database when that gives its name to another one, so the first thing to do
 * about a wrong one is to connect anew. */
static bool may_have_stayed_behind(const struct rp_cluster *cluster, const struct server *server) {
    return server->why == WHY_ELSEWHERE &&
           (server->redial.last_ns == 0 || cluster->now_ns - server->redial.last_ns >= REDIAL_NS);
}

static bool has_led(const struct server *server) {
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        if (server->instances[i].led.event != 0) {
            return true;
        }
    }
    return false;
}

/* Nobody leads, and this name has led to a primary before it led to a standby: one of several
 * hosts, or a name that moves too late. The primary may be back there, and the connections to the
 * standby would never end by themselves. */
static bool has_lost_its_primary(const struct rp_cluster *cluster, const struct server *server) {
    return cluster->primary == NO_SERVER && server->role == RP_ROLE_REPLICA &&
           server->expect != RP_EXPECT_REPLICA && has_led(server);
}

/* It may be a healthy standby that has led once, as any in a cluster with failovers, and one that
 * is full takes no new connections: so it goes on while nobody else serves. Where there is just
 * this name it is all that may lead to the primary. */
static bool is_needed(const struct rp_cluster *cluster, uint32_t index) {
    bool is_alone = true;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *other = &cluster->servers[i];
        if (i == index || !is_on(other)) {
            continue;
        }
        const bool is_back =
            other->redial.last_ns == 0 || cluster->now_ns - other->redial.last_ns >= BACK_NS;
        if ((cluster->replicas & server_bit(i)) != 0 && other->answers && is_back) {
            return false;
        }
        is_alone = false;
    }
    return !is_alone;
}

/* That another one answers well is no reason to stay connected to one that is out: connections that
 * were made before a name moved lead to it still. */
void standing_redial(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    const bool lost = has_lost_its_primary(cluster, server);
    const bool elsewhere = (server->why != WHY_FINE && server->why != WHY_UNCERTAIN) ||
                           splits_has(cluster, index) || lost;
    if (!elsewhere && server->said.instance == server->redial.instance) {
        server->redial.not_before_ns = 0;
    } else if (elsewhere && server->redial.not_before_ns == 0) {
        server->redial.not_before_ns =
            cluster->now_ns + REDIAL_NS - cluster_random(cluster) % (REDIAL_NS / 4);
        server->redial.instance = server->said.instance;
        if (may_have_stayed_behind(cluster, server)) {
            redial(cluster, index);
        }
    } else if (server->redial.not_before_ns != 0 &&
               cluster->now_ns >= server->redial.not_before_ns &&
               !(lost && is_needed(cluster, index))) {
        redial(cluster, index);
        server->redial.not_before_ns = 0;
    }
}
