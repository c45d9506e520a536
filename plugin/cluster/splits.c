/*
 * splits.c - see splits.h.
 */
#include "splits.h"

#include "said.h"
#include "systems.h"

#define TWO_LEAD_NS UINT64_C(60000000000) /* neither of them was heard for so long: it is over */

/* Whether an answer of `server` was asked for after the other had been heard to lead. */
static bool spoke_after(const struct server *server, const struct server *other) {
    return server->said_sent_event > other->leading_event;
}

/* A question that was answered after that, whenever it was asked, shows that it is not dead. */
static bool is_lost_since(const struct server *server, uint64_t event) {
    return server->lost_event > event && server->lost_event > server->heard_event;
}

/* It may be a second primary, and is asked until it answers, or is lost. */
static void suspect(struct rp_cluster *cluster, uint32_t index) {
    cluster->suspected = true;
    cluster->judge_again |= server_bit(index);
}

/* Two instances that both lead: a split if each said so after the other had; before that, the one
 * that has not been asked since is asked, until it answers or fails. A server that merely fell
 * silent is no evidence. */
static void judge_pair(struct rp_cluster *cluster, uint32_t one_index, uint32_t other_index) {
    const struct server *one = &cluster->servers[one_index];
    const struct server *other = &cluster->servers[other_index];
    if (!leads(one) || !leads(other) || one->said.instance == other->said.instance ||
        is_foreign(cluster, one) || is_foreign(cluster, other)) {
        return;
    }
    if (spoke_after(one, other) && spoke_after(other, one)) {
        cluster->split = true;
        cluster->split_servers[0] = one_index;
        cluster->split_servers[1] = other_index;
        return;
    }
    const uint32_t pair[2] = {one_index, other_index};
    for (uint32_t i = 0; i < 2; i++) {
        const struct server *late = &cluster->servers[pair[i]];
        const struct server *news = &cluster->servers[pair[1 - i]];
        if (!spoke_after(late, news) && !is_lost_since(late, news->leading_event)) {
            suspect(cluster, pair[i]);
        }
    }
}

/* Whether it leads, or has led, to a primary of the system that counts. */
static bool has_led_to_ours(const struct rp_cluster *cluster, const struct server *server) {
    bool ours = !is_foreign(cluster, server);
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        const struct instance *one = &server->instances[i];
        ours = ours || (one->led.event != 0 && one->system == cluster->system);
    }
    return ours;
}

/* The same behind one name, by turns: the one has said that it leads after the other had, and the
 * other one after that. They may be of two systems. */
static void judge_name(struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    if (!leads(server) || !has_led_to_ours(cluster, server)) {
        return;
    }
    if (server->two_lead_ns != 0 && server->asked_ns - server->two_lead_ns < TWO_LEAD_NS) {
        cluster->split = true;
        cluster->split_servers[0] = index;
        cluster->split_servers[1] = index;
    } else if (server->switched_event != 0 && !is_lost_since(server, server->switched_event)) {
        suspect(cluster, index);
    }
}

/* One that led when its questions began to fail, and lives: who has come to lead since may have
 * been promoted beside it. */
static void judge_blind(struct rp_cluster *cluster, uint32_t index) {
    const struct server *blind = &cluster->servers[index];
    const struct instance *its = blind->led_last;
    if (its == NULL || is_other_system(cluster, its->system)) {
        return;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (leads(server) && server->said.instance != its->start && !is_foreign(cluster, server) &&
            !is_lost_since(blind, server->leading_event)) {
            suspect(cluster, index);
        }
    }
}

/* A standby that has streamed or replayed a timeline above the primary's: somebody was promoted,
 * whom nobody here may know. Such a standby never goes back, whether it streams now or not. */
static bool follows_newer(const struct rp_cluster *cluster, const struct server *server) {
    if (!follows(server) || cluster->primary == NO_SERVER || is_foreign(cluster, server)) {
        return false;
    }
    uint32_t timeline = cluster->servers[cluster->primary].said.upper;
    return timeline != 0 && server->instance->followed.timeline > timeline;
}

