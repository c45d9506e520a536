/*
 * reads.c - see reads.h.
 */
#include "reads.h"

#include "asks.h"
#include "gather.h"
#include "pick.h"
#include "plugin/hot.h"
#include "plugin/machine.h"
#include "plugin/plan.h"
#include "plugin/policy.h"
#include "position.h"
#include "proofs.h"
#include "reports.h"
#include "roles.h"
#include "strict.h"

#include <string.h>

/* Other servers that are tried for one step: after a lost connection, or a change of role. */
#define MAX_DETOURS 2u

/* A locate that takes so long is worth while a read of the replica beside it. */
#define FAR_NS UINT64_C(1000000)

/* ---- beginning and ending -------------------------------------------------------------------- */

static struct read *take(struct rp_cluster *cluster) {
    struct read *read = TAILQ_FIRST(&cluster->free_reads);
    if (read != NULL) {
        TAILQ_REMOVE(&cluster->free_reads, read, entry);
    } else if (cluster->read_count < cluster->max_reads) {
        /* Unused memory is not touched before it is needed. */
        const uint32_t number = cluster->read_count++;
        read = &cluster->reads[number];
        read->id = id_of(ID_READ, number, 0);
        read->action_id = id_of(ID_ACTION, number, 0);
        read->timer.kind = TIMER_READ;
        read->machine.struct_size = sizeof read->machine;
    }
    return read;
}

/* It must have left its place. */
static void give_back(struct rp_cluster *cluster, struct read *read) {
    read->phase = READ_FREE;
    read->id = id_next(read->id);
    cluster->reads_open--;
    TAILQ_INSERT_HEAD(&cluster->free_reads, read, entry);
}

