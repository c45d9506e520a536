/*
 * rules.c - follows all reads that a policy's compiled rules allow, step by step.
 *
 * A situation is a state and the part of the read's history that rules depend on. All situations
 * that can follow after n steps are derived from those after n - 1, until there are none left or
 * the policy's promise is broken. Of polls and looks the least possible number is kept: a read that
 * has made fewer can do everything that the others can.
 */
#include "rules.h"

#include "plan.h"
#include "text.h"

#include <assert.h>
#include <string.h>

/* What is being awaited, or was. */
enum target { TARGET_NONE, TARGET_FLOOR, TARGET_FLUSHED, TARGET_INSERTED, TARGET_COUNT };

enum { NOT_THERE = UINT8_MAX }; /* no read comes into this situation */

struct situations {
    uint8_t polls[ST_COUNT][TARGET_COUNT][2]; /* the least; [may fall back] */
    uint32_t count;
};

struct situation {
    uint8_t state;
    uint8_t target; /* enum target */
    uint8_t may_fall_back;
    uint8_t polls;
};

struct check {
    const struct rp_policy_kind *kind;
    struct rp_plan plan; /* the rules, compiled for the conditions that are looked at */
    uint32_t conditions;
    uint64_t used[4]; /* the rules that some setting uses, as a set */
    uint32_t longest;
    bool primary_first; /* some read starts with the primary although there is a replica */
    struct text *fault;
};

#define MAX_RULES (4u * 64u)

#define FAULT(check, ...) (text_add((check)->fault, __VA_ARGS__), false)

/* ---- what does not depend on settings -------------------------------------------------------- */

static const char *const condition_keys[IF_COUNT] = {
#define KEY(condition, key, holds) [condition] = (key),
    RP_CONDITIONS(KEY)
#undef KEY
};
static const char *const guard_keys[G_COUNT] = {
#define KEY(guard, holds, key, label) [guard] = (key),
    RP_GUARDS(KEY)
#undef KEY
};

static bool uses_key(const struct check *check, const char *key) {
    return key == NULL || options_are_used(check->kind, key) ||
           FAULT(check, "its rules look at %s, which is not among its keys", key);
}

static bool is_known(const struct rp_rule *rule) {
    return rule->from < ST_COUNT && rule->to < ST_COUNT && rule->end < END_COUNT &&
           rule->condition < IF_COUNT && rule->guard < G_COUNT && rule->on < 1u << RP_OUTCOME_COUNT;
}

static bool reads_a_replica(const struct rp_rule *rule) {
    const struct rp_step *step = &rp_states[rule->to].step;
    return rule->end == END_NONE && step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA;
}

static bool check_rule(const struct check *check, uint32_t index) {
    const struct rp_rule *rule = &check->kind->rules[index];
    if (!is_known(rule)) {
        return FAULT(check, "rule %u names something that does not exist", index + 1);
    }
    const bool direct = rule->guard == G_NO_REPLICA;
    if (direct != (index == 0)) {
        return FAULT(check, "RULES_DIRECT must come first, and once");
    }
    if (direct && (rule->from != ST_BEGIN || rule->condition != IF_ANY || rule->end != END_NONE ||
                   rp_states[rule->to].step.kind != RP_STEP_READ ||
                   rp_states[rule->to].step.target != RP_TARGET_PRIMARY)) {
        return FAULT(check, "without a replica it does not read the primary");
    }
    return uses_key(check, condition_keys[rule->condition]) &&
           uses_key(check, guard_keys[rule->guard]) &&
           (!reads_a_replica(rule) || uses_key(check, "max_lag_ms")) &&
           (rule->end != END_NONE || rp_states[rule->to].use != RP_MOVES_ON ||
            uses_key(check, "replica_pick"));
}

/* A key that only a condition looks at, among the keys of a policy without such a rule, would say
 * in the description what no read does. */
static bool looks_at_its_keys(const struct check *check) {
    for (uint32_t condition = 0; condition < IF_COUNT; condition++) {
        const char *key = condition_keys[condition];
        bool looks = key == NULL || !options_are_used(check->kind, key);
        for (uint32_t i = 0; i < check->kind->rule_count && !looks; i++) {
            looks = check->kind->rules[i].condition == condition;
        }
        if (!looks) {
            return FAULT(check, "none of its rules looks at %s, which is among its keys", key);
        }
    }
    return true;
}

