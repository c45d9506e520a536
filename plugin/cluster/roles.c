/*
 * roles.c - see roles.h.
 */
#include "roles.h"

#include "proofs.h"
#include "strict.h"

#include <stdio.h>
#include <string.h>

#define REDIAL_NS     UINT64_C(10000000000)
#define TWO_LEAD_NS   UINT64_C(60000000000) /* neither of them was heard for so long: it is over */
#define PATIENT_POLLS 3u /* before a notice that a replica can prove nothing: some of it passes */

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
    [WHY_UNCERTAIN] = "its role has changed, and it is being asked",
};

const char *roles_why(const struct server *server) {
    return why_texts[server->why];
}

const char *roles_why_no_primary(const struct rp_cluster *cluster) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        if (cluster->servers[i].why == WHY_STANDBY) {
            return "no primary is known: the one that is expected to be it is in recovery";
        }
    }
    return "no primary is known";
}

static bool is_on(const struct server *server) {
    return server->state != RP_SERVER_OFF;
}

static bool leads(const struct server *server) {
    return is_on(server) && server->said.instance != 0 && !server->said.in_recovery;
}

static bool follows(const struct server *server) {
    return is_on(server) && server->said.instance != 0 && server->said.in_recovery;
}

static uint64_t system_of(const struct server *server) {
    return server->instance != NULL ? server->instance->system : 0;
}

static bool is_foreign(const struct rp_cluster *cluster, const struct server *server) {
    uint64_t system = system_of(server);
    return cluster->system != 0 && system != 0 && system != cluster->system;
}

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

static bool somebody_leads_system(const struct rp_cluster *cluster) {
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

/* The expected primary's; without one, that of the first server that was seen out of recovery. It
 * changes only with the expected primary, and only if nobody else leads the old one. */
static void judge_system(struct rp_cluster *cluster) {
    const struct server *expected = expected_primary(cluster);
    uint64_t system = expected != NULL ? system_of(expected) : 0;
    if (system != 0) {
        if (cluster->system == 0 ||
            (system != cluster->system && !somebody_leads_system(cluster))) {
            adopt_system(cluster, system);
        }
        return;
    }
    const struct server *first = NULL;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (leads(server) && server->expect != RP_EXPECT_REPLICA && system_of(server) != 0 &&
            (first == NULL || server->leading_event < first->leading_event)) {
            first = server;
        }
    }
    if (cluster->system == 0 && expected == NULL && first != NULL) {
        adopt_system(cluster, system_of(first));
    }
}

