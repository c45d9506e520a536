/*
 * steps.h - the steps of a policy: each is begun, takes its time, and comes to an end that the
 * policy hears of.
 */
#ifndef CLUSTER_STEPS_H
#define CLUSTER_STEPS_H

#include "cluster.h"

static inline bool is_primary_step(const struct rp_step *step) {
    return step->kind == RP_STEP_READ && step->target == RP_TARGET_PRIMARY;
}

/* Until when its answer counts. A replica that does not answer may cost three quarters of what is
 * left of the read's time: the rest is for the primary, where the policy falls back to it. */
static inline uint64_t read_limit(const struct rp_cluster *cluster, const struct read *read) {
    if (read->early != 0 && read->step->until_ns < read->deadline_ns) {
        return read->step->until_ns;
    }
    if (is_primary_step(read->step) || read->deadline_ns <= cluster->now_ns) {
        return read->deadline_ns;
    }
    uint64_t left = read->deadline_ns - cluster->now_ns;
    return read->deadline_ns - left / 4;
}

/* Of this step nothing has happened yet. */
static inline void step_begins(struct read *read, const struct rp_step *step) {
    read->step = step;
    read->detours = 0;
    read->conflicted = false;
    read->reported_position = 0;
}

/* For that time, or the read's deadline, if that comes first. */
static inline void read_set_timer(struct rp_cluster *cluster, struct read *read, uint64_t at_ns) {
    heap_move(&cluster->timers, &read->timer,
              at_ns < read->deadline_ns ? at_ns : read->deadline_ns);
}

/* Follows the policy from this step to one that takes time. */
void steps_follow(struct rp_cluster *cluster, struct read *read, const struct rp_step *step);

/* The policy hears what has become of the step under way. */
void steps_tell(struct rp_cluster *cluster, struct read *read, const struct rp_report *report);

/* The same, of a read that is where its phase says. reason: of a failure; or NULL. */
void steps_tell_outcome(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                        uint64_t position, const char *reason);

/* The same step again, as a new action, with its own question. */
void steps_send_again(struct rp_cluster *cluster, struct read *read);

/* It was sent before its position was known to be reached, in vain: that is awaited after all. */
void steps_await_after_all(struct rp_cluster *cluster, struct read *read);

/* Its await has failed before any replica was read, and the policy would read one as it is: the
 * position is awaited further, there or elsewhere, or the read has failed. False: it is not so, or
 * the replica does not tell its position. */
bool steps_await_further(struct rp_cluster *cluster, struct read *read);

/* The same where nothing is awaited any more: the read has failed. */
void steps_fail_unread(struct rp_cluster *cluster, struct read *read, const char *reason);

/* What a replica's answer is to the policy, an outcome and a position. */
int32_t steps_judge(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                    const struct facts *facts, uint64_t *position);

#endif
