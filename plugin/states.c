/*
 * states.c - the tables of states and outcomes, as data.
 */
#include "states.h"

#include <assert.h>

#define ROW(name_, kind_, target_, flags_, use_, label_)                                           \
    [name_] = {.step = {.struct_size = sizeof(struct rp_step),                                     \
                        .kind = RP_STEP_##kind_,                                                   \
                        .target = RP_TARGET_##target_,                                             \
                        .flags = (flags_)},                                                        \
               .use = RP_##use_,                                                                   \
               .name = #name_,                                                                     \
               .label = "" label_},
const struct rp_state_row rp_states[ST_COUNT] = {RP_STATES(ROW)};

/* Only a wait or an await moves on: enter() does nothing of the kind for a read. */
#define MAY_MOVE_ON(name, kind, target, flags, use, label)                                         \
    static_assert(RP_##use != RP_MOVES_ON || RP_STEP_##kind != RP_STEP_READ,                       \
                  #name " is a read, which cannot move on to the next replica");
RP_STATES(MAY_MOVE_ON)
#undef MAY_MOVE_ON

#define AFTER_READ                    1u << RP_STEP_READ
#define AFTER_WAIT                    1u << RP_STEP_WAIT
#define AFTER_LOCATE                  1u << RP_STEP_LOCATE
#define AFTER_AWAIT                   1u << RP_STEP_AWAIT
#define AFTER_NOTHING                 1u << RP_STEP_DONE /* ST_BEGIN */
#define OUTCOME(name_, after_, word_) [RP_##name_] = {.after = (after_), .word = "" word_},
const struct rp_outcome_row rp_outcomes[RP_OUTCOME_COUNT] = {RP_OUTCOMES(OUTCOME)};

/* An outcome of the header that has no line in the table would have neither steps nor a word. */
#define ONE(...) +1 /* NOLINT(bugprone-macro-parentheses): a term of a sum */
static_assert(0 RP_OUTCOMES(ONE) == RP_OUTCOME_COUNT, "each outcome is one line of RP_OUTCOMES");
