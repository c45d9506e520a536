/*
 * policy_kind.h - how a policy is written: the plugin's internal policy interface.
 *
 * A policy is a table of rules. Each rule says: in this state, on one of these outcomes, if this
 * option is so and this guard holds, go to that state or end with that verdict. Of several rules
 * for the same state and outcome the first that holds is taken. The table is the code: what a
 * reader sees there is what plan.c compiles, machine.c runs, the tests explore and the diagrams
 * show. An outcome for which a state has no rule breaks the contract and ends the read as failed.
 *
 * A new policy is one new file in policies/ and one line in policies/registry.c.
 */
#ifndef POLICY_KIND_H
#define POLICY_KIND_H

#include "read_policy.h"

/* What a read is waiting for. Entering a state gives the step that its comment names. */
enum rp_state {
    ST_BEGIN,           /* nothing asked yet */
    ST_DIRECT,          /* read the primary: there is no replica to ask, or none may be asked */
    ST_REPLICA,         /* first read of a replica */
    ST_WAIT,            /* wait, after a miss */
    ST_RETRY,           /* read a replica again, after a miss */
    ST_PRIMARY,         /* read the primary, after a miss */
    ST_FAILOVER,        /* read the primary after a replica failed that had not missed */
    ST_FLOOR_FIRST,     /* await the caller's position, before the first read */
    ST_LOCATE_FIRST,    /* locate the primary, before the first read */
    ST_AWAIT_FIRST,     /* await the located position, before the first read */
    ST_REPLICA_CURRENT, /* first read of a replica that has reached the located position */
    ST_FLOOR,           /* await the caller's position, after a miss */
    ST_LOCATE,          /* locate the primary, after a miss */
    ST_AWAIT,           /* await the located position, after a miss */
    ST_RETRY_CURRENT,   /* read again a replica that has reached the located position */
    ST_COUNT
};

/* Outcomes as sets; BEGUN is the only one that ST_BEGIN knows. */
#define RP_OUTCOME_BEGUN (RP_NOT_REACHED + 1)
#define RP_OUTCOME_COUNT (RP_OUTCOME_BEGUN + 1)
enum {
    ON_FOUND = 1 << RP_FOUND,
    ON_PARTIAL = 1 << RP_PARTIAL,
    ON_MISSING = 1 << RP_MISSING,
    ON_FAILED = 1 << RP_FAILED,
    ON_WAITED = 1 << RP_WAITED,
    ON_LOCATED = 1 << RP_LOCATED,
    ON_REACHED = 1 << RP_REACHED,
    ON_NOT_REACHED = 1 << RP_NOT_REACHED,
    ON_BEGUN = 1 << RP_OUTCOME_BEGUN,
    ON_MISS = ON_MISSING | ON_PARTIAL, /* on a replica, partial is as good as missing */
    ON_SERVED = ON_FOUND | ON_PARTIAL, /* where no better answer can come */
    ON_AWAITED = ON_REACHED | ON_NOT_REACHED | ON_FAILED /* however an await ended */
};

/* Decided once, when the options are read: rules whose condition does not hold are left out. */
enum rp_condition {
    IF_ANY,
    IF_RETRY,       /* replica_retry_max_ms > 0 */
    IF_FAILOVER,    /* on_replica_failure = primary */
    IF_WHEN_ALWAYS, /* when = always */
};

/* Decided when the rule is tried; a guard that holds has done what its comment says. */
enum rp_guard {
    G_NONE,
    G_NO_REPLICA, /* no replica is offered, or the read is in a transaction */
    G_WAIT_FITS,  /* a uniform wait was drawn, and ends by the deadline */
    G_POLL_FITS,  /* the next doubling wait was drawn; max_wait_ms and deadline leave room for it */
    G_ADMITTED,   /* the primary's budget admits the read, which is now charged to it */
    G_FLOOR,     /* the caller brought a position that was not awaited yet, and there is time; it is
                    now the position to await */
    G_CAN_AWAIT, /* the report has a position, and there is time; it is now the position to await */
    G_REACHED,   /* the report's position is known and not behind the awaited one */
    G_COUNT
};

