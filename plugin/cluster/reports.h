/*
 * reports.h - where a read waits, and how it is woken.
 *
 * A read is in one place at a time, the one that its phase names. Whoever has news for it takes it
 * out of there and puts it on the list `reported` with what its policy is to hear.
 */
#ifndef CLUSTER_REPORTS_H
#define CLUSTER_REPORTS_H

#include "cluster.h"

/* Takes the read out of the place where it is, its timer too; its phase is READ_FREE then. */
void read_leave(struct rp_cluster *cluster, struct read *read);

/* Puts it on the list of that phase, which must have one. */
void read_enlist(struct rp_cluster *cluster, struct read *read, enum read_phase phase);

/* Takes it out of its place and has its policy hear of the outcome (enum rp_outcome). reason: a
 * constant, for failures; or NULL. */
void read_report(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                 const char *reason);

/* The action that is out is not wanted any more: the host is told, and its answer changes nothing.
 */
void drop_action(struct rp_cluster *cluster, uint64_t id, uint32_t server, uint64_t tag,
                 uint64_t read_id);

/* Ids: what of (a read, its action, an ask), its number, its generation. */
enum id_kind { ID_READ = 1, ID_ACTION, ID_ASK };
static inline uint64_t id_of(enum id_kind kind, uint32_t number, uint32_t generation) {
    return (uint64_t)generation << 32 | (uint64_t)kind << 28 | number;
}
#define ID_NUMBER(id)     ((uint32_t)(id) & 0xFFFFFFFu)
#define ID_KIND(id)       ((uint32_t)(id) >> 28)
#define ID_GENERATION(id) ((uint32_t)((id) >> 32))

static inline uint32_t read_number(const struct rp_cluster *cluster, const struct read *read) {
    return (uint32_t)(read - cluster->reads);
}

static inline uint64_t read_id_of(const struct rp_cluster *cluster, const struct read *read) {
    return id_of(ID_READ, read_number(cluster, read), read->generation);
}

#endif
