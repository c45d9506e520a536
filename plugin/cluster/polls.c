/*
 * polls.c - see polls.h.
 */
#include "polls.h"

#include "plugin/set.h"

#define MS UINT64_C(1000000)

/* While no leader answers, a new one is found within this time. */
#define LOST_POLL_NS (250 * MS)

/* The lower bound of a timeline that is behind is asked for at least this often. */
#define BEHIND_POLL_NS (1000 * MS)

/* Where a replica is now nobody knows until it is asked again: for max_lag_ms it counts as standing
 * still. So it is asked so often in that time, or one that follows closely would be late. */
#define QUESTIONS_PER_LAG 8u
#define LEAST_LAG_NS      (5 * MS)

void ask_enqueue(struct rp_cluster *cluster, struct server *server, enum ask_kind kind) {
    struct ask *ask = &server->asks[kind];
    if (ask->state == ASK_IDLE) {
        ask->state = ASK_QUEUED;
        cluster->ask_queue[kind] |= server_bit(index_of(cluster, server));
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

/* So often are positions asked for, that max_lag_ms can be kept. UINT64_MAX: by polls. */
static uint64_t lag_interval(const struct rp_cluster *cluster) {
    const uint64_t bound = set_least_max_lag_ns(cluster->set);
    if (bound == 0 || !cluster->primary_answers) {
        return UINT64_MAX;
    }
    const uint64_t interval = bound / QUESTIONS_PER_LAG;
    return interval > LEAST_LAG_NS ? interval : LEAST_LAG_NS;
}

static void set_poll_timer(struct rp_cluster *cluster, struct server *server) {
    const uint64_t left_ns = server->poll_due_ns - cluster->now_ns;
    const uint64_t lag_ns = lag_interval(cluster);
    heap_move(&cluster->timers, &server->poll,
              cluster->now_ns + (lag_ns < left_ns ? lag_ns : left_ns));
}

static void poll_later(struct rp_cluster *cluster, struct server *server) {
    server->poll_due_ns = cluster->now_ns + poll_interval(cluster, server);
    set_poll_timer(cluster, server);
}

/* Of one that does not answer, or is out, polls are enough: a host may dial for each question. */
static bool is_to_tell_lag(const struct server *server) {
    return server->answers && server->role != RP_ROLE_OUT;
}

void polls_position(struct rp_cluster *cluster, struct server *server) {
    if (server->asks[ASK_WATCH].state == ASK_IDLE && !server->watch.in) {
        ask_enqueue(cluster, server, ASK_WATCH);
    }
}

void polls_is_due(struct rp_cluster *cluster, struct server *server) {
    if (cluster->now_ns < server->poll_due_ns) { /* where it is, then, and no more */
        if (is_to_tell_lag(server)) {
            polls_position(cluster, server);
        }
        set_poll_timer(cluster, server);
        return;
    }
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