/* Out of recovery in two systems, where nobody says which of them counts. */
static bool are_two_systems(const struct rp_cluster *cluster) {
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

static bool is_elsewhere(const struct rp_cluster *cluster, const struct server *server) {
    if (cluster->primary == NO_SERVER) {
        return false;
    }
    const uint64_t primarys = database_of(cluster, &cluster->servers[cluster->primary]);
    const uint64_t its = database_of(cluster, server);
    return primarys != 0 && its != 0 && its != primarys;
}

/* Which of them is meant, nobody can tell. */
static void judge_databases(struct rp_cluster *cluster) {
    const struct server *first = NULL, *other = NULL;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (database_of(cluster, server) == 0) {
            continue;
        }
        if (first == NULL) {
            first = server;
        } else if (server->database != first->database) {
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

/* ---- the primary ----------------------------------------------------------------------------- */

static bool may_be_primary(const struct rp_cluster *cluster, const struct server *server) {
    return leads(server) && server->expect != RP_EXPECT_REPLICA && !is_foreign(cluster, server);
}

/* What is remembered deposes everybody below it, for good. So a timeline is remembered when a
 * server has claimed it in two answers, and one answer that was damaged on its way does no lasting
 * harm. */
static bool has_confirmed_timeline(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    if (server->claimed_timeline != server->said.upper) {
        server->claimed_timeline = server->said.upper;
        server->claimed_event = server->said_event;
    }
    if (server->claimed_event != server->said_event) {
        return true;
    }
    cluster->claim_pending = true;
    cluster->judge_again |= server_bit(index);
    return false;
}

static void remember_timeline(struct rp_cluster *cluster) {
    cluster->claim_pending = false;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (may_be_primary(cluster, server) && server->said.upper > cluster->timeline &&
            has_confirmed_timeline(cluster, i)) {
            cluster->timeline = server->said.upper;
        }
    }
}

static bool is_deposed(const struct rp_cluster *cluster, const struct server *server) {
    return leads(server) && server->said.upper < cluster->timeline && server->said.upper != 0;
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

static void judge_primary(struct rp_cluster *cluster) {
    uint32_t before = cluster->primary;
    uint32_t best = NO_SERVER;
    remember_timeline(cluster);
    /* The one before stays where nobody is rather the primary. */
    if (before != NO_SERVER && may_be_primary(cluster, &cluster->servers[before]) &&
        !is_deposed(cluster, &cluster->servers[before])) {
        best = before;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (!may_be_primary(cluster, server) || is_deposed(cluster, server)) {
            continue;
        }
        if (best == NO_SERVER || is_rather(server, &cluster->servers[best])) {
            best = i;
        }
    }
    cluster->primary = best;
    cluster->primary_answers = best != NO_SERVER && cluster->servers[best].answers;
}

/* ---- splits ---------------------------------------------------------------------------------- */

/* Whether an answer of `server` was asked for after the other had been heard to lead. */
static bool spoke_after(const struct server *server, const struct server *other) {
    return server->said_sent_event > other->leading_event;
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
        if (!spoke_after(late, news) && late->lost_event <= news->leading_event) {
            cluster->suspected = true;
            cluster->judge_again |= server_bit(pair[i]);
        }
    }
}

/* The same behind one name, by turns: the one has said that it leads after the other had, and the
 * other one after that. */
static void judge_name(struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    if (!leads(server) || is_foreign(cluster, server)) {
        return;
    }
    if (server->two_lead_ns != 0 && cluster->now_ns - server->two_lead_ns < TWO_LEAD_NS) {
        cluster->split = true;
        cluster->split_servers[0] = index;
        cluster->split_servers[1] = index;
    } else if (server->switched_event != 0 && server->lost_event <= server->switched_event) {
        cluster->suspected = true;
        cluster->judge_again |= server_bit(index);
    }
}

/* A standby that has streamed or replayed a timeline above the primary's: somebody was promoted,
 * whom nobody here may know. Such a standby never goes back, whether it streams now or not. */
static bool follows_newer(const struct rp_cluster *cluster, const struct server *server) {
    if (!follows(server) || cluster->primary == NO_SERVER || is_foreign(cluster, server)) {
        return false;
    }
    uint32_t timeline = cluster->servers[cluster->primary].said.upper;
    return timeline != 0 && server->instance->followed > timeline;
}

/* And the primary has said since then that it still leads. One that merely fell silent before is no
 * evidence: that is a failover, and the standby is the new leader's. */
static bool is_diverged(const struct rp_cluster *cluster, const struct server *server) {
    return follows_newer(cluster, server) &&
           cluster->servers[cluster->primary].said_sent_event > server->instance->followed_event;
}

static void judge_follower(struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    const uint32_t primary = cluster->primary;
    if (primary == NO_SERVER || !follows_newer(cluster, server)) {
        return;
    }
    if (!is_diverged(cluster, server)) {
        if (cluster->servers[primary].lost_event <= server->instance->followed_event) {
            cluster->suspected = true;
            cluster->judge_again |= server_bit(primary);
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

/* That it leads, or follows. */
static uint32_t timeline_of(const struct server *server) {
    return follows(server) ? server->instance->followed : server->said.upper;
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

static void judge_splits(struct rp_cluster *cluster) {
    bool before = cluster->split;
    cluster->split = false;
    cluster->suspected = cluster->claim_pending;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        for (uint32_t k = i + 1; leads(&cluster->servers[i]) && k < cluster->server_count; k++) {
            judge_pair(cluster, i, k);
        }
        judge_name(cluster, i);
        judge_follower(cluster, i);
        cluster->suspected |= may_have_been_promoted(cluster, &cluster->servers[i]);
    }
    tell_split(cluster, before);
    bool two_systems = are_two_systems(cluster);
    if (two_systems && !cluster->two_systems) {
        notices_add(&cluster->notices, RP_LOG_ERROR, NO_SERVER,
                    "servers of two systems are out of recovery; reads that miss fail until expect "
                    "= primary says which of them counts, or the others are state = off");
    }
    cluster->two_systems = two_systems;
}

/* ---- each server ----------------------------------------------------------------------------- */

static enum why why_leader(const struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    if (server->expect == RP_EXPECT_REPLICA) {
        return WHY_PROMOTED;
    }
    if (is_deposed(cluster, server)) {
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
    if (is_diverged(cluster, server)) {
        return WHY_DIVERGED;
    }
    if (cluster->primary != NO_SERVER && server->instance->ahead &&
        server->instance->compared_with == cluster->servers[cluster->primary].said.instance) {
        return WHY_AHEAD;
    }
    return server->expect == RP_EXPECT_PRIMARY ? WHY_STANDBY : WHY_FINE;
}

/* A server that can tell nothing of itself is what the operator says it is; nothing is proven by
 * it. */
static int32_t role_unheard(const struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    if (!server->blind) {
        return RP_ROLE_UNKNOWN;
    }
    if (server->expect == RP_EXPECT_REPLICA) {
        return RP_ROLE_REPLICA;
    }
    bool needed = server->expect == RP_EXPECT_PRIMARY && cluster->primary == NO_SERVER;
    return needed ? RP_ROLE_PRIMARY : RP_ROLE_UNKNOWN;
}

static void judge_server(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    server->why = WHY_FINE;
    if (!is_on(server) || server->said.instance == 0) {
        server->role = is_on(server) ? role_unheard(cluster, index) : RP_ROLE_UNKNOWN;
        return;
    }
    if (is_foreign(cluster, server)) {
        server->why = WHY_FOREIGN;
    } else if (is_elsewhere(cluster, server)) {
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
        return RP_LOG_ERROR;
    default:
        return RP_LOG_WARN;
    }
}

static void tell_role(struct rp_cluster *cluster, uint32_t index) {
    static const char *const roles[] = {"not known", "the primary", "a replica", "out"};
    struct server *server = &cluster->servers[index];
    /* Of one that does not answer nothing new is known. */
    if ((server->role == server->noted_role && server->why == server->noted_why) ||
        server->why == WHY_UNCERTAIN || !server->answers) {
        return;
    }
    server->noted_role = server->role;
    server->noted_why = server->why;
    if (server->role == RP_ROLE_UNKNOWN) {
        return;
    }
    cluster->counters.role_changes++;
    const char *why = roles_why(server);
    char timeline[24] = "";
    if (server->said.instance != 0 && timeline_of(server) != 0) {
        (void)snprintf(timeline, sizeof timeline, " (timeline %u)", timeline_of(server));
    }
    notices_add(&cluster->notices, level_of(cluster, server), index, "%s is %s%s%s%s", server->name,
                roles[server->role], why[0] != '\0' ? ": " : "", why, timeline);
}

/* Of two that lead, or of a primary and a standby that follows somebody newer, it cannot be told
 * here which one the operator means: connections that were never closed may lead to the wrong one.
 */
static bool is_in_split(const struct rp_cluster *cluster, uint32_t index) {
    return cluster->split &&
           (index == cluster->split_servers[0] || index == cluster->split_servers[1]);
}

static void redial(struct rp_cluster *cluster, uint32_t index) {
    cluster->redial_queue |= server_bit(index);
    cluster->servers[index].redialled_ns = cluster->now_ns;
}

/* A session stays in its database when that gives its name to another one, so the first thing to do
 * about a wrong one is to connect anew. */
static bool may_have_stayed_behind(const struct rp_cluster *cluster, const struct server *server) {
    return server->why == WHY_ELSEWHERE &&
           (server->redialled_ns == 0 || cluster->now_ns - server->redialled_ns >= REDIAL_NS);
}

/* Its address may lead to another server by now. */
static void judge_redial(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    bool elsewhere =
        (server->why != WHY_FINE && server->why != WHY_UNCERTAIN) || is_in_split(cluster, index);
    if (!elsewhere) {
        server->redial_ns = 0;
    } else if (server->redial_ns == 0) {
        server->redial_ns = cluster->now_ns + REDIAL_NS - cluster_random(cluster) % (REDIAL_NS / 4);
        if (may_have_stayed_behind(cluster, server)) {
            redial(cluster, index);
        }
    } else if (cluster->now_ns >= server->redial_ns) {
        redial(cluster, index);
        server->redial_ns = 0;
    }
}

/* ---- a replica and its primary --------------------------------------------------------------- */

/* A position that was told before this primary was heard says nothing of it: what has been replayed
 * since then may be what a restored one has lost. */
static bool is_noted_for(const struct instance *instance, const struct server *primary) {
    return instance->noted_event != 0 && (instance->compared_with == primary->said.instance ||
                                          instance->noted_event > primary->leading_event);
}

/* A position is compared only with an inserted one that was asked for after that position had
 * arrived; a healthy standby is ahead of what was located before. Nothing is proven before it was
 * compared once; after that each position that it tells is, so that one which replays on what its
 * primary has lost is seen. Returns whether anything was learnt. */
static bool compare_with_primary(struct rp_cluster *cluster, struct server *server) {
    const struct server *primary = &cluster->servers[cluster->primary];
    struct instance *instance = server->instance;
    if (instance == NULL || !follows(server) || is_foreign(cluster, server) ||
        server->said.position == 0 || primary->said.position == 0) {
        return false;
    }
    bool first = instance->compared_with != primary->said.instance;
    if (!is_noted_for(instance, primary)) {
        if (first && server->said_event <= primary->leading_event) {
            cluster->judge_again |=
                server->answers ? server_bit((uint32_t)(server - cluster->servers)) : 0;
            return false;
        }
        instance->noted_position = server->said.position;
        instance->noted_event = server->said_event;
    }
    if (primary->said_sent_event <= instance->noted_event) {
        if (first) {
            cluster->judge_again |= server_bit(cluster->primary);
        }
        return false;
    }
    if (is_diverged(cluster, server)) {
        return false; /* another matter: a split */
    }
    bool ahead = instance->noted_position > primary->said.position || (!first && instance->ahead);
    bool learnt = first || ahead != instance->ahead;
    instance->ahead = ahead;
    instance->compared_with = primary->said.instance;
    instance->noted_event = 0;
    return learnt;
}

static bool compare_all(struct rp_cluster *cluster) {
    bool learnt = false;
    if (cluster->primary == NO_SERVER || !cluster->primary_answers) {
        return false;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        learnt = compare_with_primary(cluster, &cluster->servers[i]) || learnt;
    }
    return learnt;
}

/* ---- all together ---------------------------------------------------------------------------- */

/* Its first comparison is under way: it takes one more question to the primary. */
static bool is_being_compared(const struct rp_cluster *cluster, const struct server *server) {
    return follows(server) && cluster->primary_answers && server->said.position != 0 &&
           !is_foreign(cluster, server) && !is_diverged(cluster, server) &&
           server->instance->compared_with != cluster->servers[cluster->primary].said.instance;
}

static void judge_settled(struct rp_cluster *cluster) {
    if (cluster->settled) {
        return;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (is_on(server) && (!server->tried || is_being_compared(cluster, server))) {
            return;
        }
    }
    cluster->settled = cluster->on != 0 && !cluster->claim_pending;
}

static void judge_sets(struct rp_cluster *cluster) {
    cluster->on = 0;
    cluster->replicas = 0;
    cluster->readable = 0;
    cluster->others = 0;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (!is_on(server)) {
            continue;
        }
        cluster->on |= server_bit(i);
        /* A second name of the primary's own instance is no replica that could come back. */
        bool primarys =
            cluster->primary != NO_SERVER &&
            (i == cluster->primary ||
             (server->said.instance != 0 && leads(server) &&
              server->said.instance == cluster->servers[cluster->primary].said.instance &&
              server->expect != RP_EXPECT_REPLICA));
        /* Nor is one that the operator takes away, or has just added and that was not heard yet. */
        const bool counts = server->state == RP_SERVER_ON && (server->tried || !cluster->settled);
        if (!primarys && counts && server->expect != RP_EXPECT_PRIMARY) {
            cluster->others |= server_bit(i);
        }
        if (server->role == RP_ROLE_REPLICA) {
            cluster->readable |= server_bit(i);
            cluster->replicas |= server->state == RP_SERVER_ON ? server_bit(i) : 0;
        }
    }
}

static void judge(struct rp_cluster *cluster) {
    judge_system(cluster);
    judge_primary(cluster);
    (void)compare_all(cluster);
    judge_splits(cluster);
    judge_databases(cluster);
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        judge_server(cluster, i);
    }
    judge_sets(cluster);
    judge_settled(cluster);
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        if (is_on(&cluster->servers[i])) {
            tell_role(cluster, i);
            judge_redial(cluster, i);
        }
    }
}

static bool is_heard_anew(const struct rp_cluster *cluster, const struct server *server) {
    return is_on(server) && server->said.instance != 0 &&
           server->said_sent_event > cluster->forget_event;
}

static bool is_asked_anew(const struct rp_cluster *cluster, const struct server *server) {
    return server->said_sent_event > cluster->forget_event ||
           server->unheard_event > cluster->forget_event;
}

/* Who speaks now may be right against what is remembered. While nobody leads and nobody is of
 * another system, there is nothing to be right about, and a primary that is merely slow to answer
 * is not lost. */
static bool may_finish_forgetting(const struct rp_cluster *cluster) {
    bool news = false;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (is_on(server) && !is_asked_anew(cluster, server)) {
            return false;
        }
        news = news ||
               (is_heard_anew(cluster, server) && (leads(server) || is_foreign(cluster, server)));
    }
    return news;
}

/* A silent one whose last words fit a primary that speaks: it is this primary, by another name, or
 * a standby that follows it. */
static bool fits_who_leads(const struct rp_cluster *cluster, const struct server *silent) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (is_heard_anew(cluster, server) && leads(server) && system_of(silent) != 0 &&
            system_of(silent) == system_of(server) &&
            (server->said.instance == silent->said.instance ||
             (follows(silent) && timeline_of(silent) <= server->said.upper))) {
            return true;
        }
    }
    return false;
}