static bool check_kind(const struct check *check, const char *registered) {
    const struct rp_policy_kind *kind = check->kind;
    if (kind->name == NULL || kind->summary == NULL || kind->keys == NULL || kind->rules == NULL) {
        return FAULT(check, "it lacks a name, summary, keys or rules");
    }
    if (strcmp(kind->name, registered) != 0) {
        return FAULT(check, "its name is %s", kind->name);
    }
    if (kind->rule_count == 0 || kind->rule_count > MAX_RULES) {
        return FAULT(check, "it has %u rules; there may be 1 to %u", kind->rule_count, MAX_RULES);
    }
    for (uint32_t i = 0; i < kind->rule_count; i++) {
        if (!check_rule(check, i)) {
            return false;
        }
    }
    return looks_at_its_keys(check);
}

/* ---- one outcome in one situation ------------------------------------------------------------ */

/* Only of a replica can an answer be behind. */
static bool can_have(uint8_t state, uint32_t outcome) {
    const struct rp_step *step = &rp_states[state].step;
    return (rp_outcomes[outcome].after & 1u << step->kind) != 0 &&
           (outcome != RP_BEHIND || step->target == RP_TARGET_REPLICA);
}

static bool is_read_of(uint8_t state, int32_t target) {
    const struct rp_step *step = &rp_states[state].step;
    return step->kind == RP_STEP_READ && step->target == target;
}

/* The replica has failed, or none may be asked, and the primary may serve such reads. */
static bool fails_over(const struct check *check, const struct situation *at, uint32_t outcome) {
    const bool failed = is_read_of(at->state, RP_TARGET_REPLICA) && outcome == RP_FAILED;
    return (failed || outcome == RP_OUT) && (check->conditions & 1u << IF_FAILOVER) != 0;
}

/* A read's history after the outcome, guards aside. */
static struct situation after_outcome(const struct check *check, const struct situation *at,
                                      uint32_t outcome) {
    struct situation after = *at;
    if ((is_read_of(at->state, RP_TARGET_REPLICA) && (1u << outcome & ON_MISS) != 0) ||
        fails_over(check, at, outcome)) {
        after.may_fall_back = true;
    }
    return after;
}

/* Whether the guard can hold; then `after` is what it leaves. */
static bool can_hold(uint32_t guard, struct situation *after) {
    switch (guard) {
    case G_POLL_FITS:
        after->polls++;
        return after->polls <= RP_MAX_POLLS;
    case G_FLOOR:
        after->target = TARGET_FLOOR;
        return true;
    case G_CAN_AWAIT:
        after->target = TARGET_FLUSHED;
        after->polls = 0;
        return true;
    case G_LOOK:
        after->polls++;
        return after->polls <= RP_MAX_LOOKS;
    case G_CAN_AWAIT_ALL:
        after->target = TARGET_INSERTED;
        return true;
    case G_UNPROVEN:
        after->polls = RP_MAX_LOOKS;
        return after->target == TARGET_FLUSHED && (after->target = TARGET_INSERTED);
    case G_BEHIND:
        after->polls = RP_MAX_LOOKS;
        return after->target == TARGET_INSERTED;
    case G_NO_REPLICA:
        after->may_fall_back = true;
        return true;
    default:
        return true;
    }
}

#define IN_WORDS(at, outcome) rp_states[(at)->state].name, rp_outcomes[outcome].word
#define IN_FORMAT             "in %s, on \"%s\", "

static bool proves(uint32_t guard) {
    return guard == G_PROVEN || guard == G_PROVEN_MISSED;
}

static bool is_located(const struct situation *at) {
    return at->target == TARGET_FLUSHED || at->target == TARGET_INSERTED;
}

/* The caller's position is one that no replica can be had at. */
static bool is_out_of_reach(uint32_t outcome) {
    return outcome == RP_BEGUN_AT || outcome == RP_BEYOND;
}

static bool check_guard(const struct check *check, const struct situation *at, uint32_t outcome,
                        const struct rp_move *move) {
    if (move->guard == G_REACHED && at->target == TARGET_NONE) {
        return FAULT(check, IN_FORMAT "G_REACHED always holds: no position was to be reached",
                     IN_WORDS(at, outcome));
    }
    if (proves(move->guard) && !is_located(at)) {
        return FAULT(check, IN_FORMAT "G_PROVEN holds of a position that was not located",
                     IN_WORDS(at, outcome));
    }
    if ((move->guard == G_CAN_AWAIT || move->guard == G_CAN_AWAIT_ALL) &&
        rp_states[at->state].step.kind != RP_STEP_LOCATE) {
        return FAULT(check, IN_FORMAT "G_CAN_AWAIT takes a position that was not located",
                     IN_WORDS(at, outcome));
    }
    return true;
}