/* The verdicts; verdicts.c says what each means to the host and which counter it moves. */
enum rp_end {
    END_NONE,
    END_FOUND_DIRECT,
    END_FOUND_REPLICA,
    END_FOUND_RETRY,
    END_FOUND_PRIMARY,
    END_FOUND_FAILOVER,
    END_NOT_FOUND_DIRECT,
    END_NOT_FOUND_REPLICA,
    END_NOT_FOUND_PRIMARY,
    END_ABSENT_REPLICA,
    END_ABSENT_RETRY,
    END_FAILED_DIRECT,
    END_FAILED_REPLICA,
    END_FAILED_RETRY,
    END_FAILED_PRIMARY,
    END_SHED,
    END_BROKEN,
    END_COUNT
};

struct rp_rule {
    uint8_t from;      /* enum rp_state */
    uint16_t on;       /* set of outcomes */
    uint8_t condition; /* enum rp_condition */
    uint8_t guard;     /* enum rp_guard */
    uint8_t to;        /* enum rp_state, if end is END_NONE */
    uint8_t end;       /* enum rp_end */
};

/* The right-hand side of a rule. */
#define GO(state)    (state), END_NONE
#define END(verdict) ST_BEGIN, (verdict)

/* Rules that policies share. */

/* No replica, or a transaction: one quiet read of the primary, as in primary_only. */
#define RULES_DIRECT                                                                               \
    {ST_BEGIN, ON_BEGUN, IF_ANY, G_NO_REPLICA, GO(ST_DIRECT)},                                     \
        {ST_DIRECT, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_DIRECT)},                             \
        {ST_DIRECT, ON_MISSING, IF_ANY, G_NONE, END(END_NOT_FOUND_DIRECT)}, {                      \
        ST_DIRECT, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_DIRECT)                               \
    }

/* The primary's answer after a replica's miss. */
#define RULES_PRIMARY                                                                              \
    {ST_PRIMARY, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_PRIMARY)},                               \
        {ST_PRIMARY, ON_MISSING, IF_ANY, G_NONE, END(END_NOT_FOUND_PRIMARY)}, {                    \
        ST_PRIMARY, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_PRIMARY)                             \
    }

/* Read the primary if its budget admits it, else shed: on these outcomes in this state. */
#define RULES_TO_PRIMARY(from, on, condition, to)                                                  \
    {from, on, condition, G_ADMITTED, GO(to)}, {                                                   \
        from, on, condition, G_NONE, END(END_SHED)                                                 \
    }

/* A replica's failure: an error, or where the operator allows it the primary's to answer. */
#define RULES_FIRST_READ_FAILED(from)                                                              \
    RULES_TO_PRIMARY(from, ON_FAILED, IF_FAILOVER, ST_FAILOVER), {                                 \
        from, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_REPLICA)                                   \
    }
#define RULES_RETRY_FAILED(from)                                                                   \
    RULES_TO_PRIMARY(from, ON_FAILED, IF_FAILOVER, ST_PRIMARY), {                                  \
        from, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_RETRY)                                     \
    }

/* The primary's answer where the replica had failed without missing: not a miss, so neither counted
 * nor logged. */
#define RULES_FAILOVER                                                                             \
    {ST_FAILOVER, ON_SERVED, IF_FAILOVER, G_NONE, END(END_FOUND_FAILOVER)},                        \
        {ST_FAILOVER, ON_MISSING, IF_FAILOVER, G_NONE, END(END_NOT_FOUND_PRIMARY)}, {              \
        ST_FAILOVER, ON_FAILED, IF_FAILOVER, G_NONE, END(END_FAILED_PRIMARY)                       \
    }

/* A policy. All strings and rules are constants. */
struct rp_policy_kind {
    const char *name;    /* as in the INI file */
    const char *summary; /* one sentence, for people */
    uint32_t needs;      /* bits of enum rp_capability */
    const struct rp_rule *rules;
    uint32_t rule_count;
    const char *const *keys; /* the option keys that it uses besides `policy`, NULL-terminated */
};

/* Every policy there is, NULL-terminated, and their names in the same order: policies/registry.c.
 */
extern const struct rp_policy_kind *const rp_policy_kinds[];
extern const char *const rp_policy_names[];

#define RP_RULE_COUNT(rules) ((uint32_t)(sizeof(rules) / sizeof((rules)[0])))

#endif
