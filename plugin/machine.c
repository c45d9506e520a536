/*
 * machine.c - runs a plan.
 *
 * The state of a read lives in the host's struct rp_read. Each call looks up the moves of its state
 * and outcome, takes the first whose guard holds, and returns the step of the state that it leads
 * to.
 */
#include "machine.h"

#include "hot.h"
#include "policy.h"
#include "states.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* The contents of struct rp_read's opaque bytes. may_alias: the host declares them as something
 * else. */
struct __attribute__((may_alias)) read_state {
    uint32_t struct_size; /* the host's */
    uint32_t state;       /* enum rp_state */
    const struct rp_plan *plan;
    const struct rp_step *current; /* the step under way; a done step stays */
    uint64_t now_ns;               /* the latest time reported */
    uint64_t deadline_ns;          /* UINT64_MAX: none */
    uint64_t entropy;
    uint64_t floor;      /* the caller's position; 0: none */
    uint64_t target;     /* the position that is or was awaited */
    uint64_t inserted;   /* located: what a replica must have reached to prove anything */
    uint64_t until_ns;   /* end of the wait that the last guard drew */
    uint64_t give_up_ns; /* end of all polls, or of all awaits that follow a locate */
    uint32_t replicas;
    uint32_t replica; /* the one that is asked, or awaited before it is asked */
    uint32_t asked;   /* the one that was read last */
    uint32_t polls;   /* waits of replica_backoff, or looks of read_index, so far */
    uint32_t missed;  /* by a replica; one that is only behind the floor has not missed */
    struct rp_step step;
};
static_assert(sizeof(struct read_state) <= sizeof(struct rp_read), "RP_READ_BYTES is too small");
static_assert(offsetof(struct read_state, struct_size) == offsetof(struct rp_read, struct_size),
              "struct_size comes first");

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The n-th independent draw from the request's entropy. */
static uint64_t draw(const struct read_state *read, uint64_t n) {
    return rp_random_at(read->entropy, n + 1);
}

/* The upper half of the product; 32-bit machines know no type that holds it whole. */
static uint64_t multiply_high(uint64_t a, uint64_t b) {
    const uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    const uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    const uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    const uint64_t other = a_low * b_high + (middle & UINT32_MAX);
    return a_high * b_high + (middle >> 32) + (other >> 32);
}

/* Uniform in [min, max], by multiplication (Lemire, "Fast random integer generation in an
 * interval", 2019); with 64 random bits for a span below 2^36 its bias is below 2^-28. */
static uint64_t uniform(uint64_t random, uint64_t min, uint64_t max) {
    return min + multiply_high(random, max - min + 1);
}

/* The guards, as RP_GUARDS lists them. */

/* Known before the read began: plan.c has such a read begin with another move. */
static bool is_direct(struct read_state *read, const struct rp_report *report) {
    (void)read;
    (void)report;
    return false;
}

static bool wait_fits(struct read_state *read, const struct rp_report *report) {
    (void)report;
    const struct rp_plan *plan = read->plan;
    uint64_t wait = uniform(draw(read, 0), plan->retry_min_ns, plan->retry_max_ns);
    read->until_ns = add_saturating(read->now_ns, wait);
    return read->until_ns <= read->deadline_ns;
}

/* Wait k is drawn from the upper half of first_ms * 2^k: jitter against lookups that missed
 * together, and still a bound on the number of polls. */
static bool poll_fits(struct read_state *read, const struct rp_report *report) {
    (void)report;
    const struct rp_plan *plan = read->plan;
    if (read->polls == 0) {
        read->give_up_ns = add_saturating(read->now_ns, plan->max_wait_ns);
    }
    if (read->polls >= plan->max_polls || read->now_ns >= read->give_up_ns) {
        return false;
    }
    uint64_t longest = plan->first_ns << read->polls;
    uint64_t wait = uniform(draw(read, read->polls), longest / 2, longest);
    uint64_t until = add_saturating(read->now_ns, wait);
    read->until_ns = until < read->give_up_ns ? until : read->give_up_ns;
    if (read->until_ns > read->deadline_ns) {
        return false;
    }
    read->polls++;
    return true;
}

static bool is_missed(struct read_state *read, const struct rp_report *report) {
    (void)report;
    return read->missed;
}

static bool is_at_floor(struct read_state *read, const struct rp_report *report) {
    return report->position >= read->floor;
}

