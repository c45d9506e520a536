/*
 * policy_kind.h - how a policy is written: the plugin's internal policy interface.
 *
 * A policy is a table of rules. Each rule says: in this state, on one of these outcomes, if this
 * condition and this guard hold, go to that state or end with that verdict. Of several rules for
 * the same state and outcome the first that holds is taken. The table is the code: what a reader
 * sees there is what plan.c compiles, machine.c runs, the tests explore and the diagrams show. An
 * outcome for which a state has no rule breaks the contract and ends the read as failed.
 *
 * A new policy is one new file in policies/ and one line in policies/registry.c; docs/HACKING.md
 * has the checklist. rules.c checks its rules against what it promises here, whenever a file that
 * chooses it is loaded.
 */
#ifndef POLICY_KIND_H
#define POLICY_KIND_H

#include "ends.h"
#include "read_policy.h"
#include "states.h"

/*
 * Decided once, when the options are read: rules whose condition does not hold are left out. Each
 * line: name, the key that decides it, and when it holds of a section's `options` and the host's
 * `capabilities`.
 */
/* clang-format off */
#define RP_CONDITIONS(CONDITION)                                                                   \
    CONDITION(IF_ANY,         NULL,                   true)                                        \
    CONDITION(IF_RETRY,       "replica_retry_max_ms", options->replica_retry_max_ms > 0)           \
    CONDITION(IF_FAILOVER,    "on_replica_failure",   options->on_replica_failure == RP_FAILURE_PRIMARY) \
    CONDITION(IF_WHEN_ALWAYS, "when",                 options->when == RP_WHEN_ALWAYS)             \
    CONDITION(IF_BLIND,       NULL,                   (capabilities & RP_CAN_REPORT_POSITIONS) == 0)

/*
 * Decided when the rule is tried. Each line: name, the function of machine.c that decides it, the
 * key that it looks at, and its name in diagrams. A guard that holds has done what this list says:
 *
 * G_NO_REPLICA  no replica is offered, or the read is in a transaction; only for RULES_DIRECT
 * G_WAIT_FITS   a uniform wait was drawn, and ends by the deadline
 * G_POLL_FITS   the next doubling wait was drawn; max_wait_ms and deadline leave room for it
 * G_ADMITTED    the primary's budget admits the read, which is now charged to it
 * G_MISSED      an earlier read of a replica missed the row
 * G_AT_FLOOR    the report's position is not behind the caller's, if there is one
 * G_FLOOR       the caller's position is not known to be reached, and there is time; it is now the
 *               position to await
 * G_TIME_LEFT   the await of the caller's position has ended before its time was up
 * G_CAN_AWAIT   the report has a position, and there is time, of which max_wait_ms is for all awaits
 *               from now on; the flushed position is now the one to await, or the caller's if that
 *               is further, and the inserted one is what proves. The await ends at once: only what
 *               is known already counts
 * G_CAN_AWAIT_ALL  the same, but the inserted position is the one to await
 * G_UNPROVEN    the report has a position, the inserted one was not awaited yet, and there is time;
 *               it is now the position to await
 * G_BEHIND      the report's position is known and behind the inserted one, which was awaited, and
 *               there is time: it is awaited again
 * G_LOOK        there is time, and a look is left, which is now taken
 * G_ON_ITS_WAY  the report's position is not known to have reached the awaited one, and there is
 *               time; it is awaited until the next look if one is left, else as long as there is time
 * G_REACHED     the report's position is known and not behind the awaited one
 * G_PROVEN      the report's position is known and not behind the inserted one
 * G_PROVEN_MISSED  both G_PROVEN and G_MISSED
 */
