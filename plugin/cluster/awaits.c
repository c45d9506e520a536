/*
 * awaits.c - see awaits.h.
 */
#include "awaits.h"

#include "polls.h"
#include "reports.h"

#define MS UINT64_C(1000000)

/* A standby near its primary replays a commit within a millisecond. One that has not done so after
 * many questions is far behind, and is asked less often. */
#define WATCH_NS      (1 * MS)
#define SLOW_WATCH_NS (5 * MS)
#define QUICK_WATCHES 64u

/* One has ended otherwise than with the position reached: it is asked for instead, so long. */
#define NO_WAIT_NS (1000 * MS)

void awaits_fail(struct rp_cluster *cluster, struct server *server, const char *reason) {
    struct heap_node *first;
    while ((first = heap_first(&server->waiters)) != NULL) {
        read_report(cluster, heap_owner(first, struct read, waiter), RP_FAILED, reason);
    }
}

/* Those who go on awaiting a position there may do so at once. */
void awaits_watch_failed(struct rp_cluster *cluster, struct server *server) {
    awaits_fail(cluster, server, "the replica could not be asked for its position");
    heap_move(&cluster->timers, &server->watch, cluster->now_ns + SLOW_WATCH_NS);
}

bool awaits_can_tell(const struct rp_cluster *cluster, uint32_t index) {
    const struct server *server = &cluster->servers[index];
    return server->said.instance != 0 && server->said.position != 0 && server->probed &&
           question_short(&server->can) != NULL;
}

bool awaits_has_reached(const struct rp_cluster *cluster, uint32_t index, uint64_t target) {
    const struct server *server = &cluster->servers[index];
    return server->said.instance != 0 && server->said.position >= target;
}

static bool can_wait(const struct rp_cluster *cluster, const struct server *server) {
    return server->can.waits && (cluster->flags & RP_CLUSTER_CAN_BLOCK) != 0 &&
           server->said.in_recovery && cluster->now_ns >= server->wait.none_before_ns;
}

/* The server has waiters. A wait for a position beyond the nearest is left to end by itself, and
 * the nearest is asked for meanwhile; behind one that is not beyond it, it has its turn next. */
static void watch(struct rp_cluster *cluster, struct server *server) {
    const struct ask *wait = &server->asks[ASK_WAIT];
    const uint64_t nearest = heap_first(&server->waiters)->key;
    if (wait->state == ASK_QUEUED || (wait->state == ASK_OUT && server->wait.position <= nearest)) {
        return;
    }
    if (wait->state == ASK_IDLE && !server->wait.check && can_wait(cluster, server)) {
        ask_enqueue(cluster, server, ASK_WAIT);
    } else {
        polls_position(cluster, server);
    }
}

void awaits_begin(struct rp_cluster *cluster, struct read *read, uint64_t target) {
    struct server *server = &cluster->servers[read->server];
    read->phase = READ_AWAITING;
    heap_insert(&server->waiters, &read->waiter, target);
    watch(cluster, server);
}

/* The server has replayed up to there. */
static void wake(struct rp_cluster *cluster, struct server *server, uint64_t position) {
    struct heap_node *first;
    const uint32_t index = index_of(cluster, server);
    /* In a rehearsal the primary acts as its own replica. */
    bool readable = (cluster->readable & server_bit(index)) != 0 || index == cluster->primary;
    if (!readable || position == 0) {
        awaits_fail(cluster, server, "the replica's position is not known any more");
        return;
    }
    while ((first = heap_first(&server->waiters)) != NULL && first->key <= position) {
        struct read *read = heap_owner(first, struct read, waiter);
        read_report(cluster, read, RP_REACHED, NULL);
        read->reported_position = position;
    }
}

void awaits_wake(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    if (heap_first(&server->waiters) != NULL) {
        wake(cluster, server, server->said.position);
    }
}

void awaits_watch_is_due(struct rp_cluster *cluster, struct server *server) {
    if (heap_first(&server->waiters) != NULL) {
        watch(cluster, server);
    }
}

/* After a wait ran out, the server was asked for its position. If it had already reached the one
 * that was awaited, the wait may have run on another server: no more waits for a while. */
static void check_after_wait(struct rp_cluster *cluster, struct server *server) {
    if (server->wait.check &&
        awaits_has_reached(cluster, index_of(cluster, server), server->wait.position)) {
        server->wait.none_before_ns = cluster->now_ns + NO_WAIT_NS;
    }
    server->wait.check = false;
}

void awaits_watched(struct rp_cluster *cluster, struct server *server) {
    check_after_wait(cluster, server);
    if (heap_first(&server->waiters) == NULL) {
        server->watches = 0;
        return;
    }
    server->watches++;
    heap_move(&cluster->timers, &server->watch,
              cluster->now_ns + (server->watches < QUICK_WATCHES ? WATCH_NS : SLOW_WATCH_NS));
}

/* Its end only says when to go on: what the reads then find is judged by what is said before it, on
 * their own connection. The blocking connection may have been routed to another server, so that any
 * other result than the position's being reached says nothing about this one, which is asked. */
void awaits_waited(struct rp_cluster *cluster, struct ask *ask, int32_t outcome,
                   const char *answer) {
    struct server *server = &cluster->servers[ask->server];
    if (outcome == RP_ANSWERED && question_wait_has_reached(answer)) {
        wake(cluster, server, server->wait.position);
    } else if (outcome == RP_ANSWERED && question_wait_ran_out(answer)) {
        server->wait.check = true;
    } else {
        server->wait.none_before_ns = cluster->now_ns + NO_WAIT_NS;
        polls_prompt(cluster, ask->server);
    }
    if (heap_first(&server->waiters) != NULL) {
        watch(cluster, server);
    }
}

const char *awaits_wait_text(struct server *server) {
    const struct heap_node *first = heap_first(&server->waiters);
    if (first == NULL) {
        return NULL;
    }
    server->wait.position = first->key;
    question_print_wait(first->key, AWAITS_WAIT_MS, server->wait.text);
    return server->wait.text;
}
