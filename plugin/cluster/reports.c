/*
 * reports.c - see reports.h.
 */
#include "reports.h"

#include "gather.h"

static struct read_list *list_of(struct rp_cluster *cluster, const struct read *read) {
    switch (read->phase) {
    case READ_REPORTED:
        return &cluster->reported;
    case READ_TO_SEND:
        return &cluster->to_send;
    case READ_LOCATING:
        return read->located_listed ? &cluster->located : &cluster->locating;
    case READ_DONE:
        return &cluster->done;
    default:
        return NULL;
    }
}

void read_leave(struct rp_cluster *cluster, struct read *read) {
    if (read->phase != READ_LOCATING) { /* what went beside the locate is still there */
        gather_read_back(cluster, read);
    }
    read->early = 0;
    struct read_list *list = list_of(cluster, read);
    if (list != NULL) {
        TAILQ_REMOVE(list, read, entry);
        cluster->gather.gathered -= list == &cluster->locating;
    }
    if (read->phase == READ_AWAITING) {
        heap_remove(&cluster->servers[read->server].waiters, &read->waiter);
    }
    heap_remove(&cluster->timers, &read->timer);
    read->phase = READ_FREE;
    read->located_listed = false;
}

void read_enlist(struct rp_cluster *cluster, struct read *read, enum read_phase phase) {
    read->phase = (uint8_t)phase;
    struct read_list *list = list_of(cluster, read);
    TAILQ_INSERT_TAIL(list, read, entry);
    cluster->gather.gathered += list == &cluster->locating;
}

void read_report(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                 const char *reason) {
    read_leave(cluster, read);
    read->outcome = outcome;
    read->reported_position = 0;
    read->reported_flushed = 0;
    if (outcome == RP_FAILED) {
        read->reason = reason;
    }
    read_enlist(cluster, read, READ_REPORTED);
}

/* There is room for one of each action that can be out; see cluster_open. */
void drop_action(struct rp_cluster *cluster, uint64_t id, uint32_t server, uint64_t tag,
                 uint64_t read_id) {
    if (cluster->drop_count < cluster->max_drops) {
        uint32_t at = (cluster->drop_first + cluster->drop_count) % cluster->max_drops;
        cluster->drops[at] =
            (struct drop){.id = id, .tag = tag, .read_id = read_id, .server = server};
        cluster->drop_count++;
    }
}
