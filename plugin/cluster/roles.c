/*
 * roles.c - see roles.h.
 */
#include "roles.h"

#include "ahead.h"
#include "forgetting.h"
#include "leaders.h"
#include "lineage.h"
#include "no_proof.h"
#include "replica_lag.h"
#include "said.h"
#include "splits.h"
#include "standing.h"
#include "strict.h"
#include "systems.h"

/* Between two answers of a server that is polled at all. */
#define LONGEST_PAUSE_NS UINT64_C(10000000000)

/* So long after it woke a host has new connections to all whom it reaches. */
#define CONNECT_NS UINT64_C(1000000000)

/* ---- all together ---------------------------------------------------------------------------- */

/* It stays so when servers are added beside the primary; where there is none, it is a start:
 * somebody who has not been heard yet may have deposed whoever is heard first. */
static void judge_settled(struct rp_cluster *cluster) {
    bool all = cluster->on != 0 && !cluster->claim_awaited;
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (is_on(server)) {
            all = all && server->tried && !ahead_is_pending(cluster, server);
        }
    }
    cluster->settled = all || (cluster->settled && cluster->primary != NO_SERVER);
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
    cluster->others |= cluster->replicas;
}

static void judge(struct rp_cluster *cluster) {
    const uint64_t readable = cluster->readable;
    const uint32_t primary = standing_primary(cluster);
    const bool answered = cluster->primary_answers;
    systems_judge(cluster);
    leaders_judge(cluster);
    (void)ahead_compare(cluster);
    splits_judge(cluster);
    systems_judge_databases(cluster);
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        standing_judge(cluster, i);
    }
    judge_sets(cluster);
    cluster->has_strays |=
        (readable & ~cluster->readable) != 0 || primary != standing_primary(cluster);
    if (answered && !cluster->primary_answers) {
        cluster->judge_again |= cluster->on; /* the next polls may be long in coming */
        lag_interrupt(&cluster->lag);
    }
    judge_settled(cluster);
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        if (is_on(&cluster->servers[i])) {
            standing_tell(cluster, i);
            standing_redial(cluster, i);
        }
    }
}

static void tell_forgotten(struct rp_cluster *cluster, uint64_t system, uint32_t timeline) {
    if (system != cluster->system || timeline != cluster->timeline) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "forgotten: system %llu, timeline %u; now system %llu, timeline %u",
                    (unsigned long long)system, timeline, (unsigned long long)cluster->system,
                    cluster->timeline);
    }
}

static void judge_and_forget(struct rp_cluster *cluster) {
    judge(cluster);
    if (cluster->forget.under_way && forgetting_may_finish(cluster)) {
        const uint64_t system = cluster->system;
        const uint32_t timeline = cluster->timeline;
        forgetting_finish(cluster);
        judge(cluster);
        tell_forgotten(cluster, system, timeline);
    }
}

/* ---- news ------------------------------------------------------------------------------------ */

/* It was asked before what is known was, and arrives after it: of that only what never changes back
 * is news, that another one leads, too, and that it is not dead. */
static void heard_late(struct rp_cluster *cluster, struct server *server, const struct facts *facts,
                       uint64_t sent_event) {
    bool learnt = leads(server) && lineage_note_late_leader(cluster, server, facts, sent_event);
    if (server->said.instance == facts->instance) {
        learnt = learnt || server->lost_event > server->heard_event;
        server->heard_event = cluster->event;
        if (follows(server) && lineage_told(facts) > server->instance->followed.timeline) {
            lineage_note_followed(cluster, server->instance, facts, sent_event);
            learnt = true;
        }
    }
    if (learnt) {
        judge_and_forget(cluster);
    }
}

/* What the next answer does not change: of the instance, and which database is read. Whether there
 * is news in it. */
static bool note_constants(const struct rp_cluster *cluster, struct server *server,
                           struct instance *instance, const struct facts *facts) {
    bool learnt = false;
    if (facts->system != 0 && instance->system != facts->system) {
        instance->system = facts->system;
        learnt = true;
    }
    if (facts->lower > instance->lower) {
        instance->lower = facts->lower;
        learnt = true;
    }
    if (facts->full) {
        instance->collation = facts->collation;
        learnt = learnt || !instance->heard_in_full;
        instance->heard_in_full = true;
    }
    if (facts->database != 0 && server->database != facts->database) {
        learnt = true;
        server->moved_event = server->database != 0 ? cluster->event : 0;
        server->database = facts->database;
        server->database_name = 0;
    }
    if (facts->full && server->database_name != facts->database_name) {
        learnt = true;
        server->database_name = facts->database_name;
    }
    return learnt;
}

/* Whether it is another one than before, or says something else. */
static bool has_changed(const struct server *server, const struct facts *facts) {
    const struct facts *before = &server->said;
    return server->uncertain_event != 0 || !server->tried || server->blind || !server->answers ||
           before->instance != facts->instance || before->in_recovery != facts->in_recovery ||
           before->upper != facts->upper;
}

/* A time in which nobody was asked, since the machine was suspended or the host was busy, is none
 * in which only one was heard to lead. */
static void note_asked(const struct rp_cluster *cluster, struct server *server) {
    const uint64_t pause_ns = cluster->now_ns - server->asked_ns;
    if (server->two_lead_ns != 0 && pause_ns > LONGEST_PAUSE_NS) {
        server->two_lead_ns += pause_ns - LONGEST_PAUSE_NS;
    }
    server->asked_ns = cluster->now_ns;
}