/* Makes `position` the one to await, if it is known and there is time. */
static bool await_by(struct read_state *read, uint64_t position, uint64_t give_up_ns) {
    read->until_ns = give_up_ns < read->deadline_ns ? give_up_ns : read->deadline_ns;
    if (position == 0 || read->until_ns <= read->now_ns) {
        return false;
    }
    read->target = position;
    return true;
}

static bool take_floor(struct read_state *read, const struct rp_report *report) {
    return report->position < read->floor &&
           await_by(read, read->floor, add_saturating(read->now_ns, read->plan->max_wait_ns));
}

static bool has_time_left(struct read_state *read, const struct rp_report *report) {
    (void)report;
    return read->now_ns < read->until_ns;
}

static bool can_await_all(struct read_state *read, const struct rp_report *report) {
    read->give_up_ns = add_saturating(read->now_ns, read->plan->max_wait_ns);
    read->inserted = report->position;
    return await_by(read, report->position, read->give_up_ns);
}

/* A commit is most often flushed before it is acknowledged, so the row is looked for as soon as
 * that much is replayed. Here the floor is not beyond the inserted position: that is another
 * outcome. */
static bool can_await(struct read_state *read, const struct rp_report *report) {
    if (!can_await_all(read, report)) {
        return false;
    }
    if (report->flushed != 0 && report->flushed < report->position) {
        read->target = report->flushed > read->floor ? report->flushed : read->floor;
    }
    read->polls = 0;
    read->until_ns = read->now_ns;
    return true;
}

static bool may_look(struct read_state *read, const struct rp_report *report) {
    (void)report;
    if (read->polls >= RP_MAX_LOOKS || read->now_ns >= read->give_up_ns ||
        read->now_ns >= read->deadline_ns) {
        return false;
    }
    read->polls++;
    return true;
}

/* No jitter: reads that missed together go on together anyway once the position is reached. */
static bool is_on_its_way(struct read_state *read, const struct rp_report *report) {
    if (report->position >= read->target || !await_by(read, read->target, read->give_up_ns)) {
        return false;
    }
    if (read->polls < RP_MAX_LOOKS) {
        const uint64_t next = add_saturating(read->now_ns, RP_FIRST_LOOK_NS << (read->polls - 1));
        read->until_ns = next < read->until_ns ? next : read->until_ns;
    }
    return true;
}

/* What the row's commit is not beyond was reached, so looks are over. */
static bool is_unproven(struct read_state *read, const struct rp_report *report) {
    read->polls = RP_MAX_LOOKS;
    return report->position != 0 && read->target < read->inserted &&
           await_by(read, read->inserted, read->give_up_ns);
}

static bool is_behind(struct read_state *read, const struct rp_report *report) {
    read->polls = RP_MAX_LOOKS;
    return report->position != 0 && report->position < read->inserted &&
           await_by(read, read->inserted, read->give_up_ns);
}

/* The bucket is the section's, and so is its rate: that of the newest plan holds for reads under
 * way too. With two rates at once, each would see the other's debts as its own. */
static bool is_admitted(struct read_state *read, const struct rp_report *report) {
    (void)report;
    return budget_admit(&read->plan->policy->state->budget, read->now_ns);
}

static bool is_reached(struct read_state *read, const struct rp_report *report) {
    return report->position != 0 && report->position >= read->target;
}

static bool is_proven(struct read_state *read, const struct rp_report *report) {
    return report->position != 0 && report->position >= read->inserted;
}

static bool is_proven_missed(struct read_state *read, const struct rp_report *report) {
    return read->missed && is_proven(read, report);
}

#define TRY(guard, holds, key, label)                                                              \
    case guard:                                                                                    \
        return holds(read, report);

static bool holds(uint32_t guard, struct read_state *read, const struct rp_report *report) {
    switch (guard) {
        RP_GUARDS(TRY)
    default:
        return false;
    }
}

/* A miss may move on to the next replica, which is then awaited and read: only once for each miss,
 * however many waits follow it, or with two replicas it would come back to the one that missed. */
static void leave_replica(struct read_state *read) {
    if (read->plan->pick == RP_PICK_NEXT) {
        read->replica = read->asked + 1 < read->replicas ? read->asked + 1 : 0;
    }
}

/* Whether the host may take a replica that is further than the one that the step names. */
static bool may_be_freshest(const struct read_state *read, const struct rp_state_row *row) {
    return read->plan->pick == RP_PICK_FRESHEST && (row->use != RP_SPREAD || read->floor != 0);
}

