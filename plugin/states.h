/*
 * states.h - the states of a read, and the outcomes that lead from one to the next.
 *
 * Each is one line of a table: enum, steps, diagrams and the checks of rules.c are made from it, so
 * nothing of a state or an outcome can be forgotten elsewhere.
 */
#ifndef STATES_H
#define STATES_H

#include "read_policy.h"

#include <stdbool.h>

/*
 * What a read is waiting for, and the step that entering the state gives. SPREAD: a first read,
 * which replica_pick does not concern, or all of them would go to one replica. MOVES_ON: after a
 * miss, the first step that has to do with a replica again; replica_pick = next takes effect here,
 * once for each miss.
 */
/* clang-format off */
#define RP_STATES(STATE)                                                                                                     \
    /*    name                kind    target   flags                  replica   name in diagrams */                          \
    STATE(ST_BEGIN,           DONE,   REPLICA, 0,                     STAYS,    "begin")                                     \
    STATE(ST_DIRECT,          READ,   PRIMARY, 0,                     STAYS,    "read the primary\\n(no replica, or in a transaction)") \
    STATE(ST_REPLICA,         READ,   REPLICA, 0,                     SPREAD,   "read the replica")                          \
    STATE(ST_WAIT,            WAIT,   REPLICA, 0,                     MOVES_ON, "wait")                                      \
    STATE(ST_RETRY,           READ,   REPLICA, 0,                     STAYS,    "read the replica again")                    \
    STATE(ST_PRIMARY,         READ,   PRIMARY, 0,                     STAYS,    "read the primary\\n(after a miss, or for a position)")         \
    STATE(ST_FAILOVER,        READ,   PRIMARY, 0,                     STAYS,    "read the primary\\n(after a failure)")      \
    STATE(ST_LOCATE_FIRST,    LOCATE, REPLICA, 0,                     STAYS,    "locate the primary")                        \
    STATE(ST_AWAIT_FIRST,     AWAIT,  REPLICA, 0,                     STAYS,    "await the located position\\n(inserted)")                \
    STATE(ST_REPLICA_CURRENT, READ,   REPLICA, RP_STEP_WITH_POSITION, STAYS,    "read the replica\\n(has reached the position)") \
    STATE(ST_FLOOR,           AWAIT,  REPLICA, 0,                     MOVES_ON, "await the caller's position") \
    STATE(ST_LOCATE,          LOCATE, REPLICA, 0,                     MOVES_ON, "locate the primary\\n(after a miss)")       \
    STATE(ST_AWAIT,           AWAIT,  REPLICA, 0,                     MOVES_ON, "await the located position\\n(flushed, then inserted)") \
    STATE(ST_LOOK,            READ,   REPLICA, RP_STEP_WITH_POSITION, STAYS,    "look on the replica\\n(on its way to the position)")       \
    STATE(ST_RETRY_CURRENT,   READ,   REPLICA, RP_STEP_WITH_POSITION, STAYS,    "read the replica again\\n(has reached the position)")

/* What may be reported, after which kind of step, and in words. The last ones are the machine's own:
 * BEGUN begins a read, OUT one whose replicas are all out, and BEGUN_AT one with a floor; BEHIND is a
 * found or partial answer of a replica that is not known to have reached the floor, and BEYOND a
 * located position that the floor lies beyond. */
#define RP_OUTCOMES(OUTCOME)                                                                       \
    OUTCOME(FOUND,       AFTER_READ,                            "found")                           \
    OUTCOME(PARTIAL,     AFTER_READ,                            "partial")                         \
    OUTCOME(MISSING,     AFTER_READ,                            "missing")                         \
    OUTCOME(FAILED,      AFTER_READ | AFTER_LOCATE | AFTER_AWAIT, "failed")                        \
    OUTCOME(WAITED,      AFTER_WAIT,                            "waited")                          \
    OUTCOME(LOCATED,     AFTER_LOCATE,                          "located")                         \
    OUTCOME(REACHED,     AFTER_AWAIT,                           "reached")                         \
    OUTCOME(NOT_REACHED, AFTER_AWAIT,                           "not reached")                     \
    OUTCOME(BEGUN,       AFTER_NOTHING,                         "")                                \
    OUTCOME(OUT,         AFTER_NOTHING,                         "no replica may be asked now")     \
    OUTCOME(BEGUN_AT,    AFTER_NOTHING,                         "the caller brought a position")   \
    OUTCOME(BEHIND,      AFTER_READ,                            "behind the caller's position")    \
    OUTCOME(BEYOND,      AFTER_LOCATE,                          "the caller's position is beyond it")
/* clang-format on */

#define STATE_NAME(name, ...) name,
enum rp_state { RP_STATES(STATE_NAME) ST_COUNT };
#undef STATE_NAME

/* Not for hosts to report. */
#define RP_BEGUN         (RP_NOT_REACHED + 1)
#define RP_OUT           (RP_BEGUN + 1)
#define RP_BEGUN_AT      (RP_OUT + 1)
#define RP_BEHIND        (RP_BEGUN_AT + 1)
#define RP_BEYOND        (RP_BEHIND + 1)
#define RP_OUTCOME_COUNT (RP_BEYOND + 1)

/* Outcomes as sets. */
#define OUTCOME_BIT(name, ...) ON_##name = 1 << RP_##name,
enum rp_outcomes {
    RP_OUTCOMES(OUTCOME_BIT) ON_MISS =
        ON_MISSING | ON_PARTIAL | ON_BEHIND, /* of a replica: it has not what is wanted, yet */
    ON_SERVED = ON_FOUND | ON_PARTIAL,       /* where no better answer can come */
    ON_AWAITED = ON_REACHED | ON_NOT_REACHED | ON_FAILED /* however an await ended */
};
#undef OUTCOME_BIT

enum rp_replica_use { RP_SPREAD, RP_STAYS, RP_MOVES_ON };

struct rp_state_row {
    struct rp_step step; /* as it is returned, unless another replica than the first, a time or a
                            position belongs into it; that of ST_BEGIN is never returned */
    uint8_t use;         /* enum rp_replica_use */
    const char *name;    /* as the policies write it */
    const char *label;   /* for diagrams */
};
extern const struct rp_state_row rp_states[ST_COUNT];

struct rp_outcome_row {
    uint32_t after;   /* set of 1 << enum rp_step_kind: the steps that can end so */
    const char *word; /* for diagrams and errors */
};
extern const struct rp_outcome_row rp_outcomes[RP_OUTCOME_COUNT];

#endif
