/*
 * plan.c - compiles a section's options and its policy's rules into a plan.
 *
 * Conditions are decided here, so that a read only looks up its state and outcome.
 */
#include "plan.h"

#include "counters.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#define BIT_IF(condition, key, holds) | ((holds) ? 1u << (condition) : 0)

/* The conditions that hold, as a set of 1 << enum rp_condition. */
static uint32_t plan_conditions(const struct rp_options *options, uint32_t capabilities) {
    return 0 RP_CONDITIONS(BIT_IF);
}

static struct rp_move compile_move(const struct rp_plan *plan, uint8_t guard, uint8_t to,
                                   uint8_t end) {
    struct rp_move move = {.guard = guard, .to = to, .end = end};
    if (end != END_NONE) {
        move.step = &rp_ends[end].step;
        move.quick = rp_ends[end].counter == COUNTER_NONE ? QUICK_ALWAYS : QUICK_NEVER;
    } else {
        move.step = &rp_states[to].step;
        bool constant = move.step->kind == RP_STEP_READ;
        bool replica = constant && move.step->target == RP_TARGET_REPLICA;
        move.quick = !constant ? QUICK_NEVER : replica ? QUICK_FIRST_REPLICA : QUICK_ALWAYS;
        if (replica && plan->pick == RP_PICK_FRESHEST && rp_states[to].use != RP_SPREAD) {
            move.quick = QUICK_NEVER;
        }
    }
    if (guard != G_NONE) {
        move.quick = QUICK_NEVER;
    }
    return move;
}

/* Appends the moves for one state and outcome; returns the number of moves then in use. */
static uint32_t compile_cell(struct rp_plan *plan, uint32_t conditions, uint32_t state,
                             uint32_t outcome, uint32_t used) {
    const struct rp_policy_kind *kind = plan->kind;
    uint32_t first = used;
    for (uint32_t i = 0; i < kind->rule_count && used + 1 < RP_MAX_MOVES; i++) {
        const struct rp_rule *rule = &kind->rules[i];
        if (rule->from != state || (rule->on & (1u << outcome)) == 0 ||
            (conditions & (1u << rule->condition)) == 0) {
            continue;
        }
        plan->moves[used++] = compile_move(plan, rule->guard, rule->to, rule->end);
        if (rule->guard == G_NONE) {
            break;
        }
    }
    if (used > first) {
        plan->first_move[state][outcome] = (uint8_t)first;
        if (plan->moves[used - 1].guard != G_NONE) {
            plan->moves[used++] = plan->moves[0];
        }
    }
    return used;
}

static void compile_budget(struct rp_plan *plan) {
    uint64_t per_s = plan->options.primary_budget_per_s;
    /* Rounded up, so that the rate is never exceeded. */
    plan->budget_interval_ns = per_s == 0 ? 0 : (NS_PER_S + per_s - 1) / per_s;
}

/* Whether a replica may be asked is known when a read begins: the rule that checks it, which comes
 * first, becomes a choice between two first moves. */
static void set_start(struct rp_plan *plan) {
    uint8_t first = plan->first_move[ST_BEGIN][RP_BEGUN];
    const struct rp_move *move = &plan->moves[first];
    plan->start[START_REPLICA] = first;
    plan->start[START_DIRECT] = first;
    plan->start[START_OUT] = plan->first_move[ST_BEGIN][RP_OUT];
    plan->start[START_FLOOR] = plan->first_move[ST_BEGIN][RP_BEGUN_AT];
    if (move->guard == G_NO_REPLICA) {
        plan->start[START_REPLICA] = (uint8_t)(first + 1);
        plan->start[START_DIRECT] = (uint8_t)plan->move_count;
        plan->moves[plan->move_count] = compile_move(plan, G_NONE, move->to, move->end);
    }
}

void plan_compile_rules(struct rp_plan *plan, uint32_t conditions) {
    plan->moves[0] = compile_move(plan, G_NONE, ST_BEGIN, END_BROKEN);
    uint32_t used = 1;
    for (uint32_t state = 0; state < ST_COUNT; state++) {
        for (uint32_t outcome = 0; outcome < RP_OUTCOME_COUNT; outcome++) {
            used = compile_cell(plan, conditions, state, outcome, used);
        }
    }
    plan->move_count = used;
    set_start(plan);
}

void plan_compile(struct rp_plan *plan, const struct rp_options *options, uint32_t capabilities,
                  struct rp_policy *policy) {
    memset(plan, 0, sizeof *plan);
    plan->options = *options;
    plan->kind = rp_policy_kinds[options->policy];
    plan->policy = policy;
    plan->retry_min_ns = options->replica_retry_min_ms * NS_PER_MS;
    plan->retry_max_ns = options->replica_retry_max_ms * NS_PER_MS;
    plan->first_ns = options->first_ms * NS_PER_MS;
    plan->max_wait_ns = options->max_wait_ms * NS_PER_MS;
    plan->max_polls = options_max_polls(options);
    plan->max_lag_ns = options->max_lag_ms * NS_PER_MS;
    plan->pick = (uint32_t)options->replica_pick;
    compile_budget(plan);
    counters_name(plan->metric_names, plan->options.metric_prefix);
    plan_compile_rules(plan, plan_conditions(options, capabilities));
}