static void forget_leaders(struct server *server) {
    server->two_lead_ns = 0;
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        server->instances[i].led_event = 0;
    }
}

static uint32_t told_timeline(const struct facts *facts) {
    return facts->upper > facts->lower ? facts->upper : facts->lower;
}

/* Which timeline a standby streams it tells only while it does, and one that it has streamed or
 * replayed it never leaves. So what it has told stays, unless it was told in one answer alone,
 * which may have been damaged on its way, and the next one that tells contradicts it. */
static void note_followed(const struct rp_cluster *cluster, struct instance *instance,
                          const struct facts *facts) {
    const uint32_t told = told_timeline(facts);
    const bool contradicts =
        told < instance->followed && facts->upper != 0 && !instance->followed_surely;
    if (!facts->in_recovery || told == 0) {
        return;
    }
    if (told == instance->followed) {
        instance->followed_surely = true;
    } else if (told > instance->followed || contradicts) {
        instance->followed = told;
        instance->followed_surely = false;
        instance->followed_event = cluster->event;
    }
}

/* All but what it said last. */
static void forget_followed(const struct rp_cluster *cluster, struct server *server) {
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        server->instances[i].followed = 0;
    }
    if (server->instance != NULL) {
        note_followed(cluster, server->instance, &server->said);
    }
}

