/*
 * diagram.c - draws what plan.c compiled, the same moves that a read follows, as DOT.
 *
 * Only states that a read can reach under the section's options are drawn. Outcomes with the same
 * moves share an arrow.
 */
#include "diagram.h"

#include "policy.h"
#include "text.h"

#include <assert.h>
#include <stdbool.h>

#define LABEL(guard, holds, key, label) [guard] = "" label,
static const char *const guard_labels[G_COUNT] = {RP_GUARDS(LABEL)};

static const char *verdict_colour(const struct rp_step *step) {
    switch (step->verdict) {
    case RP_VERDICT_FOUND:
        return step->log_level == RP_LOG_WARN ? "khaki" : "palegreen";
    case RP_VERDICT_NOT_FOUND:
        return "lightgrey";
    default:
        return "lightsalmon";
    }
}

/* Whether the guard can hold at all: in no time there is no poll, and nothing is awaited. */
static bool may_hold(const struct rp_plan *plan, uint32_t guard) {
    switch (guard) {
    case G_POLL_FITS:
        return plan->max_polls > 0;
    case G_FLOOR:
    case G_CAN_AWAIT:
    case G_CAN_AWAIT_ALL:
        return plan->max_wait_ns > 0;
    default:
        return true;
    }
}

/* The move, or of those behind it the first whose guard can hold. The last one has none. */
static const struct rp_move *that_may_hold(const struct rp_plan *plan, const struct rp_move *move) {
    while (!may_hold(plan, move->guard)) {
        move++;
    }
    return move;
}

static const struct rp_move *moves_of(const struct rp_plan *plan, uint32_t state,
                                      uint32_t outcome) {
    return that_may_hold(plan, &plan->moves[plan->first_move[state][outcome]]);
}

/* Whether two outcomes of a state have the same moves: the same guards and the same targets. */
static bool same_moves(const struct rp_move *a, const struct rp_move *b) {
    while (a->guard == b->guard && a->to == b->to && a->end == b->end) {
        if (a->guard == G_NONE) {
            return true;
        }
        a++;
        b++;
    }
    return false;
}

/* Whether the guard always holds because the budget is unlimited, so that later moves are never
 * tried.
 */
static bool always_holds(const struct rp_plan *plan, uint32_t guard) {
    return guard == G_NONE || (guard == G_ADMITTED && plan->budget_interval_ns == 0);
}

static_assert(ST_COUNT <= 32 && END_COUNT <= 32, "one bit for each state, and end");

/* The states that can be reached, as a set; passes are repeated until nothing is added. */
static uint32_t reachable_states(const struct rp_plan *plan) {
    uint32_t reached = 1u << ST_BEGIN;
    uint32_t before;
    do {
        before = reached;
        for (uint32_t cell = 0; cell < (uint32_t)ST_COUNT * RP_OUTCOME_COUNT; cell++) {
            uint32_t state = cell / RP_OUTCOME_COUNT;
            const struct rp_move *move = moves_of(plan, state, cell % RP_OUTCOME_COUNT);
            if ((reached & (1u << state)) == 0) {
                continue;
            }
            for (;; move = that_may_hold(plan, move + 1)) {
                reached |= move->end == END_NONE ? 1u << move->to : 0;
                if (always_holds(plan, move->guard)) {
                    break;
                }
            }
        }
    } while (reached != before);
    return reached;
}

/* "found, partial [the budget admits it]": all outcomes that share the moves of `outcome`. */
static void add_label(struct text *text, const struct rp_plan *plan, uint32_t state,
                      uint32_t outcome, const struct rp_move *move) {
    const char *separator = "";
    for (uint32_t other = outcome; other < RP_OUTCOME_COUNT; other++) {
        if (other != RP_BEGUN &&
            same_moves(moves_of(plan, state, outcome), moves_of(plan, state, other))) {
            text_add(text, "%s%s", separator, rp_outcomes[other].word);
            separator = ", ";
        }
    }
    if (!always_holds(plan, move->guard)) {
        text_add(text, "%s[%s]", outcome == RP_BEGUN ? "" : "\\n", guard_labels[move->guard]);
    } else if (move != moves_of(plan, state, outcome)) {
        text_add(text, "%selse", outcome == RP_BEGUN ? "" : "\\n");
    }
}

static void add_moves(struct text *text, const struct rp_plan *plan, uint32_t state,
                      uint32_t outcome, uint32_t *ends) {
    const struct rp_move *first = moves_of(plan, state, outcome);
    for (uint32_t other = 0; other < outcome; other++) {
        if (same_moves(first, moves_of(plan, state, other))) {
            return; /* drawn with that one */
        }
    }
    for (const struct rp_move *move = first;; move = that_may_hold(plan, move + 1)) {
        if (move->end != END_BROKEN) {
            text_add(text, "  s%u -> %c%u [label=\"", state, move->end == END_NONE ? 's' : 'e',
                     move->end == END_NONE ? move->to : move->end);
            add_label(text, plan, state, outcome, move);
            text_add(text, "\"];\n");
            *ends |= move->end == END_NONE ? 0 : 1u << move->end;
        }
        if (always_holds(plan, move->guard)) {
            break;
        }
    }
}

/* Within quotes. A section may have any name. */
static void add_quoted(struct text *text, const char *name) {
    for (; *name != '\0'; name++) {
        text_add(text, "%s%c", *name == '"' || *name == '\\' ? "\\" : "", *name);
    }
}

uint32_t diagram_policy(const struct rp_policy *policy, char *buf, uint32_t len) {
    if (policy == NULL || (buf == NULL && len != 0)) {
        return 0;
    }
    struct text text = {.buf = buf, .len = len};
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    uint32_t states = reachable_states(plan);
    uint32_t ends = 0;
    text_add(&text, "digraph read {\n  label=\"[");
    add_quoted(&text, policy->name);
    text_add(&text,
             "] policy = %s\"; labelloc=t; rankdir=TB;\n"
             "  node [shape=box, style=rounded, fontname=sans];\n"
             "  edge [fontname=sans, fontsize=10];\n",
             plan->kind->name);
    for (uint32_t state = 0; state < ST_COUNT; state++) {
        if ((states & (1u << state)) != 0) {
            text_add(&text, "  s%u [label=\"%s\"];\n", state, rp_states[state].label);
            for (uint32_t outcome = 0; outcome < RP_OUTCOME_COUNT; outcome++) {
                add_moves(&text, plan, state, outcome, &ends);
            }
        }
    }
    for (uint32_t end = 0; end < END_COUNT; end++) {
        if ((ends & (1u << end)) != 0) {
            text_add(&text, "  e%u [label=\"%s\", style=filled, fillcolor=%s];\n", end,
                     rp_ends[end].step.message, verdict_colour(&rp_ends[end].step));
        }
    }
    text_add(&text, "}\n");
    return text.needed;
}
