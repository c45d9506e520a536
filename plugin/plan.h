/*
 * plan.h - one section's options, compiled to run: a table of rules, and times in nanoseconds.
 *
 * A plan never changes once it is published. A reload makes new plans; reads under way keep the one
 * that they began with, so every plan lives until the set is closed.
 */
#ifndef PLAN_H
#define PLAN_H

#include "counters.h"
#include "options.h"
#include "policy_kind.h"

struct rp_policy; /* policy.h */

/* What is left to do for a move without a guard. */
enum rp_quick {
    QUICK_NEVER,         /* a guard, a counter, or a step that must be filled in */
    QUICK_FIRST_REPLICA, /* a read of a replica: nothing, if that is replica 0 */
    QUICK_ALWAYS         /* nothing: the step is returned unchanged */
};

/* How a read can begin. */
enum rp_start {
    START_REPLICA, /* with a replica to ask */
    START_DIRECT,  /* without one, or in a transaction */
    START_OUT,     /* all replicas are out */
    START_FLOOR,   /* with a replica to ask, and a floor */
    START_COUNT
};

/* One way out of a state on an outcome. Moves of the same state and outcome follow each other; the
 * last of them has no guard. */
struct rp_move {
    const struct rp_step *step; /* the state's or the verdict's */
    uint8_t guard;              /* enum rp_guard */
    uint8_t to;                 /* enum rp_state */
    uint8_t end;                /* enum rp_end; END_NONE: go to `to` */
    uint8_t quick;              /* enum rp_quick */
};

/* A rule takes one move for every outcome that it names, each chain may end with a broken-contract
 * move, and move 0 is that move. A policy with more does not load (rules.c). */
#define RP_MAX_MOVES 255u

#define RP_OUTCOME_STRIDE 16u /* a power of two above RP_OUTCOME_COUNT: shifted, not multiplied */

struct rp_plan {
    const struct rp_policy_kind *kind;
    struct rp_policy *policy; /* the section it belongs to: counters, budget */
    uint64_t retry_min_ns;
    uint64_t retry_max_ns;
    uint64_t first_ns;
    uint64_t max_wait_ns;
    uint64_t max_lag_ns;         /* a replica further behind is not offered; 0: no bound */
    uint64_t budget_interval_ns; /* between two admitted reads at the long-term rate; 0: no limit */
    uint32_t max_polls;          /* replica_backoff: 0 to RP_MAX_POLLS */
    uint32_t pick;               /* enum rp_replica_pick */
    uint32_t move_count;
    uint8_t start[START_COUNT];                      /* the move that begins a read */
    uint8_t first_move[ST_COUNT][RP_OUTCOME_STRIDE]; /* index into moves; 0: broken contract */
    struct rp_move moves[RP_MAX_MOVES + 1];          /* and START_DIRECT's, which comes last */
    char metric_names[COUNTER_COUNT][RP_METRIC_NAME_BYTES];
    /* As configured: for describe, and to see whether a reload changes it. */
    struct rp_options options;
    struct rp_plan *older; /* of the same policy; freed with the set */
};

/* Compiles the rules of plan->kind whose conditions are in the set (of 1 << enum rp_condition) into
 * the plan, which has no moves yet. */
void plan_compile_rules(struct rp_plan *plan, uint32_t conditions);

/* Fills `plan` from options, the host's capabilities and the policy that it is for. Allocates
 * nothing, cannot fail. */
void plan_compile(struct rp_plan *plan, const struct rp_options *options, uint32_t capabilities,
                  struct rp_policy *policy);

#endif