/* What was remembered goes when everybody has been asked since then. */
static void finish_forgetting(struct rp_cluster *cluster) {
    if (!may_finish_forgetting(cluster)) {
        return;
    }
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        struct server *server = &cluster->servers[i];
        forget_leaders(server);
        if (is_heard_anew(cluster, server)) {
            if (leads(server) && server->said.upper == cluster->timeline) {
                /* It was remembered, and a new answer claims it: that is twice. */
                server->claimed_timeline = server->said.upper;
                server->claimed_event = cluster->forget_event;
            }
        } else if (!is_on(server) || !fits_who_leads(cluster, server)) {
            server->said.instance = 0;
            server->instance = NULL;
            server->leading_event = 0;
        }
        forget_followed(cluster, server);
    }
    uint64_t system = cluster->system;
    uint32_t timeline = cluster->timeline;
    cluster->forgetting = false;
    cluster->system = 0;
    cluster->timeline = 0;
    judge(cluster);
    if (system != cluster->system || timeline != cluster->timeline) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "forgotten: system %llu, timeline %u; now system %llu, timeline %u",
                    (unsigned long long)system, timeline, (unsigned long long)cluster->system,
                    cluster->timeline);
    }
}

static void judge_and_forget(struct rp_cluster *cluster) {
    judge(cluster);
    if (cluster->forgetting) {
        finish_forgetting(cluster);
    }
}