/* A step in the read's own memory, with its replica, and for a wait or an await with its end. */
static const struct rp_step *own_step(struct read_state *read, const struct rp_state_row *row) {
    const struct rp_step *step = &row->step;
    read->step = *step;
    if (step->kind != RP_STEP_WAIT) {
        read->step.replica = read->replica;
        read->step.flags |= may_be_freshest(read, row) ? RP_STEP_FRESHEST : 0;
    }
    if (step->kind == RP_STEP_READ) {
        read->step.flags |= read->floor != 0 ? RP_STEP_WITH_POSITION : 0;
    } else if (step->kind != RP_STEP_LOCATE) {
        read->step.until_ns = read->until_ns;
    }
    if (step->kind == RP_STEP_AWAIT) {
        read->step.position = read->target;
    }
    return &read->step;
}

static const struct rp_step *enter(struct read_state *read, uint32_t state) {
    const struct rp_state_row *row = &rp_states[state];
    const struct rp_step *step = &row->step;
    read->state = state;
    if (step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA) {
        read->asked = read->replica;
        if (read->replica != 0 || read->floor != 0 || may_be_freshest(read, row)) {
            step = own_step(read, row);
        }
    } else if (step->kind != RP_STEP_READ && step->kind != RP_STEP_DONE) {
        if (row->use == RP_MOVES_ON) {
            leave_replica(read);
        }
        step = own_step(read, row);
    }
    read->current = step;
    return step;
}

static const struct rp_step *finish(struct read_state *read, uint32_t end) {
    const struct rp_end_row *row = &rp_ends[end];
    if (row->counter != COUNTER_NONE) {
        atomic_fetch_add_explicit(&read->plan->policy->state->counters[row->counter], 1,
                                  memory_order_relaxed);
    }
    read->current = &row->step;
    return read->current;
}

/* Tries the moves from this one on. Kept out of the way of the reads that need none of it. */
__attribute__((noinline)) static const struct rp_step *
try_moves(struct read_state *read, const struct rp_move *move, const struct rp_report *report) {
    while (move->guard != G_NONE && !holds(move->guard, read, report)) {
        move++;
    }
    return move->end == END_NONE ? enter(read, move->to) : finish(read, move->end);
}

static inline const struct rp_step *advance(struct read_state *read, uint32_t first_move,
                                            const struct rp_report *report) {
    const struct rp_move *move = &read->plan->moves[first_move];
    if (move->quick != QUICK_ALWAYS) {
        if (move->quick == QUICK_NEVER || read->replica != 0 || read->floor != 0) {
            return try_moves(read, move, report);
        }
        read->asked = 0;
    }
    read->state = move->to;
    read->current = move->step;
    return move->step;
}

/* What a read begins with. */
static const struct rp_report nothing = {.struct_size = sizeof nothing};

static bool reads_replica(const struct rp_step *step) {
    return step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA;
}

/* What the report amounts to, with regard to the floor. */
static uint32_t judge(const struct read_state *read, uint32_t outcome,
                      const struct rp_report *report) {
    if (report->position >= read->floor) {
        return outcome;
    }
    if (reads_replica(read->current) && (1u << outcome & ON_SERVED) != 0) {
        return RP_BEHIND;
    }
    const bool located = read->current->kind == RP_STEP_LOCATE && outcome == RP_LOCATED;
    return located && report->position != 0 ? RP_BEYOND : outcome;
}

/* A report other than found without a floor. What it misses counts for what comes later, not for
 * itself: a partial answer that is given, since nobody has more, is no miss. */
__attribute__((noinline)) static const struct rp_step *
take_report(struct read_state *read, uint32_t outcome, const struct rp_report *report) {
    /* Those that this version does not know, and the machine's own, which no host reports. */
    if (outcome >= RP_BEGUN) {
        return finish(read, END_BROKEN);
    }
    const uint32_t judged = judge(read, outcome, report);
    const bool misses =
        reads_replica(read->current) && (1u << judged & (ON_MISSING | ON_PARTIAL)) != 0;
    const struct rp_step *step = advance(read, read->plan->first_move[read->state][judged], report);
    read->missed = read->missed || misses;
    return step;
}

