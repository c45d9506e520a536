/*
 * reports.c - see reports.h.
 */
#include "reports.h"

#include "gather.h"

void read_leave(struct rp_cluster *cluster, struct read *read) {
    heap_remove(&cluster->timers, &read->timer);
    if (read->phase != READ_LOCATING) { /* what went beside the locate is still there */
        gather_read_back(cluster, read);
    }
    read->early = 0;
    struct read_list *list = read_list_of(cluster, read, (enum read_phase)read->phase);
    if (list != NULL) {
        TAILQ_REMOVE(list, read, entry);
        cluster->gather.gathered -= list == &cluster->locating;
    }
    if (read->phase == READ_AWAITING) {
        heap_remove(&cluster->servers[read->server].waiters, &read->waiter);
    }
    read->phase = READ_FREE;
    read->located_listed = false;
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
