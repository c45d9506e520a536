/*
 * read_history.c - bookkeeping of one read.
 */
#include "read_history.h"

#include <assert.h>
#include <stdbool.h>

static_assert(sizeof(struct step_seen) == 32, "no gaps");
static_assert(sizeof(struct read_history) == 32 + 6 * 8 + 20 * 4, "no gaps");

int history_is_replica_read(const struct read_history *history) {
    return history->step.kind == RP_STEP_READ && history->step.target == RP_TARGET_REPLICA;
}

int history_is_primary_read(const struct read_history *history) {
    return history->step.kind == RP_STEP_READ && history->step.target == RP_TARGET_PRIMARY;
}

void history_begin(struct read_history *history) {
    *history = (struct read_history){.step = {.kind = RP_STEP_DONE}, .first_miss_ns = NEVER};
}

static void add_answer(struct read_history *history, const struct rp_report *report,
                       uint64_t floor) {
    const bool served = report->outcome == RP_FOUND || report->outcome == RP_PARTIAL;
    const bool behind = served && report->position < floor;
    const bool missed = !behind && (report->outcome == RP_MISSING || report->outcome == RP_PARTIAL);
    const bool stale = served && history->is_current && report->position < history->located;
    if (missed) {
        history->misses += history->misses < 2;
        if (history->first_miss_ns == NEVER) {
            history->first_miss_ns = history->now_ns;
        }
    }
    if (behind || missed || stale) {
        history->not_here = 1;
    } else {
        history->answered = 1;
    }
    history->replica_failures += report->outcome == RP_FAILED;
}

void history_add_report(struct read_history *history, const struct rp_report *report,
                        uint64_t floor) {
    const int64_t now_ns = (int64_t)report->now_ns;
    if (now_ns > history->now_ns) {
        history->now_ns = now_ns;
    }
    history->is_reached = 0;
    if (history->step.kind == RP_STEP_LOCATE) {
        const int located = report->outcome == RP_LOCATED;
        history->located = located ? report->position : 0;
        history->flushed = located && report->flushed <= report->position ? report->flushed : 0;
        history->located_ns = history->now_ns;
    } else if (history->step.kind == RP_STEP_AWAIT) {
        history->is_reached = report->outcome == RP_REACHED && report->position != 0 &&
                              report->position >= history->step.position;
    } else if (history_is_replica_read(history)) {
        add_answer(history, report, floor);
    }
}

static void add_await(struct read_history *history, int after_locate, int was_current) {
    const int onward = history->awaited_position == history->step.position;
    history->awaited_position = history->step.position;
    if (after_locate) {
        history->awaited = AWAITED_LOCATED;
        history->located_awaits += history->replica_reads > 0;
    } else if (history->locates_after_a_read == 0 && was_current) {
        history->awaited = AWAITED_AGAIN;
        history->again_awaits++;
    } else if (history->locates_after_a_read == 0) {
        history->awaited = AWAITED_FLOOR;
        history->floor_awaits++;
    } else if (onward) {
        history->awaited = AWAITED_ONWARD;
        history->onward_awaits++;
    } else {
        history->awaited = AWAITED_UNPROVEN;
        history->unproven_awaits++;
    }
}

/* What a read that begins now can prove. */
static uint32_t current_of(const struct read_history *history) {
    if (history->step.kind != RP_STEP_AWAIT || history->awaited == AWAITED_FLOOR) {
        return NOT_CURRENT;
    }
    if (history->is_reached) {
        return CURRENT_REACHED;
    }
    return history->replica_reads > 0 ? CURRENT_LOOK : NOT_CURRENT;
}

void history_add_step(struct read_history *history, const struct rp_step *step, uint64_t begun_ns) {
    const int after_locate = history->step.kind == RP_STEP_LOCATE;
    const int was_current = (int)history->is_current;
    const bool reads = step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA;
    history->is_current = reads ? current_of(history) : NOT_CURRENT;
    history->is_reached = 0;
    history->flushed = 0;
    if (step->kind == RP_STEP_LOCATE || step->kind == RP_STEP_AWAIT) {
        history->first_miss_ns = NEVER; /* no policy that asks for positions waits for a time */
    }
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
        history->looks += history->is_current == CURRENT_LOOK;
        history->last_replica = step->replica;
    } else if (history_is_primary_read(history)) {
        history->primary_reads++;
    } else if (step->kind == RP_STEP_WAIT) {
        history->waits++;
    } else if (step->kind == RP_STEP_AWAIT) {
        add_await(history, after_locate, was_current);
    } else if (history->replica_reads > 0) {
        history->locates_after_a_read++;
    } else {
        history->locates_before_a_read++;
    }
}