static inline const struct rp_step *begin(struct read_state *read, const struct rp_plan *plan,
                                          const struct rp_request *request, uint64_t now_ns,
                                          uint64_t deadline_ns, uint32_t replicas, uint32_t flags) {
    read->plan = plan;
    read->state = ST_BEGIN;
    read->now_ns = now_ns;
    read->deadline_ns = deadline_ns;
    read->entropy = request->entropy;
    read->floor = request->position;
    read->polls = 0;
    read->missed = false;
    read->replicas = replicas;
    read->replica = (uint32_t)(((request->entropy & UINT32_MAX) * replicas) >> 32);
    if (replicas == 0 || (flags & RP_IN_TRANSACTION) != 0) {
        const bool out = (flags & (RP_IN_TRANSACTION | RP_REPLICAS_OUT)) == RP_REPLICAS_OUT;
        return advance(read, plan->start[out ? START_OUT : START_DIRECT], &nothing);
    }
    return advance(read, plan->start[request->position != 0 ? START_FLOOR : START_REPLICA],
                   &nothing);
}

const struct rp_step *machine_begin(const struct rp_policy *policy,
                                    const struct rp_request *request, struct rp_read *memory) {
    struct read_state *read = (struct read_state *)memory;
    if (read == NULL || read->struct_size < sizeof(struct rp_read)) {
        return &rp_bad_begin;
    }
    if (policy == NULL || request == NULL || request->struct_size < sizeof *request) {
        read->current = &rp_bad_begin;
        read->plan = NULL;
        return &rp_bad_begin;
    }
    /* Acquire pairs with the release in set.c: the plan is seen as it was published. */
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    return begin(read, plan, request, request->now_ns,
                 request->deadline_ns == 0 ? UINT64_MAX : request->deadline_ns, request->replicas,
                 request->flags);
}

HOT const struct rp_step *machine_begin_known(const struct rp_plan *plan,
                                              const struct rp_request *request, uint64_t now_ns,
                                              uint64_t deadline_ns, uint32_t replicas,
                                              uint32_t flags, struct rp_read *memory) {
    return begin((struct read_state *)memory, plan, request, now_ns, deadline_ns, replicas, flags);
}

/* Of a report that ends before the last members, those are unknown. */
__attribute__((noinline)) static const struct rp_step *
next_of_short(struct rp_read *memory, const struct rp_report *report) {
    if (report == NULL || report->struct_size < offsetof(struct rp_report, flushed)) {
        ((struct read_state *)memory)->current = &rp_bad_next;
        return &rp_bad_next;
    }
    struct rp_report whole = {0};
    memcpy(&whole, report, offsetof(struct rp_report, flushed));
    whole.struct_size = sizeof whole;
    return machine_next(memory, &whole);
}

HOT const struct rp_step *machine_next(struct rp_read *memory, const struct rp_report *report) {
    struct read_state *read = (struct read_state *)memory;
    if (read == NULL || read->struct_size < sizeof(struct rp_read) || read->current == NULL) {
        return &rp_bad_next;
    }
    if (read->current->kind == RP_STEP_DONE) {
        return read->current;
    }
    if (report == NULL || report->struct_size < sizeof *report) {
        return next_of_short(memory, report);
    }
    /* If the clock goes back, the latest time holds: else a wait found too long could fit later,
     * and a read could take more steps than the header promises. */
    read->now_ns = report->now_ns > read->now_ns ? report->now_ns : read->now_ns;
    uint32_t outcome = (uint32_t)report->outcome;
    if ((outcome | read->floor) != RP_FOUND) {
        return take_report(read, outcome, report);
    }
    return advance(read, read->plan->first_move[read->state][RP_FOUND], report);
}

/* Where a counter, or another replica, is to be thought of. */
__attribute__((noinline)) static const struct rp_step *found(struct rp_read *memory,
                                                             uint64_t now_ns) {
    const struct rp_report report = {
        .struct_size = sizeof report, .outcome = RP_FOUND, .now_ns = now_ns};
    return machine_next(memory, &report);
}

HOT const struct rp_step *machine_found(struct rp_read *memory, uint64_t now_ns) {
    struct read_state *read = (struct read_state *)memory;
    const struct rp_move *move = &read->plan->moves[read->plan->first_move[read->state][RP_FOUND]];
    if (move->quick != QUICK_ALWAYS) {
        return found(memory, now_ns);
    }
    read->now_ns = now_ns;
    read->state = move->to;
    read->current = move->step;
    return move->step;
}

bool machine_is_current(const struct rp_read *memory) {
    const struct rp_plan *plan = ((const struct read_state *)memory)->plan;
    return plan->moves[plan->start[START_REPLICA]].to == ST_LOCATE_FIRST;
}
