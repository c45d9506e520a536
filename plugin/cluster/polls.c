/*
 * polls.c - see polls.h.
 */
#include "polls.h"

#define MS UINT64_C(1000000)

/* While no leader answers, a new one is found within this time. */
#define LOST_POLL_NS (250 * MS)

/* The lower bound of a timeline that is behind is asked for at least this often. */
#define BEHIND_POLL_NS (1000 * MS)

void ask_enqueue(struct rp_cluster *cluster, struct server *server, enum ask_kind kind) {
    struct ask *ask = &server->asks[kind];
    if (ask->state == ASK_IDLE) {
        ask->state = ASK_QUEUED;
        cluster->ask_queue[kind] |= server_bit((uint32_t)(server - cluster->servers));
    } else if (ask->state == ASK_OUT) {
        ask->again = true;
    }
}

static uint64_t poll_interval(const struct rp_cluster *cluster, const struct server *server) {
    uint64_t interval = cluster->poll_ns;
    bool behind = server->instance != NULL && server->instance->lower < server->said.upper;
    if (behind && interval > BEHIND_POLL_NS) {
        interval = BEHIND_POLL_NS;
    }
    if (!cluster->primary_answers && interval > LOST_POLL_NS) {
        interval = LOST_POLL_NS;
    }
    return interval;
}

static void poll_later(struct rp_cluster *cluster, struct server *server) {
    heap_move(&cluster->timers, &server->poll, cluster->now_ns + poll_interval(cluster, server));
}

void polls_is_due(struct rp_cluster *cluster, struct server *server) {
    server->prompts = 0;
    if (server->asks[ASK_POLL].state == ASK_IDLE) {
        ask_enqueue(cluster, server, ASK_POLL);
    }
    poll_later(cluster, server);
}

void polls_prompt(struct rp_cluster *cluster, uint32_t index) {
    ask_enqueue(cluster, &cluster->servers[index], ASK_POLL);
    poll_later(cluster, &cluster->servers[index]);
}
