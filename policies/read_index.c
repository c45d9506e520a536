/*
 * read_index.c - ask the primary for its position, wait until the replica has replayed that far,
 * read the replica.
 *
 * Raft's ReadIndex (Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 6.4), for a
 * primary and its streaming standbys: the leader's commit index is the primary's WAL position, the
 * follower's applied index is the replay position. A row that was committed before the primary was
 * located is on every replica that has replayed the located position. So a row still missing there
 * was not committed when the read began: it is proven absent, without a read of the primary's
 * tables.
 *
 * There are two such positions. A commit is flushed before it is acknowledged, unless the client
 * asked for less (synchronous_commit = off): so the row is looked for as soon as the flushed
 * position is replayed, and its absence is proven only at the inserted one. One max_wait_ms holds
 * for both.
 *
 * The proof needs two things of the host. The position must be located after the read began (an
 * older one, or one that the caller brought, may lie before the row's commit), and the replica's
 * position must be taken before the snapshot of the read that it qualifies. So the retry carries
 * RP_STEP_WITH_POSITION, and a miss whose own position is unknown or behind proves nothing.
 *
 * A position that the caller brought is awaited first, for which the primary need not be there. If
 * it is not reached by max_wait_ms, the read is the primary's; an await that ends sooner, since the
 * position cannot be told or is beyond all that is known, is followed by the locate. Every read of
 * a replica must have reached it, and one beyond the inserted position is the primary's.
 *
 * With when = always found is a claim as well: that the answer holds all that was acknowledged
 * before the read began. It too is judged by the answer's own position, because behind an address
 * that leads to several servers, another one may answer than the one that was awaited.
 *
 * The located position is often far beyond the row: a primary that is written to has gone on since.
 * So the replica is looked at on the way, at first at once if it is not known to be there already,
 * then after waits that double, RP_MAX_LOOKS times in all. A row that is found then counts at once.
 * A look's miss says nothing, unless the look itself was at a position that proves.
 *
 * The longest read: locate, await, replica, await the floor, replica, locate, await and look
 * RP_MAX_LOOKS times, await, replica, await, replica, primary.
 */
#include "plugin/policy_kind.h"

