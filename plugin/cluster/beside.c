/*
 * beside.c - see beside.h.
 */
#include "beside.h"

#include "gather.h"
#include "pick.h"
#include "reports.h"

/* A locate that takes so long is worth while a read of the replica beside it. */
#define FAR_NS UINT64_C(1000000)

void beside_end(struct rp_cluster *cluster, struct read *read) {
    if (read->beside == BESIDE_NONE) {
        return;
    }
    if (read->beside == BESIDE_OUT) {
        drop_action(cluster, read->action_id, read->beside_server, read->tag, read->id);
    } else if (read->beside == BESIDE_TO_SEND) {
        TAILQ_REMOVE(&cluster->beside, read, beside_entry);
    }
    gather_read_back(cluster, read);
    read->beside = BESIDE_NONE;
}

/* The replica probably has what is being located. */
static bool keeps_up(const struct rp_cluster *cluster, const struct read *read) {
    const struct server *server = &cluster->servers[read->server];
    return server->said.instance != 0 && server->said.in_recovery && server->health.failures == 0;
}

/* A replica that keeps up has probably reached the position that is being located by the time a
 * read arrives there. So a read goes there beside its locate, and both take one round trip: it says
 * itself whether the position was reached. After a miss it is worth while where a locate takes
 * long, and then whether or not the position is reached: it is the first look on the way to it. */
static bool goes_beside(struct rp_cluster *cluster, struct read *read) {
    const bool first = read->sent_event == 0;
    if (!first && cluster->locate_took_ns < FAR_NS) {
        return false;
    }
    read->server = pick_replica(cluster, read, read->step);
    return read->server != NO_SERVER && keeps_up(cluster, read) &&
           (!first || patience_tries(&cluster->servers[read->server].beside));
}

bool beside_goes_early(const struct rp_cluster *cluster, const struct read *read) {
    return read->sent_event == 0 && keeps_up(cluster, read) &&
           patience_tries(&cluster->servers[read->server].early);
}

void beside_note(const struct rp_cluster *cluster, const struct read *read, bool reached) {
    struct server *server = &cluster->servers[read->server];
    patience_note(read->went_beside ? &server->beside : &server->early, reached);
}

void beside_take(struct rp_cluster *cluster, struct read *read) {
    if (read->beside < BESIDE_OUT || read->beside_server != read->server) {
        beside_end(cluster, read);
    }
}

__attribute__((noinline)) struct read *beside_next(struct rp_cluster *cluster) {
    struct read *read;
    while ((read = TAILQ_FIRST(&cluster->beside)) != NULL) {
        TAILQ_REMOVE(&cluster->beside, read, beside_entry);
        read->beside = BESIDE_NONE;
        if (goes_beside(cluster, read)) {
            read->beside = BESIDE_OUT;
            read->beside_server = read->server;
            read->went_beside = true;
            if (!read->missed) {
                gather_read_out(cluster, read);
            }
            return read;
        }
    }
    return NULL;
}