static bool check_end(const struct check *check, const struct situation *at, uint32_t outcome,
                      const struct rp_move *move) {
    const bool proven = is_located(at) && proves(move->guard) &&
                        (rp_states[at->state].step.flags & RP_STEP_WITH_POSITION) != 0;
    const int32_t verdict = rp_ends[move->end].step.verdict;
    if (rp_ends[move->end].counter == COUNTER_PROVEN_ABSENT && !proven) {
        return FAULT(check, IN_FORMAT "absence is claimed without a proof", IN_WORDS(at, outcome));
    }
    if ((verdict == RP_VERDICT_FOUND && (1u << outcome & ON_SERVED) == 0) ||
        (verdict == RP_VERDICT_NOT_FOUND && outcome != RP_MISSING)) {
        return FAULT(check, IN_FORMAT "its verdict is one that no server gave",
                     IN_WORDS(at, outcome));
    }
    return move->end != END_BROKEN ||
           FAULT(check, IN_FORMAT "every rule has a guard, and all may fail",
                 IN_WORDS(at, outcome));
}

static bool check_step(struct check *check, const struct situation *at, uint32_t outcome,
                       const struct situation *after) {
    if (is_read_of(at->state, RP_TARGET_PRIMARY)) {
        return FAULT(check, IN_FORMAT "the primary's answer does not end the read",
                     IN_WORDS(at, outcome));
    }
    if (after->state == ST_BEGIN) {
        return FAULT(check, IN_FORMAT "it goes back to ST_BEGIN", IN_WORDS(at, outcome));
    }
    if (is_read_of(after->state, RP_TARGET_PRIMARY) && !after->may_fall_back &&
        !is_out_of_reach(outcome)) {
        check->primary_first = true;
        return check->kind->reads_primary_first ||
               FAULT(check, IN_FORMAT "the primary is read although no replica missed",
                     IN_WORDS(at, outcome));
    }
    return true;
}

static void add_situation(struct situations *situations, const struct situation *added) {
    uint8_t *polls = &situations->polls[added->state][added->target][added->may_fall_back];
    situations->count += *polls == NOT_THERE;
    *polls = added->polls < *polls ? added->polls : *polls;
}

/* Adds what can follow the outcome to `next`. */
static bool follow_outcome(struct check *check, const struct situation *at, uint32_t outcome,
                           struct situations *next) {
    const uint8_t first = check->plan.first_move[at->state][outcome];
    const bool can_be = can_have(at->state, outcome);
    if (can_be != (first != 0)) {
        return FAULT(check, "in %s, \"%s\" %s", IN_WORDS(at, outcome),
                     can_be ? "leads nowhere" : "has a rule, and cannot be");
    }
    struct situation behind = after_outcome(check, at, outcome);
    /* Found, but not known to be current: the replica has not what is wanted. */
    bool declined = false;
    for (const struct rp_move *move = &check->plan.moves[first]; can_be; move++) {
        struct situation after = behind;
        after.state = move->to;
        after.may_fall_back = after.may_fall_back || declined;
        declined = declined || (outcome == RP_FOUND && move->guard == G_PROVEN);
        if (!check_guard(check, at, outcome, move)) {
            return false;
        }
        if (can_hold(move->guard, &after)) {
            if (move->end != END_NONE ? !check_end(check, at, outcome, move)
                                      : !check_step(check, at, outcome, &after)) {
                return false;
            }
            if (move->end == END_NONE) {
                add_situation(next, &after);
            }
        }
        if (move->guard == G_NONE) {
            break;
        }
    }
    return true;
}

/* ---- all reads under one set of conditions --------------------------------------------------- */

static void clear(struct situations *situations) {
    memset(situations->polls, NOT_THERE, sizeof situations->polls);
    situations->count = 0;
}

static bool follow_all(struct check *check, const struct situations *now, struct situations *next) {
    const uint8_t *polls = &now->polls[0][0][0];
    for (uint32_t i = 0; i < sizeof now->polls; i++) {
        const struct situation at = {.state = (uint8_t)(i / (TARGET_COUNT * 2)),
                                     .target = (uint8_t)(i / 2 % TARGET_COUNT),
                                     .may_fall_back = (uint8_t)(i % 2),
                                     .polls = polls[i]};
        for (uint32_t outcome = 0; polls[i] != NOT_THERE && outcome < RP_OUTCOME_COUNT; outcome++) {
            if (!follow_outcome(check, &at, outcome, next)) {
                return false;
            }
        }
    }
    return true;
}

