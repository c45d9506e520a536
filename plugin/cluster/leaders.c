/*
 * leaders.c - see leaders.h.
 */
#include "leaders.h"

#include "said.h"

static bool may_be_primary(const struct rp_cluster *cluster, const struct server *server) {
    return leads(server) && server->expect != RP_EXPECT_REPLICA && !is_foreign(cluster, server);
}

/* What is remembered deposes everybody below it, for good. So a timeline is remembered when a
 * server has claimed it in two answers, and one answer that was damaged on its way does no lasting
 * harm. */
static bool has_confirmed_timeline(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    if (server->claim.timeline != server->said.upper) {
        server->claim.timeline = server->said.upper;
        server->claim.event = server->said_event;
    }
    if (server->claim.event != server->said_event && !system_is_due(server)) {
        return true;
    }
    cluster->claim_pending = true;
    /* One that has fallen silent since, or blind, has its next question with its next poll. */
    if (server->answers && !server->blind) {
        cluster->claim_awaited = true;
        cluster->judge_again |= server_bit(index);
    }
    return false;
}

static void remember_timeline(struct rp_cluster *cluster) {
    cluster->claim_pending = false;
    cluster->claim_awaited = false;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (may_be_primary(cluster, server) && server->said.upper > cluster->timeline &&
            has_confirmed_timeline(cluster, i)) {
            cluster->timeline = server->said.upper;
        }
    }
}

void leaders_note_replaced(struct rp_cluster *cluster, const struct server *server) {
    if (may_be_primary(cluster, server) && server->said.upper > cluster->timeline &&
        !system_is_due(server)) {
        cluster->timeline = server->said.upper;
    }
}

bool leaders_is_deposed(const struct rp_cluster *cluster, const struct server *server) {
    return server->said.upper < cluster->timeline && server->said.upper != 0;
}

/* Whether it is rather the primary than the other: the newer timeline; of the same, who came to
 * lead last. Of two names of one server the one that answers, and is not drained; a silence decides
 * nothing between two servers. */
static bool is_rather(const struct server *server, const struct server *other) {
    if (server->said.instance == other->said.instance) {
        return server->answers != other->answers
                   ? server->answers
                   : server->state == RP_SERVER_ON && other->state == RP_SERVER_DRAIN;
    }
    if (server->said.upper != other->said.upper) {
        return server->said.upper > other->said.upper;
    }
    return server->leading_event > other->leading_event;
}

void leaders_judge(struct rp_cluster *cluster) {
    uint32_t before = cluster->primary;
    uint32_t best = NO_SERVER;
    remember_timeline(cluster);
    /* The one before stays where nobody is rather the primary. */
    if (before != NO_SERVER && may_be_primary(cluster, &cluster->servers[before]) &&
        !leaders_is_deposed(cluster, &cluster->servers[before])) {
        best = before;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (!may_be_primary(cluster, server) || leaders_is_deposed(cluster, server)) {
            continue;
        }
        if (best == NO_SERVER || is_rather(server, &cluster->servers[best])) {
            best = i;
        }
    }
    cluster->primary = best;
    cluster->primary_answers = best != NO_SERVER && cluster->servers[best].answers;
}
