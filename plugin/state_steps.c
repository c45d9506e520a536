/*
 * state_steps.c - the table of steps.
 */
#include "state_steps.h"

#define STEP(kind_, target_, flags_)                                                               \
    {                                                                                              \
        .struct_size = sizeof(struct rp_step), .kind = (kind_), .target = (target_),               \
        .flags = (flags_)                                                                          \
    }
#define READ_PRIMARY        STEP(RP_STEP_READ, RP_TARGET_PRIMARY, 0)
#define READ_REPLICA(flags) STEP(RP_STEP_READ, RP_TARGET_REPLICA, flags)

const struct rp_step rp_state_steps[ST_COUNT] = {
    [ST_DIRECT] = READ_PRIMARY,
    [ST_REPLICA] = READ_REPLICA(0),
    [ST_WAIT] = STEP(RP_STEP_WAIT, 0, 0),
    [ST_RETRY] = READ_REPLICA(0),
    [ST_PRIMARY] = READ_PRIMARY,
    [ST_FAILOVER] = READ_PRIMARY,
    [ST_FLOOR_FIRST] = STEP(RP_STEP_AWAIT, 0, 0),
    [ST_LOCATE_FIRST] = STEP(RP_STEP_LOCATE, 0, 0),
    [ST_AWAIT_FIRST] = STEP(RP_STEP_AWAIT, 0, 0),
    [ST_REPLICA_CURRENT] = READ_REPLICA(RP_STEP_WITH_POSITION),
    [ST_FLOOR] = STEP(RP_STEP_AWAIT, 0, 0),
    [ST_LOCATE] = STEP(RP_STEP_LOCATE, 0, 0),
    [ST_AWAIT] = STEP(RP_STEP_AWAIT, 0, 0),
    [ST_RETRY_CURRENT] = READ_REPLICA(RP_STEP_WITH_POSITION),
};