/* ---- news ------------------------------------------------------------------------------------ */

/* The entry of that instance; a new one takes the place of the one that answered longest ago. */
static struct instance *instance_of(struct server *server, uint64_t start) {
    struct instance *oldest = &server->instances[0];
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        struct instance *instance = &server->instances[i];
        if (instance->start == start) {
            return instance;
        }
        if (instance->used_event < oldest->used_event) {
            oldest = instance;
        }
    }
    *oldest = (struct instance){.start = start};
    return oldest;
}

static void tell_no_proof(struct rp_cluster *cluster, uint32_t index) {
    static const char *const texts[] = {
        [PROOF_NOT_STREAMING] =
            "%s does not stream, so its timeline is not known and it proves nothing: what is "
            "missing there is the primary's to answer",
        [PROOF_OLD_TIMELINE] =
            "%s has had no restart point since the last promotion, so it proves nothing yet: a "
            "CHECKPOINT on the primary, and then on the standby, ends that",
        [PROOF_OTHER_ORDER] =
            "%s sorts text by another version of the database's collation than the primary, so "
            "that its indexes may not find rows which are there: it proves nothing until both run "
            "on the same libraries",
    };
    struct server *server = &cluster->servers[index];
    uint8_t now = PROOF_FINE;
    if (server->role != RP_ROLE_REPLICA) {
        now = PROOF_FINE; /* why it is out has been said */
    } else if (server->can.receiver && server->said.upper == 0) {
        now = PROOF_NOT_STREAMING;
    } else if (server->said.upper != 0 && server->can.control && !server->can.recovery &&
               server->instance->lower < server->said.upper) {
        now = PROOF_OLD_TIMELINE;
    } else if (!sorts_as_primary(cluster, server->instance)) {
        now = PROOF_OTHER_ORDER;
    }
    server->no_proof_polls = now == PROOF_FINE ? 0 : server->no_proof_polls + 1;
    if (now == PROOF_FINE) {
        server->no_proof = PROOF_FINE;
    } else if (server->no_proof_polls >= PATIENT_POLLS && now != server->no_proof) {
        server->no_proof = now;
        notices_add(&cluster->notices, RP_LOG_WARN, index, texts[now], server->name);
    }
}

