/*
 * forgetting.c - see forgetting.h.
 */
#include "forgetting.h"

#include "lineage.h"
#include "said.h"

static bool is_heard_anew(const struct rp_cluster *cluster, const struct server *server) {
    return is_on(server) && server->said.instance != 0 &&
           server->said_sent_event > cluster->forget.event;
}

static bool is_asked_anew(const struct rp_cluster *cluster, const struct server *server) {
    return server->said_sent_event > cluster->forget.event ||
           server->unheard_event > cluster->forget.event;
}

bool forgetting_may_finish(const struct rp_cluster *cluster) {
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
 * a standby that follows it, and was a replica by all that is known. */
static bool fits_who_leads(const struct rp_cluster *cluster, const struct server *silent) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        const struct server *server = &cluster->servers[i];
        if (is_heard_anew(cluster, server) && leads(server) && system_of(silent) != 0 &&
            system_of(silent) == system_of(server) &&
            (server->said.instance == silent->said.instance ||
             (follows(silent) && silent->role == RP_ROLE_REPLICA &&
              timeline_of(silent) <= server->said.upper))) {
            return true;
        }
    }
    return false;
}

void forgetting_finish(struct rp_cluster *cluster) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        struct server *server = &cluster->servers[i];
        if (is_heard_anew(cluster, server)) {
            if (leads(server) && server->said.upper == cluster->timeline) {
                /* It was remembered, and a new answer claims it: that is twice. */
                server->claim.timeline = server->said.upper;
                server->claim.event = cluster->forget.event;
            }
        } else if (!is_on(server) || !fits_who_leads(cluster, server)) {
            server->said.instance = 0;
            server->instance = server->led_last = NULL;
            server->barred = false;
        }
        if (server->uncertain_event < cluster->forget.event) {
            server->uncertain_event = 0; /* who has not said since what it is may be dead */
        }
        lineage_forget(cluster, server);
    }
    cluster->forget.under_way = false;
    cluster->system = 0;
    cluster->timeline = 0;
}