/* What was to be read beside the locate, or was, is not wanted any more. */
static void end_beside(struct rp_cluster *cluster, struct read *read) {
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

/* The action that is out, if one is, is not wanted any more. */
static void drop(struct rp_cluster *cluster, struct read *read) {
    if (read->phase == READ_OUT) {
        drop_action(cluster, read->action_id, read->server, read->tag, read->id);
    }
    end_beside(cluster, read);
}

/* The read under way that an id of its number may be of. */
static struct read *read_of(struct rp_cluster *cluster, uint64_t id) {
    uint32_t number = ID_NUMBER(id);
    if (number >= cluster->read_count || cluster->reads[number].phase == READ_FREE) {
        return NULL;
    }
    return &cluster->reads[number];
}

void reads_forget(struct rp_cluster *cluster, uint64_t id) {
    struct read *read = read_of(cluster, id);
    if (read != NULL && read->id == id) {
        drop(cluster, read);
        read_leave(cluster, read);
        give_back(cluster, read);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void set_timer(struct rp_cluster *cluster, struct read *read, uint64_t at_ns) {
    heap_move(&cluster->timers, &read->timer,
              at_ns < read->deadline_ns ? at_ns : read->deadline_ns);
}

static bool is_primary_step(const struct rp_step *step) {
    return step->kind == RP_STEP_READ && step->target == RP_TARGET_PRIMARY;
}

/* Chooses the server of a read. False, with a reason, if it cannot be asked. */
static bool choose_server(struct rp_cluster *cluster, struct read *read,
                          const struct rp_step *step) {
    if (is_primary_step(step)) {
        read->server = cluster->primary;
        if (read->server == NO_SERVER) {
            read->reason = roles_why_no_primary(cluster);
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

/* A replica that does not answer may cost three quarters of what is left of the read's time: the
 * rest is for the primary, where the policy falls back to it. */
static inline uint64_t limit_of(const struct rp_cluster *cluster, const struct read *read) {
    if (read->early != 0 && read->step->until_ns < read->deadline_ns) {
        return read->step->until_ns;
    }
    if (is_primary_step(read->step) || read->deadline_ns <= cluster->now_ns) {
        return read->deadline_ns;
    }
    uint64_t left = read->deadline_ns - cluster->now_ns;
    return read->deadline_ns - left / 4;
}

/* What a replica's answer is to the policy. Found needs a position where there is a floor, and one
 * that proves where the answer is to be current; so do missing, and partial where nobody has more.
 * The policy compares it with the floor and with what was located, which is never below the floor.
 */
static int32_t judge(struct rp_cluster *cluster, struct read *read, int32_t outcome,
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

/* ---- beside a locate ------------------------------------------------------------------------- */

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

/* The same a round trip later, which still spares the question whether the position is reached. */
static bool goes_early(const struct rp_cluster *cluster, const struct read *read) {
    return read->sent_event == 0 && keeps_up(cluster, read) &&
           patience_tries(&cluster->servers[read->server].early);
}

/* One that was too early costs one more. */
static void note_early(const struct rp_cluster *cluster, const struct read *read, bool reached) {
    struct server *server = &cluster->servers[read->server];
    patience_note(read->went_beside ? &server->beside : &server->early, reached);
}

/* The step concerns this replica: what went to another one beside the locate is of no use. */
static void take_beside(struct rp_cluster *cluster, struct read *read) {
    if (read->beside < BESIDE_OUT || read->beside_server != read->server) {
        end_beside(cluster, read);
    }
}

/* What is out is the read of this step. early: what it should have reached, or 0. */
static void adopt(struct rp_cluster *cluster, struct read *read, uint64_t early) {
    read->beside = BESIDE_NONE;
    read->early = early;
    read->phase = READ_OUT;
    if (early == 0) {
        gather_read_back(cluster, read);
    }
    const uint64_t limit_ns = limit_of(cluster, read);
    set_timer(cluster, read, limit_ns < read->limit_ns ? limit_ns : read->limit_ns);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Beside the outcomes of steps: it takes time. */
#define UNDER_WAY (-1)

/* UNDER_WAY; or it has an answer already, or no server: what has become of the step. */
static int32_t begin_send(struct rp_cluster *cluster, struct read *read,
                          const struct rp_step *step) {
    if (!choose_server(cluster, read, step)) {
        return RP_FAILED;
    }
    if ((step->flags & RP_STEP_WITH_POSITION) == 0) {
        end_beside(cluster, read); /* the primary, or a replica as it is: nothing was located */
    } else {
        take_beside(cluster, read);
    }
    if (read->beside == BESIDE_OUT) {
        adopt(cluster, read, 0);
        return UNDER_WAY;
    }
    if (read->beside == BESIDE_KEPT) {
        read->beside = BESIDE_NONE;
        return judge(cluster, read, read->kept_outcome, &read->kept, &read->reported_position);
    }
    read_enlist(cluster, read, READ_TO_SEND); /* it leaves before next says "nothing" */
    return UNDER_WAY;
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
    take_beside(cluster, read);
    if (read->beside == BESIDE_OUT && !looks) {
        adopt(cluster, read, step->position);
        return UNDER_WAY;
    }
    const bool kept_reached = read->beside == BESIDE_KEPT && read->kept.position >= step->position;
    if (read->beside == BESIDE_KEPT && !looks) {
        note_early(cluster, read, kept_reached);
    }
    if (kept_reached) {
        read->reported_position = read->kept.position;
        return RP_REACHED;
    }
    if (looks && read->beside != BESIDE_NONE) {
        return RP_NOT_REACHED;
    }
    end_beside(cluster, read);
    if (asks_has_reached(cluster, read->server, step->position)) {
        read->reported_position = cluster->servers[read->server].said.position;
        return RP_REACHED;
    }
    if (looks) {
        return RP_NOT_REACHED;
    }
    if (goes_early(cluster, read)) {
        read->went_beside = false;
        read->early = step->position;
        read_enlist(cluster, read, READ_TO_SEND);
        return UNDER_WAY;
    }
    asks_await(cluster, read, step->position);
    set_timer(cluster, read, step->until_ns);
    return UNDER_WAY;
}

/* Begins the step. UNDER_WAY, or how it has come to an end at once. */
static int32_t begin_step(struct rp_cluster *cluster, struct read *read,
                          const struct rp_step *step) {
    if (step->kind != RP_STEP_READ && step->kind != RP_STEP_AWAIT) {
        end_beside(cluster, read);
    }
    switch (step->kind) {
    case RP_STEP_READ:
        return begin_send(cluster, read, step);
    case RP_STEP_WAIT:
        read->phase = READ_WAITING;
        set_timer(cluster, read, step->until_ns);
        return UNDER_WAY;
    case RP_STEP_LOCATE:
        asks_locate(cluster, read);
        set_timer(cluster, read, read->deadline_ns);
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
    read->failed_over = read->failed_over || outcome == RP_FAILED;
}

static void begin(struct read *read, const struct rp_step *step) {
    read->step = step;
    read->detours = 0;
    read->conflicted = false;
    read->reported_position = 0;
}

/* Follows the policy from this step to one that takes time. */
static void follow(struct rp_cluster *cluster, struct read *read, const struct rp_step *step) {
    for (;;) {
        begin(read, step);
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

/* The policy hears what has become of the step under way. */
static void tell(struct rp_cluster *cluster, struct read *read, const struct rp_report *report) {
    note_outcome(read, report->outcome);
    follow(cluster, read, machine_next(&read->machine, report));
}

/* The same, of a read that is where its phase says. reason: of a failure; or NULL. */
static void tell_outcome(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                         uint64_t position, const char *reason) {
    const struct rp_report report = {.struct_size = sizeof report,
                                     .outcome = outcome,
                                     .now_ns = cluster->now_ns,
                                     .position = position};
    read_leave(cluster, read);
    if (outcome == RP_FAILED) {
        read->reason = reason;
    }
    tell(cluster, read, &report);
}

void reads_take_reports(struct rp_cluster *cluster) {
    struct read *read;
    while ((read = TAILQ_FIRST(&cluster->reported)) != NULL) {
        TAILQ_REMOVE(&cluster->reported, read, entry);
        read->phase = READ_FREE;
        const struct rp_report report = {.struct_size = sizeof report,
                                         .outcome = read->outcome,
                                         .now_ns = cluster->now_ns,
                                         .position = read->reported_position,
                                         .flushed = read->reported_flushed};
        tell(cluster, read, &report);
    }
}

/* Most reads begin at a replica that nothing is the matter with. What `follow` comes to then, on a
 * straight way; false: it is not one of those. */
static bool goes_plainly(struct rp_cluster *cluster, struct read *read,
                         const struct rp_step *step) {
    if (step->kind != RP_STEP_READ || step->target != RP_TARGET_REPLICA) {
        return false;
    }
    read->server = pick_replica(cluster, read, step);
    if (read->server == NO_SERVER || (cluster->ailing & server_bit(read->server)) != 0) {
        return false;
    }
    begin(read, step);
    read_enlist(cluster, read, READ_TO_SEND);
    return true;
}

HOT struct read *reads_start(struct rp_cluster *cluster, const struct rp_policy *policy,
                             const struct rp_request *request, uint64_t tag) {
    struct read *read = take(cluster);
    if (read == NULL) {
        return NULL;
    }
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    uint32_t flags = request->flags & ~(uint32_t)RP_REPLICAS_OUT;
    read->offered = pick_offer(cluster, plan);
    if (read->offered == 0 && cluster->others != 0) {
        flags |= RP_REPLICAS_OUT;
    }
    read->tag = tag;
    read->deadline_ns =
        request->deadline_ns != 0 ? request->deadline_ns : cluster->now_ns + cluster->timeout_ns;
    read->floor = request->position;
    read->sent_event = 0;
    read->position = 0;
    read->located_instance = 0;
    read->reason = NULL;
    read->located_timeline = 0;
    read->beside = BESIDE_NONE;
    read->rehearsed = false;
    read->missed = false;
    read->failed_over = false;
    cluster->reads_open++;
    const struct rp_step *step =
        machine_begin_known(plan, request, cluster->now_ns, read->deadline_ns,
                            pick_count(read->offered), flags, &read->machine);
    if (!goes_plainly(cluster, read, step)) {
        follow(cluster, read, step);
    }
    return read;
}

/* ---- out ------------------------------------------------------------------------------------- */

/* Where the answer counts only with what the server says of itself in the same transaction. What
 * cannot change is asked of who is polled; an instance that only reads are led to, behind a
 * balancer, has to tell them. */
static const char *question_of(const struct rp_cluster *cluster, const struct read *read) {
    const struct server *server = &cluster->servers[read->server];
    bool wanted = is_primary_step(read->step) || read->floor != 0 ||
                  read->step->kind != RP_STEP_READ ||
                  (read->step->flags & RP_STEP_WITH_POSITION) != 0;
    const struct instance *last = server->instance;
    if (!wanted || !server->probed) {
        return NULL;
    }
    const bool stranger = server->can.system && last != NULL && last->system == 0;
    return stranger ? question_full(&server->can) : question_short(&server->can);
}

static void send(struct rp_cluster *cluster, struct read *read, struct rp_action *action) {
    read->action_id = id_next(read->action_id);
    read->sent_ns = cluster->now_ns;
    read->sent_event = cluster_event(cluster);
    action_begin(action, RP_ACTION_READ);
    action->id = read->action_id;
    action->tag = read->tag;
    action->read_id = read->id;
    action->server = read->server;
    action->flags = RP_ACTION_WANTS_POSITION;
    action->target = read->step->target;
    action->text = question_of(cluster, read);
    action->limit_ns = read->limit_ns = limit_of(cluster, read);
    read->asks_question = action->text != NULL;
}

/* The next one that goes beside its locate; NULL: none. Who may be read is known now: it may have
 * changed since the read began to wait for its locate. */
__attribute__((noinline)) static struct read *next_beside(struct rp_cluster *cluster) {
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

static struct read *next_to_send(struct rp_cluster *cluster) {
    struct read *read = TAILQ_FIRST(&cluster->to_send);
    if (read == NULL) {
        return next_beside(cluster);
    }
    TAILQ_REMOVE(&cluster->to_send, read, entry);
    read->phase = READ_OUT;
    if (read->located_instance != 0 && !read->missed && !is_primary_step(read->step)) {
        gather_read_out(cluster, read);
    }
    return read;
}

HOT bool reads_send_one(struct rp_cluster *cluster, struct rp_action *action) {
    struct read *read = next_to_send(cluster);
    if (read == NULL) {
        return false;
    }
    send(cluster, read, action);
    heap_remove(&cluster->timers, &read->timer);
    heap_append(&cluster->timers, &read->timer, action->limit_ns);
    return true;
}

HOT void reads_end_one(struct rp_cluster *cluster, struct rp_action *action) {
    struct read *read = TAILQ_FIRST(&cluster->done);
    const struct rp_step *step = read->step;
    TAILQ_REMOVE(&cluster->done, read, entry);
    action_begin(action, RP_ACTION_DONE);
    action->tag = read->tag;
    action->read_id = read->id;
    action->verdict = step->verdict;
    action->served_by = step->served_by;
    action->log_level = step->log_level;
    action->counted = step->counted;
    action->failed_during = step->failed_during;
    action->message = step->message;
    action->reason = step->verdict == RP_VERDICT_FAILED ? read->reason : NULL;
    bool answered = step->verdict == RP_VERDICT_FOUND || step->verdict == RP_VERDICT_NOT_FOUND;
    action->position = answered ? read->position : 0;
    give_back(cluster, read);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The same step again, as a new action, with its own question. */
static void send_again(struct rp_cluster *cluster, struct read *read) {
    read_leave(cluster, read);
    if (begin_send(cluster, read, read->step) != UNDER_WAY) {
        tell_outcome(cluster, read, RP_FAILED, 0, read->reason);
    }
}

/* The position is awaited after all. */
static void await_after_all(struct rp_cluster *cluster, struct read *read) {
    read->reported_position = 0;
    read_leave(cluster, read);
    const int32_t outcome = begin_await(cluster, read, read->step);
    if (outcome != UNDER_WAY) {
        tell_outcome(cluster, read, outcome, read->reported_position, read->reason);
    }
}

/* The server could not be read: another one that was offered, if there is one. */
static void detour(struct rp_cluster *cluster, struct read *read, const char *reason) {
    if (read->early != 0) {
        await_after_all(cluster, read);
        return;
    }
    uint32_t lost = read->server;
    uint64_t others = pick_well(cluster, read->offered & cluster->replicas & ~server_bit(lost));
    if (is_primary_step(read->step) || others == 0 || read->detours >= MAX_DETOURS) {
        tell_outcome(cluster, read, RP_FAILED, 0, reason);
        return;
    }
    read_leave(cluster, read);
    read->detours++;
    cluster->counters.detours++;
    read->server = (uint32_t)__builtin_ctzll(others);
    read_enlist(cluster, read, READ_TO_SEND);
    set_timer(cluster, read, read->deadline_ns);
}

static void missed_on_primary(struct rp_cluster *cluster, struct read *read,
                              const struct facts *facts) {
    const char *why = why_missing_does_not_count(cluster, read->server, facts);
    if (why != NULL) {
        cluster->counters.uncounted_misses++;
        tell_outcome(cluster, read, RP_FAILED, 0, why);
    } else {
        tell_outcome(cluster, read, RP_MISSING, 0, NULL);
    }
}

static void found_on_primary(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                             const struct facts *facts) {
    const char *why = read->floor == 0 ? NULL : why_floor_is_not_kept(cluster, read->server, facts);
    tell_outcome(cluster, read, why != NULL ? RP_FAILED : outcome, 0, why);
}

static void answered_by_replica(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                                const struct facts *facts) {
    uint64_t position;
    outcome = judge(cluster, read, outcome, facts, &position);
    tell_outcome(cluster, read, outcome, position, NULL);
}

static void answered(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                     const struct facts *facts) {
    server_answered(cluster, read->server);
    if (!is_primary_step(read->step)) {
        answered_by_replica(cluster, read, outcome, facts);
    } else if (outcome == RP_MISSING) {
        missed_on_primary(cluster, read, facts);
    } else {
        found_on_primary(cluster, read, outcome, facts);
    }
}

/* The policy has not heard of it. Where the position had been reached, it is the answer to the read
 * that follows; otherwise it says nothing. */
__attribute__((noinline)) static void answered_early(struct rp_cluster *cluster, struct read *read,
                                                     int32_t outcome, const struct facts *facts) {
    const bool reached = facts->position >= read->early;
    note_early(cluster, read, reached);
    server_answered(cluster, read->server);
    if (!reached) {
        await_after_all(cluster, read);
        return;
    }
    const struct rp_report report = {.struct_size = sizeof report,
                                     .outcome = RP_REACHED,
                                     .now_ns = cluster->now_ns,
                                     .position = facts->position};
    const struct rp_step *step = machine_next(&read->machine, &report);
    if (step->kind == RP_STEP_READ && !is_primary_step(step)) {
        read->step = step;
        answered_by_replica(cluster, read, outcome, facts);
    } else {
        read_leave(cluster, read);
        follow(cluster, read, step);
    }
}

/* The server's position after the answer's snapshot. */
static inline void note_position(const struct rp_cluster *cluster, struct read *read,
                                 const char *after) {
    read->position = 0;
    if (after == NULL) {
        return;
    }
    const struct position_text said = position_read(after);
    if (said.end != NULL && *said.end == '\0') {
        read->position = is_primary_step(read->step)
                             ? reachable_position(cluster, read->server, said.position)
                             : said.position;
    }
}

/* The question was asked after the read, or of another server: it says nothing about the answer. */
static bool is_out_of_order(const struct rp_cluster *cluster, const struct read *read,
                            const struct facts *facts) {
    const uint64_t position = is_primary_step(read->step)
                                  ? reachable_position(cluster, read->server, facts->position)
                                  : facts->position;
    return read->position != 0 && position > read->position;
}

/* Nothing that could be read: instance 0. */
static const struct facts nothing_said;

/* What the server said before the answer, until the next answer is read. Reads that went together
 * bring the same words, which are read once. */
static const struct facts *facts_of(struct rp_cluster *cluster, const struct read *read,
                                    const char *before) {
    struct heard *heard = &cluster->heard;
    if (!read->asks_question || before == NULL) {
        return &nothing_said;
    }
    if (heard->words[0] != '\0' && strcmp(before, heard->words) == 0) {
        return &heard->facts;
    }
    const size_t length = strlen(before);
    heard->words[0] = '\0';
    if (!question_read_facts(before, &heard->facts)) {
        return &nothing_said;
    }
    if (length < sizeof heard->words) {
        memcpy(heard->words, before, length + 1);
    }
    return &heard->facts;
}

/* What an answer that is none says of the server. */
static void blame(struct rp_cluster *cluster, const struct read *read, int32_t outcome) {
    if (outcome == RP_SERVER_GONE || outcome == RP_NOT_SENT) {
        server_failed(cluster, read->server, false);
        asks_prompt(cluster, read->server);
    } else if (outcome == RP_ROLE_CHANGED && !pick_stands_in(cluster, read, read->server)) {
        roles_uncertain(cluster, read->server);
    }
}

__attribute__((noinline)) static void failed(struct rp_cluster *cluster, struct read *read,
                                             int32_t outcome) {
    blame(cluster, read, outcome);
    if (read->early != 0) {
        await_after_all(cluster, read);
        return;
    }
    switch (outcome) {
    case RP_SERVER_GONE:
    case RP_NOT_SENT:
        detour(cluster, read, "the connection to the server was lost, or there is none");
        break;
    case RP_ROLE_CHANGED:
        if (pick_stands_in(cluster, read, read->server)) {
            tell_outcome(cluster, read, RP_MISSING, 0, NULL);
            break;
        }
        detour(cluster, read, "the server that was read as a replica is not in recovery");
        break;
    case RP_CONFLICT:
        if (!read->conflicted) {
            read->conflicted = true;
            cluster->counters.conflicts++;
            send_again(cluster, read);
            break;
        }
        tell_outcome(cluster, read, RP_FAILED, 0, "cancelled twice by a conflict");
        break;
    default:
        tell_outcome(cluster, read, RP_FAILED, 0, NULL);
        break;
    }
}

/* What it should have reached is not known yet: the answer is kept, unless it is none. */
static void answered_beside(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                            bool has_answer, const struct facts *facts) {
    gather_read_back(cluster, read);
    if (!has_answer) {
        read->beside = BESIDE_NONE;
        blame(cluster, read, outcome);
        return;
    }
    server_answered(cluster, read->server);
    read->beside = BESIDE_KEPT;
    read->kept_outcome = outcome;
    read->kept = *facts;
}

/* Most reads: found, and nothing was asked beside it, so that there is nothing to judge. */
static bool is_plain_hit(const struct rp_cluster *cluster, const struct read *read,
                         int32_t outcome) {
    return outcome == RP_FOUND && read->phase == READ_OUT && !read->asks_question &&
           (read->floor | read->early | read->round) == 0 &&
           (cluster->flags & (RP_CLUSTER_FIRST_MISSES | RP_CLUSTER_STRICT)) == 0;
}

/* What `answered` comes to then, on a straight way. */
static void hit(struct rp_cluster *cluster, struct read *read, const char *after) {
    note_position(cluster, read, after);
    server_answered(cluster, read->server);
    heap_remove(&cluster->timers, &read->timer);
    const struct rp_step *step = machine_found(&read->machine, cluster->now_ns);
    if (step->kind == RP_STEP_DONE) {
        read->step = step;
        read_enlist(cluster, read, READ_DONE);
    } else {
        follow(cluster, read, step);
    }
}

/* All others. */
__attribute__((noinline)) static void take_answer(struct rp_cluster *cluster, struct read *read,
                                                  int32_t outcome, const char *before,
                                                  const char *after) {
    bool has_answer = outcome == RP_FOUND || outcome == RP_PARTIAL || outcome == RP_MISSING;
    const struct facts *facts = facts_of(cluster, read, before);
    if (has_answer) {
        note_position(cluster, read, after);
        const bool out_of_order = is_out_of_order(cluster, read, facts);
        if (is_strict(cluster)) {
            strict_answer(cluster, read, facts, outcome, out_of_order);
        }
        if (out_of_order) {
            facts = &nothing_said;
        }
    }
    if (facts->instance != 0) {
        roles_heard(cluster, read->server, facts, read->sent_event);
        asks_wake(cluster, read->server);
    }
    if (read->beside == BESIDE_OUT) {
        answered_beside(cluster, read, outcome, has_answer, facts);
    } else if (!has_answer) {
        failed(cluster, read, outcome);
    } else if (read->early != 0) {
        answered_early(cluster, read, outcome, facts);
    } else {
        answered(cluster, read, outcome, facts);
    }
}

HOT void reads_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *before,
                      const char *after) {
    struct read *read = read_of(cluster, id);
    if (read == NULL || read->action_id != id ||
        (read->phase != READ_OUT && read->beside != BESIDE_OUT)) {
        cluster->counters.foreign_answers++;
    } else if (is_plain_hit(cluster, read, outcome)) {
        hit(cluster, read, after);
    } else {
        take_answer(cluster, read, outcome, before, after);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/* The current part of the read in the policy's words. */
static const struct rp_step *overdue_step(const struct read *read) {
    static const char message[] = "not answered within its deadline";
#define OVERDUE(during)                                                                            \
    {.struct_size = sizeof(struct rp_step),                                                        \
     .kind = RP_STEP_DONE,                                                                         \
     .verdict = RP_VERDICT_FAILED,                                                                 \
     .log_level = RP_LOG_ERROR,                                                                    \
     .failed_during = (during),                                                                    \
     .message = message}
    static const struct rp_step steps[] = {OVERDUE(NULL), OVERDUE("replica_retry"),
                                           OVERDUE("primary_fallback")};
    if (is_primary_step(read->step) && (read->missed || read->failed_over)) {
        return &steps[2];
    }
    return &steps[read->missed ? 1 : 0];
}

static void end_overdue(struct rp_cluster *cluster, struct read *read) {
    drop(cluster, read);
    read->step = overdue_step(read);
    read_leave(cluster, read);
    read_enlist(cluster, read, READ_DONE);
}

/* It has answered no read since this was sent. */
static void note_silence(struct rp_cluster *cluster, const struct read *read) {
    if (cluster->servers[read->server].health.answered_ns <= read->sent_ns) {
        server_failed(cluster, read->server, true);
    }
}

/* A replica has not answered in time: the policy may know another server. */
static void give_up_answer(struct rp_cluster *cluster, struct read *read) {
    if (read->early != 0) {
        drop(cluster, read);
        tell_outcome(cluster, read, RP_NOT_REACHED, 0, NULL);
        return;
    }
    note_silence(cluster, read);
    drop(cluster, read);
    read_report(cluster, read, RP_FAILED,
                "the replica did not answer within three quarters of the read's time");
}

void reads_timer(struct rp_cluster *cluster, struct read *read) {
    if (cluster->now_ns >= read->deadline_ns) {
        end_overdue(cluster, read);
        return;
    }
    switch (read->phase) {
    case READ_OUT:
        give_up_answer(cluster, read);
        break;
    case READ_WAITING:
        tell_outcome(cluster, read, RP_WAITED, 0, NULL);
        break;
    case READ_AWAITING:
        tell_outcome(cluster, read, RP_NOT_REACHED, 0, NULL);
        break;
    case READ_LOCATING:
        if (read->beside == BESIDE_OUT) {
            note_silence(cluster, read);
            end_beside(cluster, read);
        }
        set_timer(cluster, read, read->deadline_ns);
        break;
    default:
        break;
    }
}

void reads_leave_server(struct rp_cluster *cluster, uint32_t server) {
    for (uint32_t i = 0; i < cluster->read_count; i++) {
        struct read *read = &cluster->reads[i];
        if (read->server != server) {
            continue;
        }
        end_beside(cluster, read);
        if (read->phase == READ_OUT) {
            drop(cluster, read);
            detour(cluster, read, "the server was taken out");
        } else if (read->phase == READ_TO_SEND) {
            detour(cluster, read, "the server was taken out");
        }
    }
}
