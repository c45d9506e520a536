/*
 * steps.c - see steps.h.
 */
#include "steps.h"

#include "asks.h"
#include "awaits.h"
#include "beside.h"
#include "gather.h"
#include "pick.h"
#include "plugin/machine.h"
#include "proofs.h"
#include "reports.h"
#include "standing.h"

/* Chooses the server of a read. False, with a reason, if it cannot be asked. */
static bool choose_server(struct rp_cluster *cluster, struct read *read,
                          const struct rp_step *step) {
    if (is_primary_step(step)) {
        read->server = standing_primary(cluster);
        if (read->server == NO_SERVER) {
            read->reason = standing_why_no_primary(cluster);
            return false;
        }
        if (cluster->servers[read->server].state != RP_SERVER_ON) {
            read->reason = "the primary is being drained";
            return false;
        }
        return true;
    }
    read->server = pick_replica(cluster, read, step);
    if (read->server == NO_SERVER) {
        read->reason = "none of the replicas can be read any more";
        return false;
    }
    struct health *health = &cluster->servers[read->server].health;
    uint64_t timeout_ns =
        read->deadline_ns > cluster->now_ns ? read->deadline_ns - cluster->now_ns : 0;
    if (health->failures > 0 && !health_may_read(health, cluster->now_ns, timeout_ns)) {
        read->reason = "the replica is not answering; backing off";
        return false;
    }
    return true;
}

/* Found needs a position where there is a floor, and one that proves where the answer is to be
 * current; so do missing, and partial where nobody has more. The policy compares it with the floor
 * and with what was located, which is never below the floor. */
int32_t steps_judge(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                    const struct facts *facts, uint64_t *position) {
    const bool said = facts->instance != 0; /* else there is nothing to look at */
    uint64_t proof = said ? proof_position(cluster, read, facts) : 0;
    uint64_t floor = said ? floor_position(cluster, read->server, facts) : 0;
    bool first = !read->rehearsed && !read->missed;
    if ((cluster->flags & RP_CLUSTER_FIRST_MISSES) != 0 && outcome == RP_FOUND && first) {
        read->rehearsed = true;
        *position = 0; /* a miss that proves nothing */
        return RP_MISSING;
    }
    if (outcome == RP_MISSING && (read->step->flags & RP_STEP_WITH_POSITION) != 0 && proof == 0) {
        cluster->counters.unproven++;
    }
    if (outcome == RP_FOUND && read->floor != 0 && floor < read->floor) {
        cluster->counters.behind++;
    }
    /* Before a locate nothing is proven by it, and it says whether the floor is reached. */
    *position = read->located_instance == 0 ? floor : proof;
    if (outcome == RP_FOUND && proof == 0) {
        *position = floor < read->floor ? floor : read->floor;
    }
    return outcome;
}

/* What is out is the read of this step. early: what it should have reached, or 0. */
static void adopt(struct rp_cluster *cluster, struct read *read, uint64_t early) {
    read->beside = BESIDE_NONE;
    read->early = early;
    read->phase = READ_OUT;
    if (early == 0) {
        gather_read_back(cluster, read);
    }
    const uint64_t limit_ns = read_limit(cluster, read);
    read_set_timer(cluster, read, limit_ns < read->limit_ns ? limit_ns : read->limit_ns);
}

/* Beside the outcomes of steps: it takes time. */
#define UNDER_WAY (-1)

/* UNDER_WAY; or it has an answer already, or no server: what has become of the step. */
static int32_t begin_send(struct rp_cluster *cluster, struct read *read,
                          const struct rp_step *step) {
    if (!choose_server(cluster, read, step)) {
        return RP_FAILED;
    }
    if ((step->flags & RP_STEP_WITH_POSITION) == 0) {
        beside_end(cluster, read); /* the primary, or a replica as it is: nothing was located */
    } else {
        beside_take(cluster, read);
    }
    if (read->beside == BESIDE_OUT) {
        adopt(cluster, read, 0);
        return UNDER_WAY;
    }
    if (read->beside == BESIDE_KEPT) {
        read->beside = BESIDE_NONE;
        return steps_judge(cluster, read, read->kept_outcome, &read->kept,
                           &read->reported_position);
    }
    read_enlist(cluster, read, READ_TO_SEND); /* it leaves before next says "nothing" */
    return UNDER_WAY;
}

/* A caller's position that no server is known to have come to, before anything was located: it may
 * be a number that nobody ever comes to, and the primary says so at once. While that does not
 * answer there is nobody to ask. */
static bool is_beyond_all(const struct rp_cluster *cluster, const struct read *read,
                          uint64_t position) {
    bool beyond = read->located_instance == 0 && cluster->primary_answers;
    for (uint32_t i = 0; beyond && i < cluster->server_count; i++) {
        beyond = !awaits_has_reached(cluster, i, position);
    }
    return beyond;
}

/* UNDER_WAY; or it need not wait, or cannot: what has become of the step. Kept out of the way of
 * the reads that await nothing. */
