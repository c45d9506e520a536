/*
 * reports.c - see reports.h.
 */
#include "reports.h"

#include "gather.h"
#include "strict.h"

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

/* Whether an action of that id was ever given out. */
static bool was_given(const struct rp_cluster *cluster, uint64_t id) {
    const uint32_t kind = ID_KIND(id);
    const uint32_t number = ID_NUMBER(id);
    uint32_t last;
    if (kind == ID_ACTION && number < cluster->read_count) {
        last = ID_GENERATION(cluster->reads[number].action_id);
    } else if (kind == ID_ASK && number < cluster->max_servers * ASK_KINDS) {
        last = cluster->servers[number / ASK_KINDS].asks[number % ASK_KINDS].generation;
    } else {
        return false;
    }
    const uint32_t before_first = id_before_first(cluster, (enum id_kind)kind, number);
    return ID_GENERATION(id) - before_first - 1 < last - before_first;
}

void answer_is_foreign(struct rp_cluster *cluster, uint64_t id) {
    cluster->counters.foreign_answers++;
    if (!was_given(cluster, id)) {
        strict_stranger(cluster, id);
    }
}

/* There is room for one of each action that can be out; see cluster_open. */
void drop_action(struct rp_cluster *cluster, uint64_t id, uint32_t server, uint64_t tag,
                 uint64_t read_id) {
    if (cluster->drops.count < cluster->drops.most) {
        uint32_t at = (cluster->drops.first + cluster->drops.count) % cluster->drops.most;
        cluster->drops.ring[at] =
            (struct drop){.id = id, .tag = tag, .read_id = read_id, .server = server};
        cluster->drops.count++;
    }
}