/* Marks the rules that the reached states use: those that a move came from. */
static void note_used(struct check *check, uint64_t states) {
    for (uint32_t cell = 0; cell < (uint32_t)ST_COUNT * RP_OUTCOME_COUNT; cell++) {
        const uint32_t state = cell / RP_OUTCOME_COUNT;
        const uint32_t outcome = cell % RP_OUTCOME_COUNT;
        bool open = (states & UINT64_C(1) << state) != 0;
        for (uint32_t i = 0; open && i < check->kind->rule_count; i++) {
            const struct rp_rule *rule = &check->kind->rules[i];
            if (rule->from == state && (rule->on & 1u << outcome) != 0 &&
                (check->conditions & 1u << rule->condition) != 0) {
                check->used[i / 64] |= UINT64_C(1) << i % 64;
                open = rule->guard != G_NONE;
            }
        }
    }
}

static_assert(ST_COUNT <= 64, "states_of has one bit for each state");
static uint64_t states_of(const struct situations *situations) {
    uint64_t states = 0;
    for (uint32_t i = 0; i < sizeof situations->polls; i++) {
        const uint8_t *polls = &situations->polls[0][0][0];
        states |= polls[i] != NOT_THERE ? UINT64_C(1) << i / (TARGET_COUNT * 2) : 0;
    }
    return states;
}

static bool check_conditions(struct check *check) {
    struct situations layers[2];
    uint64_t states = UINT64_C(1) << ST_BEGIN;
    memset(&check->plan, 0, sizeof check->plan);
    check->plan.kind = check->kind;
    plan_compile_rules(&check->plan, check->conditions);
    if (check->plan.move_count + 1 >= RP_MAX_MOVES) {
        return FAULT(check, "it has more rules than a plan has room for");
    }
    clear(&layers[0]);
    add_situation(&layers[0], &(struct situation){.state = ST_BEGIN});
    for (uint32_t steps = 0;; steps++) {
        struct situations *next = &layers[(steps + 1) % 2];
        clear(next);
        if (!follow_all(check, &layers[steps % 2], next)) {
            return false;
        }
        if (next->count == 0) {
            break;
        }
        if (steps == check->kind->most_steps) {
            return FAULT(check, "a read can take more than %u steps", check->kind->most_steps);
        }
        states |= states_of(next);
        check->longest = steps + 1 > check->longest ? steps + 1 : check->longest;
    }
    note_used(check, states);
    return true;
}

static bool check_promises(const struct check *check) {
    const struct rp_policy_kind *kind = check->kind;
    if (check->longest != kind->most_steps) {
        return FAULT(check, "its longest read has %u steps, not %u", check->longest,
                     kind->most_steps);
    }
    if (check->primary_first != kind->reads_primary_first) {
        return FAULT(check, "it never reads the primary first");
    }
    for (uint32_t i = 0; i < kind->rule_count; i++) {
        if ((check->used[i / 64] & UINT64_C(1) << i % 64) == 0) {
            return FAULT(check, "rule %u (from %s) is never used", i + 1,
                         rp_states[kind->rules[i].from].name);
        }
    }
    return true;
}

static uint32_t conditions_of(const struct rp_policy_kind *kind) {
    uint32_t conditions = 0;
    for (uint32_t i = 0; i < kind->rule_count; i++) {
        conditions |= 1u << kind->rules[i].condition;
    }
    return conditions & ~(1u << IF_ANY);
}

bool rules_are_sound(const struct rp_policy_kind *kind, const char *registered, char *fault,
                     uint32_t fault_size) {
    struct text text = {.buf = fault, .len = fault_size};
    struct check check = {.kind = kind, .fault = &text};
    if (!check_kind(&check, registered)) {
        return false;
    }
    /* Every subset of the conditions that its rules ask about. */
    const uint32_t asked = conditions_of(kind);
    uint32_t set = 0;
    do {
        check.conditions = set | 1u << IF_ANY;
        if (!check_conditions(&check)) {
            return false;
        }
        set = (set - asked) & asked;
    } while (set != 0);
    return check_promises(&check);
}