/* When the primary was last asked what it answered, by any of its names. */
static uint64_t primary_spoke_event(const struct rp_cluster *cluster) {
    uint64_t last = 0;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *name = &cluster->servers[i];
        if (leads(name) &&
            name->said.instance == cluster->servers[cluster->primary].said.instance &&
            name->said_sent_event > last) {
            last = name->said_sent_event;
        }
    }
    return last;
}

bool splits_is_diverged(const struct rp_cluster *cluster, const struct server *server) {
    return follows_newer(cluster, server) &&
           primary_spoke_event(cluster) > server->instance->followed.event;
}

static void judge_follower(struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    const uint32_t primary = cluster->primary;
    if (follows(server) && !is_foreign(cluster, server) &&
        server->instance->followed.timeline > cluster->followed) {
        cluster->followed = server->instance->followed.timeline;
    }
    if (!follows_newer(cluster, server)) {
        return;
    }
    cluster->outrun = true;
    if (!splits_is_diverged(cluster, server)) {
        if (!is_lost_since(&cluster->servers[primary], server->instance->followed.event)) {
            suspect(cluster, primary);
        }
    } else if (!cluster->split) {
        cluster->split = true;
        cluster->split_servers[0] = primary;
        cluster->split_servers[1] = index;
    }
}

/* A read has seen it out of recovery, and it has not said on which timeline: until it does, whoever
 * is the primary may be the one that it has deposed. */
static bool may_have_been_promoted(const struct rp_cluster *cluster, const struct server *server) {
    return is_on(server) && server->uncertain_event != 0 && !is_foreign(cluster, server);
}

static void tell_split(struct rp_cluster *cluster, bool before) {
    const struct server *one = &cluster->servers[cluster->split_servers[0]];
    const struct server *other = &cluster->servers[cluster->split_servers[1]];
    if (cluster->split && !before && one == other) {
        notices_add(&cluster->notices, RP_LOG_ERROR, cluster->split_servers[0],
                    "split: %s leads to two primaries (timeline %u) by turns; reads that miss fail "
                    "until it has led to one of them alone for a minute, or state = off",
                    one->name, timeline_of(one));
    } else if (cluster->split && !before) {
        notices_add(
            &cluster->notices, RP_LOG_ERROR, NO_SERVER,
            "split: %.40s (timeline %u) and %.40s (timeline %u) are of two primaries; reads "
            "that miss fail until one of them is a standby, state = off, or stopped and this host "
            "reloaded",
            one->name, timeline_of(one), other->name, timeline_of(other));
    } else if (before && !cluster->split) {
        notices_add(&cluster->notices, RP_LOG_NONE, NO_SERVER, "the split is over");
    }
}

void splits_judge(struct rp_cluster *cluster) {
    bool before = cluster->split;
    cluster->split = false;
    cluster->followed = 0;
    cluster->outrun = false;
    cluster->suspected = cluster->claim_pending;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        for (uint32_t k = i + 1; leads(&cluster->servers[i]) && k < cluster->server_count; k++) {
            judge_pair(cluster, i, k);
        }
        judge_name(cluster, i);
        judge_blind(cluster, i);
        judge_follower(cluster, i);
        cluster->suspected |= may_have_been_promoted(cluster, &cluster->servers[i]);
    }
    tell_split(cluster, before);
    bool two_systems = systems_are_two(cluster);
    if (two_systems && !cluster->two_systems) {
        notices_add(
            &cluster->notices, RP_LOG_ERROR, NO_SERVER,
            systems_ours_is_led(cluster)
                ? "servers of two systems are out of recovery; reads that miss fail until expect "
                  "= primary says which of them counts, or the others are state = off"
                : "the server that is out of recovery is of another system than the primary was; "
                  "reads fail until that one is back, or all servers are of the other system, or "
                  "this host is reloaded");
    }
    cluster->two_systems = two_systems;
}

bool splits_has(const struct rp_cluster *cluster, uint32_t index) {
    return cluster->split &&
           (index == cluster->split_servers[0] || index == cluster->split_servers[1]);
}