static void note_words(struct rp_cluster *cluster, struct server *server, struct instance *instance,
                       const struct facts *facts, uint64_t sent_event) {
    const bool same = server->said.instance == facts->instance;
    const bool led = leads(server) && same;
    const uint64_t age_ms = /* short words do not tell it */
        same && !facts->full ? server->said.replay_age_ms : facts->replay_age_ms;
    instance->used_event = cluster->event;
    lineage_note_leader(cluster, server, instance, facts, sent_event);
    lineage_note_followed(cluster, instance, facts, sent_event);
    if (facts->in_recovery && instance->noted.event == 0 && facts->system != 0) {
        instance->noted.position = facts->position;
        instance->noted.event = facts->position != 0 ? cluster->event : 0;
    }
    if (!facts->in_recovery && !led) {
        server->leading_event = cluster->event;
    }
    if (sent_event > server->uncertain_event) {
        server->uncertain_event = 0;
    }
    if (!same) {
        leaders_note_replaced(cluster, server);
    }
    server->instance = instance;
    server->said = *facts;
    server->said.replay_age_ms = age_ms;
    server->said_sent_event = sent_event;
    server->said_event = server->heard_event = cluster->event;
    server->blind = false;
    server->led_last = NULL;
    server->barred = false;
    server->tried = server->tried || sent_event > cluster->woke.event;
    server->answers = true;
}

/* What is unchanged needs no judgement, unless somebody waits for this answer. */
static bool is_waited_for(const struct rp_cluster *cluster, const struct server *server) {
    const bool uncompared =
        server->said.in_recovery && cluster->primary != NO_SERVER &&
        server->instance->compared.with != cluster->servers[cluster->primary].said.instance;
    return uncompared || cluster->suspected || cluster->outrun || cluster->claim_pending ||
           cluster->split || cluster->forget.under_way || server->redial.not_before_ns != 0 ||
           cluster->primary == NO_SERVER;
}

void roles_heard(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                 uint64_t sent_event, uint64_t sent_ns) {
    struct server *server = &cluster->servers[index];
    if (!is_on(server)) {
        return;
    }
    note_asked(cluster, server);
    if (sent_event <= server->said_sent_event) {
        heard_late(cluster, server, facts, sent_event);
        return;
    }
    strict_facts(cluster, index, facts, sent_event);
    const uint64_t position_before = server->said.position;
    struct instance *instance = lineage_instance(cluster, server, facts->instance);
    bool learnt = has_changed(server, facts);
    learnt = note_constants(cluster, server, instance, facts) || learnt;
    note_words(cluster, server, instance, facts, sent_event);
    server_answered(cluster, index);
    const bool waited_for = is_waited_for(cluster, server);
    learnt = (index == cluster->primary && ahead_compare(cluster)) || learnt;
    if (learnt || waited_for) {
        judge_and_forget(cluster);
    }
    replica_lag_note(cluster, index, position_before, sent_ns);
    if (facts->full) { /* once for each poll */
        no_proof_tell(cluster, index);
    }
}

void roles_unheard(struct rp_cluster *cluster, uint32_t index, bool lost) {
    struct server *server = &cluster->servers[index];
    if (!is_on(server)) {
        return;
    }
    note_asked(cluster, server);
    server->unheard_event = cluster->event;
    /* Connections that died while the host slept say nothing: the next question has a new one. */
    const bool just_woke =
        cluster->woke.event != 0 && cluster->now_ns - cluster->woke.ns < CONNECT_NS;
    if (lost && !server->tried && just_woke) {
        cluster->judge_again |= server_bit(index);
    } else {
        server->tried = true;
    }
    if (lost) {
        server->lost_event = cluster->event;
    }
    server->answers = false;
    judge_and_forget(cluster);
}

/* A question that fails is no answer: what has shown a split stays, and so does what may show one,
 * that it leads on a newer timeline or was seen to lead at all. */
static bool keeps_its_words(const struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    const bool claims = leads(server) && cluster->timeline != 0 &&
                        server->said.upper > cluster->timeline && !is_foreign(cluster, server);
    return claims || server->uncertain_event != 0 || splits_has(cluster, index);
}

void roles_refused(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    const bool was_lost = server->lost_event > server->heard_event;
    server->heard_event = cluster->event;
    if (was_lost && is_on(server)) {
        judge_and_forget(cluster);
    }
}

void roles_blind(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    if (!is_on(server)) {
        return;
    }
    server->tried = true;
    server->answers = true;
    server->blind = true;
    server->barred = server->barred || server->role == RP_ROLE_OUT;
    server->unheard_event = server->heard_event = cluster->event;
    if (server->said.instance == 0) {
        server->uncertain_event = 0; /* it is what it is expected to be */
    } else if (!keeps_its_words(cluster, index)) {
        server->led_last = leads(server) ? server->instance : NULL;
        server->said.instance = 0;
        server->instance = NULL;
    }
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

/* It is a start, but for what is remembered: somebody may have deposed the primary meanwhile. */
void roles_woke(struct rp_cluster *cluster) {
    cluster->woke.event = cluster_event(cluster);
    cluster->woke.ns = cluster->now_ns;
    cluster->settled = false;
    lag_interrupt(&cluster->lag);
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        cluster->servers[i].tried = false;
    }
    cluster->judge_again |= cluster->on;
}

void roles_changed(struct rp_cluster *cluster) {
    judge_and_forget(cluster);
}

void roles_forget(struct rp_cluster *cluster) {
    cluster->forget.under_way = true;
    cluster->forget.event = cluster->event;
    cluster->forget.ns = cluster->now_ns;
    cluster->judge_again |= cluster->on;
}

void roles_heard_of(struct rp_cluster *cluster, uint64_t system, uint32_t timeline) {
    if (system == cluster->system && timeline > cluster->timeline) {
        cluster->timeline = timeline;
        judge(cluster);
    }
}