static void note_lag(struct rp_cluster *cluster, uint32_t index, const struct facts *before,
                     uint64_t sent_ns) {
    struct server *server = &cluster->servers[index];
    /* Another standby answers, or the same one after a crash: it is not where that one had come. */
    if (server->said.position < before->position) {
        server->reached_ns = 0;
    }
    if (index == cluster->primary && server->said.position != 0) {
        lag_note_primary(&cluster->lag, server->said.position, sent_ns);
    }
    if (server->role == RP_ROLE_REPLICA && server->said.position != 0) {
        uint64_t reached = lag_reached_ns(&cluster->lag, server->said.position);
        server->reached_ns = reached > server->reached_ns ? reached : server->reached_ns;
        if (cluster->primary_answers) {
            server->lag_known_ns = cluster->now_ns;
        }
    }
}

/* The instance that was heard last to lead here, whoever has answered since; NULL: none. */
static const struct instance *last_leader(const struct server *server) {
    const struct instance *last = NULL;
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        const struct instance *one = &server->instances[i];
        if (one->led_event != 0 && (last == NULL || one->led_event > last->led_event)) {
            last = one;
        }
    }
    return last;
}

/* Another leader than the last one counts when it says so once more; what a standby says behind the
 * same name confirms nobody. */
static void note_leader(const struct rp_cluster *cluster, struct server *server,
                        struct instance *instance, const struct facts *facts, uint64_t sent_event) {
    if (facts->in_recovery) {
        instance->led_event = 0;
        return;
    }
    const struct instance *last = last_leader(server);
    if (last != NULL && last != instance) {
        server->switched_event = cluster->event;
    } else if (sent_event > server->switched_event) {
        server->switched_event = 0;
    }
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        const struct instance *other = &server->instances[i];
        if (other != instance && other->led_event != 0 && other->led_timeline == facts->upper &&
            instance->led_event != 0 && instance->led_event < other->led_event &&
            sent_event > other->led_event) {
            server->two_lead_ns = cluster->now_ns;
        }
    }
    instance->led_event = cluster->event;
    instance->led_timeline = facts->upper;
}

/* It was asked before what is known was, and arrives after it: of that only what never changes back
 * is news. */