static const struct rp_rule rules[] = {
    RULES_DIRECT,
    RULES_OUT,
    {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_WHEN_ALWAYS, G_NONE, GO(ST_LOCATE_FIRST)},
    {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},

    /* when = always: be current before the first read. No miss has happened yet, so whatever goes
     * wrong here leads to the replica, and to the primary only what no replica can have. */
    {ST_LOCATE_FIRST, ON_LOCATED, IF_WHEN_ALWAYS, G_CAN_AWAIT_ALL, GO(ST_AWAIT_FIRST)},
    {ST_LOCATE_FIRST, ON_LOCATED | ON_FAILED, IF_WHEN_ALWAYS, G_NONE, GO(ST_REPLICA)},
    RULES_TO_PRIMARY(ST_LOCATE_FIRST, ON_BEYOND, IF_WHEN_ALWAYS, ST_PRIMARY),
    {ST_AWAIT_FIRST, ON_REACHED, IF_WHEN_ALWAYS, G_REACHED, GO(ST_REPLICA_CURRENT)},
    {ST_AWAIT_FIRST, ON_AWAITED, IF_WHEN_ALWAYS, G_NONE, GO(ST_REPLICA)},

    {ST_REPLICA_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, G_PROVEN, END(END_FOUND_REPLICA)},
    {ST_REPLICA_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, G_BEHIND, GO(ST_AWAIT)},
    RULES_TO_PRIMARY(ST_REPLICA_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, ST_PRIMARY),
    {ST_REPLICA_CURRENT, ON_PARTIAL, IF_WHEN_ALWAYS, G_PROVEN, END(END_FOUND_REPLICA)},
    {ST_REPLICA_CURRENT, ON_MISSING, IF_WHEN_ALWAYS, G_PROVEN, END(END_ABSENT_REPLICA)},
    {ST_REPLICA_CURRENT, ON_MISS, IF_WHEN_ALWAYS, G_NONE, GO(ST_LOCATE)},
    RULES_FIRST_READ_FAILED(ST_REPLICA_CURRENT),

    {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
    {ST_REPLICA, ON_MISS, IF_ANY, G_FLOOR, GO(ST_FLOOR)},
    {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_LOCATE)},
    RULES_FIRST_READ_FAILED(ST_REPLICA),

    /* The caller's position spares the locate if the row is there once it is reached; it proves
     * nothing about absence. */
    {ST_FLOOR, ON_REACHED, IF_ANY, G_REACHED, GO(ST_RETRY)},
    {ST_FLOOR, ON_AWAITED, IF_ANY, G_TIME_LEFT, GO(ST_LOCATE)},
    RULES_TO_PRIMARY(ST_FLOOR, ON_AWAITED, IF_ANY, ST_PRIMARY),
    RULES_RETRY_FOUND(ST_RETRY),
    {ST_RETRY, ON_MISS, IF_ANY, G_NONE, GO(ST_LOCATE)},
    RULES_RETRY_FAILED(ST_RETRY),

    {ST_LOCATE, ON_LOCATED, IF_ANY, G_CAN_AWAIT, GO(ST_AWAIT)},
    RULES_TO_PRIMARY(ST_LOCATE, ON_LOCATED | ON_BEYOND | ON_FAILED, IF_ANY, ST_PRIMARY),
    {ST_AWAIT, ON_REACHED, IF_ANY, G_REACHED, GO(ST_RETRY_CURRENT)},
    {ST_AWAIT, ON_NOT_REACHED, IF_ANY, G_LOOK, GO(ST_LOOK)},
    RULES_TO_PRIMARY(ST_AWAIT, ON_AWAITED, IF_ANY, ST_PRIMARY),

    {ST_LOOK, ON_FOUND, IF_WHEN_ALWAYS, G_PROVEN_MISSED, END(END_FOUND_RETRY)},
    {ST_LOOK, ON_FOUND, IF_WHEN_ALWAYS, G_PROVEN, END(END_FOUND_REACHED)},
    {ST_LOOK, ON_FOUND, IF_WHEN_ALWAYS, G_ON_ITS_WAY, GO(ST_AWAIT)},
    {ST_LOOK, ON_FOUND, IF_WHEN_ALWAYS, G_UNPROVEN, GO(ST_AWAIT)},
    RULES_TO_PRIMARY(ST_LOOK, ON_FOUND, IF_WHEN_ALWAYS, ST_PRIMARY),
    RULES_RETRY_FOUND(ST_LOOK),
    {ST_LOOK, ON_PARTIAL, IF_ANY, G_PROVEN_MISSED, END(END_FOUND_RETRY)},
    {ST_LOOK, ON_PARTIAL, IF_ANY, G_PROVEN, END(END_FOUND_REACHED)},
    {ST_LOOK, ON_MISSING, IF_ANY, G_PROVEN, END(END_ABSENT_RETRY)},
    {ST_LOOK, ON_MISS, IF_ANY, G_ON_ITS_WAY, GO(ST_AWAIT)},
    {ST_LOOK, ON_MISS, IF_ANY, G_UNPROVEN, GO(ST_AWAIT)},
    RULES_TO_PRIMARY(ST_LOOK, ON_MISS, IF_ANY, ST_PRIMARY),
    RULES_RETRY_FAILED(ST_LOOK),

    {ST_RETRY_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, G_PROVEN_MISSED, END(END_FOUND_RETRY)},
    {ST_RETRY_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, G_PROVEN, END(END_FOUND_REACHED)},
    {ST_RETRY_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, G_UNPROVEN, GO(ST_AWAIT)},
    RULES_TO_PRIMARY(ST_RETRY_CURRENT, ON_FOUND, IF_WHEN_ALWAYS, ST_PRIMARY),
    RULES_RETRY_FOUND(ST_RETRY_CURRENT),
    {ST_RETRY_CURRENT, ON_PARTIAL, IF_ANY, G_PROVEN_MISSED, END(END_FOUND_RETRY)},
    {ST_RETRY_CURRENT, ON_PARTIAL, IF_ANY, G_PROVEN, END(END_FOUND_REACHED)},
    {ST_RETRY_CURRENT, ON_MISSING, IF_ANY, G_PROVEN, END(END_ABSENT_RETRY)},
    {ST_RETRY_CURRENT, ON_MISS, IF_ANY, G_UNPROVEN, GO(ST_AWAIT)},
    RULES_TO_PRIMARY(ST_RETRY_CURRENT, ON_MISS, IF_ANY, ST_PRIMARY),
    RULES_RETRY_FAILED(ST_RETRY_CURRENT),

    RULES_PRIMARY,
    RULES_FAILOVER,
};

static const char *const keys[] = {
    "when",
    "max_wait_ms",
    "replica_pick",
    "max_lag_ms",
    "on_replica_failure",
    "primary_budget_per_s",
    "primary_budget_burst",
    "metric_prefix",
    NULL,
};

extern const struct rp_policy_kind rp_read_index;
const struct rp_policy_kind rp_read_index = {
    .name = "read_index",
    .summary =
        "Reads go to a replica; a miss asks the primary for its WAL position, awaits it on the "
        "replica and reads there again.",
    .needs = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION,
    .most_steps = 11 + 2 * RP_MAX_LOOKS,
    .rules = rules,
    .rule_count = RP_RULE_COUNT(rules),
    .keys = keys,
};