#define RP_GUARDS(GUARD)                                                                           \
    GUARD(G_NO_REPLICA, is_direct,   NULL,                   "no replica, or in a transaction")    \
    GUARD(G_WAIT_FITS,  wait_fits,   "replica_retry_max_ms", "the wait ends by the deadline")      \
    GUARD(G_POLL_FITS,  poll_fits,   "first_ms",             "there is time for a poll")           \
    GUARD(G_ADMITTED,   is_admitted, "primary_budget_per_s", "the budget admits it")               \
    GUARD(G_MISSED,     is_missed,   NULL,                   "a replica missed it before")         \
    GUARD(G_AT_FLOOR,   is_at_floor, NULL,                   "not behind the caller's position")   \
    GUARD(G_FLOOR,      take_floor,  "max_wait_ms",          "the caller's position is not reached, time left") \
    GUARD(G_TIME_LEFT,  has_time_left, "max_wait_ms",        "time left")                          \
    GUARD(G_CAN_AWAIT,  can_await,   "max_wait_ms",          "position known, time left")          \
    GUARD(G_CAN_AWAIT_ALL, can_await_all, "max_wait_ms",     "position known, time left")          \
    GUARD(G_UNPROVEN,   is_unproven, "max_wait_ms",          "only the flushed position was reached, time left") \
    GUARD(G_BEHIND,     is_behind,   "max_wait_ms",          "another server answered, which is behind the inserted position, time left") \
    GUARD(G_LOOK,       may_look,    "max_wait_ms",          "a look is left, time left")          \
    GUARD(G_ON_ITS_WAY, is_on_its_way, "max_wait_ms",        "it is not reached yet, time left")   \
    GUARD(G_REACHED,    is_reached,  NULL,                   "the replica's position has reached it") \
    GUARD(G_PROVEN,     is_proven,   NULL,                   "the replica's position has reached the inserted one") \
    GUARD(G_PROVEN_MISSED, is_proven_missed, NULL,           "the same, and a replica missed it before")
/* clang-format on */

#define CONDITION_NAME(name, ...) name,
enum rp_condition { RP_CONDITIONS(CONDITION_NAME) IF_COUNT };
#undef CONDITION_NAME

#define GUARD_NAME(name, ...) name,
enum rp_guard { G_NONE, RP_GUARDS(GUARD_NAME) G_COUNT };
#undef GUARD_NAME

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

/* There are replicas, and all of them are out: as if the first read had failed. */
#define RULES_OUT                                                                                  \
    RULES_TO_PRIMARY(ST_BEGIN, ON_OUT, IF_FAILOVER, ST_FAILOVER), {                                \
        ST_BEGIN, ON_OUT, IF_ANY, G_NONE, END(END_FAILED_OUT)                                      \
    }

/* The primary's answer after a replica's miss, or for a position that no replica is known to have
 * reached: the caller's, or one that was located. */
#define RULES_PRIMARY                                                                              \
    {ST_PRIMARY, ON_SERVED, IF_ANY, G_MISSED, END(END_FOUND_PRIMARY)},                             \
        {ST_PRIMARY, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_FLOOR)},                             \
        {ST_PRIMARY, ON_MISSING, IF_ANY, G_MISSED, END(END_NOT_FOUND_PRIMARY)},                    \
        {ST_PRIMARY, ON_MISSING, IF_ANY, G_NONE, END(END_NOT_FOUND_ALONE)}, {                      \
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

/* The primary's answer where the replica had failed without missing, or was out: not a miss, so
 * neither counted nor logged. */
#define RULES_FAILOVER                                                                             \
    {ST_FAILOVER, ON_SERVED, IF_FAILOVER, G_NONE, END(END_FOUND_FAILOVER)},                        \
        {ST_FAILOVER, ON_MISSING, IF_FAILOVER, G_NONE, END(END_NOT_FOUND_ALONE)}, {                \
        ST_FAILOVER, ON_FAILED, IF_FAILOVER, G_NONE, END(END_FAILED_PRIMARY)                       \
    }

/* A retry has the row: counted if a replica had missed it, and not if one was only behind. */
#define RULES_RETRY_FOUND(from)                                                                    \
    {from, ON_FOUND, IF_ANY, G_MISSED, END(END_FOUND_RETRY)}, {                                    \
        from, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REACHED)                                     \
    }

/* The caller brought a position, and no replica can be judged by it. */
#define RULES_FLOOR_TO_PRIMARY(condition)                                                          \
    RULES_TO_PRIMARY(ST_BEGIN, ON_BEGUN_AT, condition, ST_PRIMARY)

/* A replica_backoff read polls at most this often: n waits take at least (2^n - 1) * first_ms / 2,
 * and max_wait_ms is at most 60000, first_ms at least 1. */
#define RP_MAX_POLLS 17u

/* While a located position is awaited, the replica is looked at so often at most: at once, then
 * after waits that double. */
#define RP_MAX_LOOKS     5u
#define RP_FIRST_LOOK_NS UINT64_C(1000000)

/* A policy. All strings and rules are constants. */
struct rp_policy_kind {
    const char *name;         /* as in the INI file and in the registry */
    const char *summary;      /* one sentence, for people */
    uint32_t needs;           /* bits of enum rp_capability */
    uint32_t most_steps;      /* of the longest possible read, not counting done */
    bool reads_primary_first; /* even if there is a replica, and none was asked */
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
