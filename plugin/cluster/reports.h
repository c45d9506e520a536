/*
 * reports.h - where a read waits, and how it is woken.
 *
 * A read is in one place at a time, the one that its phase names. Whoever has news for it takes it
 * out of there and puts it on the list `reported` with what its policy is to hear.
 */
#ifndef CLUSTER_REPORTS_H
#define CLUSTER_REPORTS_H

#include "cluster.h"

#include <stddef.h>
#include <string.h>

/* The list that a read of that phase is on; NULL: none. */
static inline struct read_list *read_list_of(struct rp_cluster *cluster, const struct read *read,
                                             enum read_phase phase) {
    switch (phase) {
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

/* Takes the read out of the place where it is, its timer too; its phase is READ_FREE then. */
void read_leave(struct rp_cluster *cluster, struct read *read);

/* Puts it on the list of that phase, which must have one. */
static inline void read_enlist(struct rp_cluster *cluster, struct read *read,
                               enum read_phase phase) {
    struct read_list *list = read_list_of(cluster, read, phase);
    read->phase = (uint8_t)phase;
    TAILQ_INSERT_TAIL(list, read, entry);
    cluster->gather.gathered += list == &cluster->locating;
}

/* Takes it out of its place and has its policy hear of the outcome (enum rp_outcome). reason: a
 * constant, for failures; or NULL. */
void read_report(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                 const char *reason);

/* The action that is out is not wanted any more: the host is told, and its answer changes nothing.
 */
void drop_action(struct rp_cluster *cluster, uint64_t id, uint32_t server, uint64_t tag,
                 uint64_t read_id);

/* An action with nothing in it but its kind (enum rp_action_kind). In two pieces: for the whole,
 * compilers take an instruction that is slow to start. */
static inline void action_begin(struct rp_action *action, int32_t kind) {
    enum { HALF = offsetof(struct rp_action, limit_ns) };
    const uint32_t struct_size = action->struct_size;
    memset(action, 0, HALF);
    memset((char *)action + HALF, 0, sizeof *action - HALF);
    action->struct_size = struct_size;
    action->kind = kind;
}

/* Ids: what of (a read, its action, an ask), its number, its generation. */
enum id_kind { ID_READ = 1, ID_ACTION, ID_ASK };
static inline uint64_t id_of(enum id_kind kind, uint32_t number, uint32_t generation) {
    return (uint64_t)generation << 32 | (uint64_t)kind << 28 | number;
}
#define ID_NUMBER(id)     ((uint32_t)(id) & 0xFFFFFFFu)
#define ID_KIND(id)       ((uint32_t)(id) >> 28)
#define ID_GENERATION(id) ((uint32_t)((id) >> 32))

/* The generation before an id's first. An answer may be given to a cluster that its action is not
 * of: to another one of the host's, or to the next one that it opens. So each cluster begins with
 * others, and so does each number, for a host that keeps ids as doubles loses their low bits. */
static inline uint32_t id_before_first(const struct rp_cluster *cluster, enum id_kind kind,
                                       uint32_t number) {
    return (uint32_t)rp_random_at(cluster->seed, (uint64_t)kind << 28 | number);
}

/* An answer to no action that is under way. */
void answer_is_foreign(struct rp_cluster *cluster, uint64_t id);

/* The read under way that an id of its number may be of. */
static inline struct read *read_of(struct rp_cluster *cluster, uint64_t id) {
    uint32_t number = ID_NUMBER(id);
    if (number >= cluster->read_count || cluster->reads[number].phase == READ_FREE) {
        return NULL;
    }
    return &cluster->reads[number];
}

/* The same of the next generation. */
static inline uint64_t id_next(uint64_t id) {
    return id + (UINT64_C(1) << 32);
}

#endif