static void heard_late(struct rp_cluster *cluster, struct server *server,
                       const struct facts *facts) {
    if (server->said.instance == facts->instance && follows(server) &&
        told_timeline(facts) > server->instance->followed) {
        note_followed(cluster, server->instance, facts);
        judge_and_forget(cluster);
    }
}

void roles_heard(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                 uint64_t sent_event) {
    struct server *server = &cluster->servers[index];
    if (!is_on(server)) {
        return;
    }
    if (sent_event <= server->said_sent_event) {
        heard_late(cluster, server, facts);
        return;
    }
    strict_facts(cluster, index, facts, sent_event);
    const bool tells_system = facts->system != 0;
    bool led = leads(server) && server->said.instance == facts->instance;
    const struct facts before = server->said;
    const bool answered_before = server->answers;
    struct instance *instance = instance_of(server, facts->instance);
    bool learnt = false;
    if (tells_system && instance->system != facts->system) {
        instance->system = facts->system;
        learnt = true;
    }
    if (facts->lower > instance->lower) {
        instance->lower = facts->lower;
        learnt = true;
    }
    if (facts->full) {
        instance->collation = facts->collation;
    }
    if (facts->database != 0 && server->database != facts->database) {
        learnt = true;
        server->moved_event = server->database != 0 ? cluster->event : 0;
        server->database = facts->database;
    }
    instance->used_event = cluster->event;
    note_leader(cluster, server, instance, facts, sent_event);
    server->instance = instance;
    server->said = *facts;
    server->said_sent_event = sent_event;
    server->said_event = cluster->event;
    note_followed(cluster, instance, facts);
    if (facts->in_recovery && instance->noted_event == 0 && tells_system) {
        instance->noted_position = facts->position;
        instance->noted_event = facts->position != 0 ? cluster->event : 0;
    }
    if (facts->in_recovery) {
        server->leading_event = 0;
    } else if (!led) {
        server->leading_event = cluster->event;
    }
    learnt = learnt || server->uncertain_event != 0 || !server->tried || server->blind ||
             !answered_before || before.instance != facts->instance ||
             before.in_recovery != facts->in_recovery || before.upper != facts->upper;
    if (sent_event > server->uncertain_event) {
        server->uncertain_event = 0;
    }
    server->blind = false;
    server->tried = true;
    server->answers = true;
    server_answered(cluster, index);
    /* What is unchanged needs no judgement, unless somebody waits for this answer. */
    bool uncompared = facts->in_recovery && cluster->primary != NO_SERVER &&
                      instance->compared_with != cluster->servers[cluster->primary].said.instance;
    learnt = (index == cluster->primary && compare_all(cluster)) || learnt;
    if (learnt || uncompared || cluster->suspected || cluster->claim_pending || cluster->split ||
        cluster->forgetting || server->redial_ns != 0 || cluster->primary == NO_SERVER) {
        judge_and_forget(cluster);
    }
    note_lag(cluster, index, &before, cluster->now_ns);
    tell_no_proof(cluster, index);
}

void roles_unheard(struct rp_cluster *cluster, uint32_t index, bool lost) {
    struct server *server = &cluster->servers[index];
    if (!is_on(server)) {
        return;
    }
    server->unheard_event = cluster->event;
    if (lost) {
        server->lost_event = cluster->event;
    }
    server->tried = true;
    server->answers = false;
    judge_and_forget(cluster);
}

void roles_blind(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    if (!is_on(server)) {
        return;
    }
    server->tried = true;
    server->answers = true;
    server->blind = true;
    server->uncertain_event = 0; /* it will not say more */
    server->unheard_event = cluster->event;
    server->lost_event = cluster->event;
    server->said.instance = 0;
    server->instance = NULL;
    server->leading_event = 0;
    server_answered(cluster, index);
    judge_and_forget(cluster);
}

void roles_uncertain(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    if (is_on(server) && server->uncertain_event == 0) {
        server->uncertain_event = cluster->event;
        cluster->judge_again |= server_bit(index);
        judge(cluster);
    }
}

void roles_changed(struct rp_cluster *cluster) {
    judge_and_forget(cluster);
}

void roles_forget(struct rp_cluster *cluster) {
    cluster->forgetting = true;
    cluster->forget_event = cluster->event;
    cluster->judge_again |= cluster->on;
}
