/*
 * read_history.c - bookkeeping of one read.
 */
#include "read_history.h"

#include <assert.h>

static_assert(sizeof(struct step_seen) == 32, "no gaps");
static_assert(sizeof(struct read_history) == 32 + 3 * 8 + 10 * 4, "no gaps");

int history_is_replica_read(const struct read_history *history) {
    return history->step.kind == RP_STEP_READ && history->step.target == RP_TARGET_REPLICA;
}

int history_is_primary_read(const struct read_history *history) {
    return history->step.kind == RP_STEP_READ && history->step.target == RP_TARGET_PRIMARY;
}

void history_begin(struct read_history *history) {
    *history = (struct read_history){.step = {.kind = RP_STEP_DONE}, .first_miss_ns = NEVER};
}

void history_add_report(struct read_history *history, int32_t outcome, int64_t now_ns,
                        uint64_t position) {
    if (now_ns > history->now_ns) {
        history->now_ns = now_ns;
    }
    if (history->step.kind == RP_STEP_LOCATE) {
        history->located = outcome == RP_LOCATED ? position : 0;
    }
    if (!history_is_replica_read(history)) {
        return;
    }
    if (outcome == RP_MISSING || outcome == RP_PARTIAL) {
        history->misses++;
        if (history->first_miss_ns == NEVER) {
            history->first_miss_ns = history->now_ns;
        }
    } else if (outcome == RP_FAILED) {
        history->replica_failures++;
    }
}

void history_add_step(struct read_history *history, const struct rp_step *step, uint64_t begun_ns) {
    const int after_locate = history->step.kind == RP_STEP_LOCATE;
    history->step = (struct step_seen){
        .until_ns = step->until_ns == 0 ? 0 : (int64_t)(step->until_ns - begun_ns),
        .position = step->position,
        .kind = step->kind,
        .target = step->target,
        .replica = step->replica,
        .flags = step->flags};
    history->steps++;
    if (history_is_replica_read(history)) {
        history->replica_reads++;
        history->last_replica = step->replica;
    } else if (history_is_primary_read(history)) {
        history->primary_reads++;
    } else if (step->kind == RP_STEP_WAIT) {
        history->waits++;
    } else if (step->kind == RP_STEP_AWAIT) {
        history->floor_awaits += !after_locate;
    } else if (history->misses > 0) {
        history->locates_after_a_miss++;
    } else {
        history->locates_before_a_miss++;
    }
}
