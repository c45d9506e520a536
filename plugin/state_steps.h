/*
 * state_steps.h - the step that asks for what each state is waiting for.
 */
#ifndef STATE_STEPS_H
#define STATE_STEPS_H

#include "policy_kind.h"

/* Indexed by enum rp_state: as it is to be returned, unless another replica than the first, a time
 * or a position belongs into it. That of ST_BEGIN is not used. */
extern const struct rp_step rp_state_steps[ST_COUNT];

#endif