__attribute__((noinline)) static int32_t begin_await(struct rp_cluster *cluster, struct read *read,
                                                     const struct rp_step *step) {
    /* No time, only what is known already: where it is, the policy's next read will tell. */
    const bool looks = step->until_ns <= cluster->now_ns;
    read->server = pick_replica(cluster, read, step);
    if (read->server == NO_SERVER) {
        read->reason = "none of the replicas can be read any more";
        return RP_FAILED;
    }
    if (is_beyond_all(cluster, read, step->position)) {
        return RP_NOT_REACHED;
    }
    beside_take(cluster, read);
    if (read->beside == BESIDE_OUT && !looks) {
        adopt(cluster, read, step->position);
        return UNDER_WAY;
    }
    const bool kept_reached = read->beside == BESIDE_KEPT && read->kept.position >= step->position;
    if (read->beside == BESIDE_KEPT && !looks) {
        beside_note(cluster, read, kept_reached);
    }
    if (kept_reached) {
        read->reported_position = read->kept.position;
        return RP_REACHED;
    }
    if (looks && read->beside != BESIDE_NONE) {
        return RP_NOT_REACHED;
    }
    beside_end(cluster, read);
    if (awaits_has_reached(cluster, read->server, step->position)) {
        read->reported_position = cluster->servers[read->server].said.position;
        return RP_REACHED;
    }
    if (looks) {
        return RP_NOT_REACHED;
    }
    if (beside_goes_early(cluster, read)) {
        read->went_beside = false;
        read->early = step->position;
        read_enlist(cluster, read, READ_TO_SEND);
        return UNDER_WAY;
    }
    awaits_begin(cluster, read, step->position);
    read_set_timer(cluster, read, step->until_ns);
    return UNDER_WAY;
}

/* Begins the step. UNDER_WAY, or how it has come to an end at once. */
static int32_t begin_step(struct rp_cluster *cluster, struct read *read,
                          const struct rp_step *step) {
    if (step->kind != RP_STEP_READ && step->kind != RP_STEP_AWAIT) {
        beside_end(cluster, read);
    }
    switch (step->kind) {
    case RP_STEP_READ:
        return begin_send(cluster, read, step);
    case RP_STEP_WAIT:
        read->phase = READ_WAITING;
        read_set_timer(cluster, read, step->until_ns);
        return UNDER_WAY;
    case RP_STEP_LOCATE:
        asks_locate(cluster, read);
        read_set_timer(cluster, read, read->deadline_ns);
        return UNDER_WAY;
    case RP_STEP_AWAIT:
        return begin_await(cluster, read, step);
    default:
        heap_remove(&cluster->timers, &read->timer);
        read_enlist(cluster, read, READ_DONE);
        return UNDER_WAY;
    }
}

static void note_outcome(struct read *read, int32_t outcome) {
    read->missed = read->missed || outcome == RP_MISSING || outcome == RP_PARTIAL;
    read->answered = read->answered || read->step->kind == RP_STEP_READ;
}

void steps_follow(struct rp_cluster *cluster, struct read *read, const struct rp_step *step) {
    for (;;) {
        step_begins(read, step);
        const int32_t outcome = begin_step(cluster, read, step);
        if (outcome == UNDER_WAY) {
            return;
        }
        note_outcome(read, outcome);
        const struct rp_report report = {.struct_size = sizeof report,
                                         .outcome = outcome,
                                         .now_ns = cluster->now_ns,
                                         .position = read->reported_position};
        step = machine_next(&read->machine, &report);
    }
}

void steps_tell(struct rp_cluster *cluster, struct read *read, const struct rp_report *report) {
    note_outcome(read, report->outcome);
    steps_follow(cluster, read, machine_next(&read->machine, report));
}

void steps_tell_outcome(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                        uint64_t position, const char *reason) {
    const struct rp_report report = {.struct_size = sizeof report,
                                     .outcome = outcome,
                                     .now_ns = cluster->now_ns,
                                     .position = position};
    read_leave(cluster, read);
    if (outcome == RP_FAILED) {
        read->reason = reason;
    }
    steps_tell(cluster, read, &report);
}

void steps_send_again(struct rp_cluster *cluster, struct read *read) {
    read_leave(cluster, read);
    if (begin_send(cluster, read, read->step) != UNDER_WAY) {
        steps_tell_outcome(cluster, read, RP_FAILED, 0, read->reason);
    }
}

void steps_await_after_all(struct rp_cluster *cluster, struct read *read) {
    read->reported_position = 0;
    read_leave(cluster, read);
    const int32_t outcome = begin_await(cluster, read, read->step);
    if (outcome != UNDER_WAY) {
        steps_tell_outcome(cluster, read, outcome, read->reported_position, read->reason);
    }
}

void steps_fail_unread(struct rp_cluster *cluster, struct read *read, const char *reason) {
    const struct rp_report failed = {
        .struct_size = sizeof failed, .outcome = RP_FAILED, .now_ns = cluster->now_ns};
    read_leave(cluster, read);
    read->reason = reason;
    const struct rp_step *step = machine_next(&read->machine, &failed);
    if (step->kind == RP_STEP_READ && !is_primary_step(step)) {
        read->step = step;
        steps_tell(cluster, read, &failed);
    } else {
        steps_follow(cluster, read, step);
    }
}

/* A replica that is lost is not offered any more, so that each is awaited once. One that is not is
 * asked again: just a question has failed. */
bool steps_await_further(struct rp_cluster *cluster, struct read *read) {
    if (read->outcome != RP_FAILED || read->step->kind != RP_STEP_AWAIT || read->answered) {
        return false;
    }
    const uint64_t here = server_bit(read->server);
    const uint64_t others = pick_well(cluster, read->offered & cluster->replicas & ~here);
    if (pick_well(cluster, cluster->readable & here) != 0) {
        if (!awaits_can_tell(cluster, read->server)) {
            return false;
        }
    } else if (others != 0) {
        read->offered = others;
        cluster->counters.detours++;
    } else {
        steps_fail_unread(cluster, read, read->reason);
        return true;
    }
    steps_await_after_all(cluster, read);
    return true;
}
