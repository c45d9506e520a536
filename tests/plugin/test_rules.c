/*
 * test_rules.c - tables of rules that are wrong, each in one way, and what rules.c says of them.
 *
 * Linked with the plugin's objects: no shared object would load such a policy.
 */
#include "plugin/rules.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define RULES(...)                                                                                 \
    .rules = (const struct rp_rule[]){__VA_ARGS__},                                                \
    .rule_count = RP_RULE_COUNT(((const struct rp_rule[]){__VA_ARGS__}))
/* max_lag_ms is every policy's that reads replicas. */
#define KEYS(...) ONLY_KEYS("max_lag_ms", __VA_ARGS__)
#define ONLY_KEYS(...)                                                                             \
    .keys = (const char *const[]) {                                                                \
        __VA_ARGS__                                                                                \
    }

#define KIND(steps, ...) {.name = "p", .summary = "A policy.", .most_steps = (steps), __VA_ARGS__}

#define ONLY_REPLICA                                                                               \
    {ST_BEGIN, ON_OUT, IF_ANY, G_NONE, END(END_FAILED_OUT)},                                       \
        {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},                        \
        {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)}, {                          \
        ST_REPLICA, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_REPLICA)                             \
    }
#define MISS_TO_PRIMARY {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_PRIMARY)}
#define LOCATE_ON_MISS                                                                             \
    {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_LOCATE)},                                          \
        {ST_LOCATE, ON_LOCATED, IF_ANY, G_CAN_AWAIT, GO(ST_AWAIT)},                                \
        {ST_LOCATE, ON_LOCATED | ON_BEYOND | ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_RETRY)},    \
        {ST_AWAIT, ON_REACHED, IF_ANY, G_REACHED, GO(ST_RETRY_CURRENT)}, {                         \
        ST_AWAIT, ON_AWAITED, IF_ANY, G_NONE, END(END_FAILED_RETRY)                                \
    }

static const struct {
    struct rp_policy_kind kind;
    const char *fault; /* NULL: none */
} cases[] = {
    {KIND(2, KEYS(NULL), RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)), NULL},
    {KIND(2, RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "it lacks a name, summary, keys or rules"},
    {KIND(1, KEYS(NULL), .rules = NULL), "it lacks a name, summary, keys or rules"},
    {{.name = "p", .most_steps = 1, KEYS(NULL), RULES(RULES_DIRECT)},
     "it lacks a name, summary, keys or rules"},
    {{.summary = "A policy.", .most_steps = 1, KEYS(NULL), RULES(RULES_DIRECT)},
     "it lacks a name, summary, keys or rules"},
    {KIND(1, KEYS(NULL), .rules = (const struct rp_rule[]){RULES_DIRECT}, .rule_count = 257),
     "it has 257 rules"},
    {{.name = "q", .summary = "Another.", KEYS(NULL), RULES(RULES_DIRECT)}, "its name is q"},
    {KIND(1, KEYS(NULL), RULES(RULES_DIRECT, {ST_COUNT, ON_FOUND, IF_ANY, G_NONE, GO(ST_RETRY)})),
     "rule 5 names something that does not exist"},
    {KIND(1, KEYS(NULL), RULES(RULES_DIRECT, {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, GO(ST_COUNT)})),
     "rule 5 names something that does not exist"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_COUNT)})),
     "rule 5 names something that does not exist"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_REPLICA, ON_FOUND, IF_COUNT, G_NONE, GO(ST_RETRY)})),
     "rule 5 names something that does not exist"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_REPLICA, ON_FOUND, IF_ANY, G_COUNT, GO(ST_RETRY)})),
     "rule 5 names something that does not exist"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_REPLICA, 1u << RP_OUTCOME_COUNT, IF_ANY, G_NONE, GO(ST_RETRY)})),
     "rule 5 names something that does not exist"},

    /* the primary for reads that no replica may serve, and no other */
    {KIND(2, KEYS(NULL), RULES(ONLY_REPLICA, RULES_DIRECT, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "RULES_DIRECT must come first"},
    {KIND(2, KEYS(NULL), RULES(ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "RULES_DIRECT must come first"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_REPLICA, ON_MISS, IF_ANY, G_NO_REPLICA, GO(ST_PRIMARY)})),
     "RULES_DIRECT must come first"},
    {KIND(1, KEYS(NULL), RULES({ST_BEGIN, ON_BEGUN, IF_ANY, G_NO_REPLICA, GO(ST_REPLICA)})),
     "without a replica it does not read the primary"},
    {KIND(1, KEYS(NULL), RULES({ST_REPLICA, ON_BEGUN, IF_ANY, G_NO_REPLICA, GO(ST_DIRECT)})),
     "without a replica it does not read the primary"},
    {KIND(1, KEYS(NULL), RULES({ST_BEGIN, ON_BEGUN, IF_FAILOVER, G_NO_REPLICA, GO(ST_DIRECT)})),
     "without a replica it does not read the primary"},
    {KIND(1, KEYS(NULL), RULES({ST_BEGIN, ON_BEGUN, IF_ANY, G_NO_REPLICA, ST_DIRECT, END_SHED})),
     "without a replica it does not read the primary"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT,
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT | ON_OUT, IF_ANY, G_NONE, GO(ST_DIRECT)})),
     "in ST_BEGIN, on \"\", the primary is read although no replica missed"},
    {KIND(1, .reads_primary_first = true, KEYS(NULL),
          RULES(RULES_DIRECT,
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT | ON_OUT, IF_ANY, G_NONE, GO(ST_DIRECT)})),
     NULL},
    {KIND(2, .reads_primary_first = true, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "it never reads the primary first"},
    {KIND(2, KEYS("on_replica_failure", "primary_budget_per_s", NULL),
          RULES(RULES_DIRECT, RULES_OUT,
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},
                {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
                {ST_REPLICA, ON_MISS | ON_FAILED, IF_ANY, G_NONE, GO(ST_PRIMARY)}, RULES_PRIMARY)),
     "in ST_REPLICA, on \"failed\", the primary is read although no replica missed"},
    {KIND(2, KEYS("on_replica_failure", "primary_budget_per_s", NULL),
          RULES(RULES_DIRECT, RULES_OUT,
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},
                {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
                RULES_FIRST_READ_FAILED(ST_REPLICA), MISS_TO_PRIMARY, RULES_PRIMARY,
                RULES_FAILOVER)),
     NULL},
    /* It is the locate that has failed, and no replica. */
    {KIND(3, KEYS("on_replica_failure", "primary_budget_per_s", NULL),
          RULES(RULES_DIRECT, RULES_OUT,
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_LOCATE_FIRST)},
                {ST_LOCATE_FIRST, ON_FAILED, IF_FAILOVER, G_NONE, GO(ST_FAILOVER)},
                {ST_LOCATE_FIRST, ON_LOCATED | ON_FAILED | ON_BEYOND, IF_ANY, G_NONE,
                 END(END_FAILED_REPLICA)},
                RULES_FAILOVER)),
     "in ST_LOCATE_FIRST, on \"failed\", the primary is read although no replica missed"},
    /* Found is declined only where it is not known to be current. */
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_BEGIN, ON_OUT, IF_ANY, G_NONE, END(END_FAILED_OUT)},
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_REPLICA)},
                {ST_REPLICA, ON_FOUND, IF_ANY, G_MISSED, END(END_FOUND_REPLICA)},
                {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, GO(ST_PRIMARY)},
                {ST_REPLICA, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_REPLICA)}, MISS_TO_PRIMARY,
                RULES_PRIMARY)),
     "in ST_REPLICA, on \"found\", the primary is read although no replica missed"},
    /* Under one of four settings. */
    {KIND(2, KEYS("when", "replica_retry_max_ms", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, {ST_REPLICA, ON_MISS, IF_RETRY, G_NONE, GO(ST_PRIMARY)},
                {ST_REPLICA, ON_MISS, IF_WHEN_ALWAYS, G_NONE, GO(ST_BEGIN)}, MISS_TO_PRIMARY,
                RULES_PRIMARY)),
     "in ST_REPLICA, on \"partial\", it goes back to ST_BEGIN"},
    {KIND(2, KEYS("when", "replica_retry_max_ms", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISS, IF_WHEN_ALWAYS, G_NONE, GO(ST_PRIMARY)},
                {ST_REPLICA, ON_MISS, IF_RETRY, G_NONE, GO(ST_BEGIN)}, MISS_TO_PRIMARY,
                RULES_PRIMARY)),
     "in ST_REPLICA, on \"partial\", it goes back to ST_BEGIN"},

    /* what a description would say for nothing */
    {KIND(2, KEYS("on_replica_failure", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "none of its rules looks at on_replica_failure, which is among its keys"},
    {KIND(2, KEYS("when", NULL), RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "none of its rules looks at when, which is among its keys"},

    /* every outcome that can be, and no other */
    {KIND(2, KEYS(NULL), RULES(RULES_DIRECT, ONLY_REPLICA, RULES_PRIMARY)),
     "in ST_REPLICA, \"partial\" leads nowhere"},
    {KIND(2, KEYS("primary_budget_per_s", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISS, IF_ANY, G_ADMITTED, GO(ST_PRIMARY)}, RULES_PRIMARY)),
     "in ST_REPLICA, on \"partial\", every rule has a guard, and all may fail"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY,
                {ST_REPLICA, ON_WAITED, IF_ANY, G_NONE, GO(ST_PRIMARY)})),
     "in ST_REPLICA, \"waited\" has a rule, and cannot be"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY,
                {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, END(END_SHED)})),
     "rule 15 (from ST_REPLICA) is never used"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY,
                {ST_WAIT, ON_WAITED, IF_ANY, G_NONE, GO(ST_RETRY)})),
     "rule 15 (from ST_WAIT) is never used"},

    /* answers */
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, END(END_FOUND_REPLICA)})),
     "in ST_REPLICA, on \"missing\", its verdict is one that no server gave"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, END(END_NOT_FOUND_REPLICA)})),
     "in ST_REPLICA, on \"partial\", its verdict is one that no server gave"},
    {KIND(3, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY,
                {ST_PRIMARY, ON_FAILED, IF_ANY, G_NONE, GO(ST_FAILOVER)}, RULES_PRIMARY)),
     "in ST_PRIMARY, on \"failed\", the primary's answer does not end the read"},

    /* positions */
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, {ST_REPLICA, ON_MISS, IF_ANY, G_REACHED, GO(ST_RETRY)},
                MISS_TO_PRIMARY, {ST_RETRY, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_RETRY)},
                {ST_RETRY, ON_MISS | ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_RETRY)},
                RULES_PRIMARY)),
     "in ST_REPLICA, on \"partial\", G_REACHED always holds"},
    {KIND(2, KEYS("max_wait_ms", "replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISS, IF_ANY, G_CAN_AWAIT, GO(ST_AWAIT)}, MISS_TO_PRIMARY)),
     "in ST_REPLICA, on \"partial\", G_CAN_AWAIT takes a position that was not located"},
    {KIND(4, KEYS("max_wait_ms", "replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, LOCATE_ON_MISS,
                {ST_RETRY_CURRENT, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_RETRY)},
                {ST_RETRY_CURRENT, ON_MISSING, IF_ANY, G_PROVEN, END(END_ABSENT_RETRY)},
                {ST_RETRY_CURRENT, ON_MISSING | ON_BEHIND | ON_FAILED, IF_ANY, G_NONE,
                 END(END_FAILED_RETRY)})),
     NULL},
    {KIND(4, KEYS("max_wait_ms", "replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, LOCATE_ON_MISS,
                {ST_RETRY_CURRENT, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_RETRY)},
                {ST_RETRY_CURRENT, ON_MISSING, IF_ANY, G_NONE, END(END_ABSENT_RETRY)},
                {ST_RETRY_CURRENT, ON_BEHIND | ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_RETRY)})),
     "in ST_RETRY_CURRENT, on \"missing\", absence is claimed without a proof"},
    {KIND(4, KEYS("max_wait_ms", "replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, LOCATE_ON_MISS,
                {ST_RETRY_CURRENT, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_RETRY)},
                {ST_RETRY_CURRENT, ON_MISSING, IF_ANY, G_REACHED, END(END_ABSENT_RETRY)},
                {ST_RETRY_CURRENT, ON_MISSING | ON_BEHIND | ON_FAILED, IF_ANY, G_NONE,
                 END(END_FAILED_RETRY)})),
     "in ST_RETRY_CURRENT, on \"missing\", absence is claimed without a proof"},
    /* A read that does not report where the replica was. */
    {KIND(4, KEYS("max_wait_ms", "replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_LOCATE)},
                {ST_LOCATE, ON_LOCATED, IF_ANY, G_CAN_AWAIT, GO(ST_AWAIT)},
                {ST_LOCATE, ON_LOCATED | ON_BEYOND | ON_FAILED, IF_ANY, G_NONE,
                 END(END_FAILED_RETRY)},
                {ST_AWAIT, ON_AWAITED, IF_ANY, G_NONE, GO(ST_RETRY)},
                {ST_RETRY, ON_MISSING, IF_ANY, G_PROVEN, END(END_ABSENT_RETRY)},
                {ST_RETRY, ON_MISS | ON_FOUND | ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_RETRY)})),
     "in ST_RETRY, on \"missing\", absence is claimed without a proof"},
    /* What comes after a guard that can hold is looked at, too. */
    {KIND(4, KEYS("max_wait_ms", NULL),
          RULES(RULES_DIRECT, {ST_BEGIN, ON_OUT, IF_ANY, G_NONE, END(END_FAILED_OUT)},
                {ST_BEGIN, ON_BEGUN | ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_LOCATE_FIRST)},
                {ST_LOCATE_FIRST, ON_LOCATED, IF_ANY, G_CAN_AWAIT_ALL, GO(ST_AWAIT_FIRST)},
                {ST_LOCATE_FIRST, ON_LOCATED | ON_BEYOND | ON_FAILED, IF_ANY, G_NONE,
                 END(END_FAILED_REPLICA)},
                {ST_AWAIT_FIRST, ON_AWAITED, IF_ANY, G_NONE, GO(ST_REPLICA_CURRENT)},
                {ST_REPLICA_CURRENT, ON_FOUND, IF_ANY, G_BEHIND, GO(ST_BEGIN)},
                {ST_REPLICA_CURRENT, ON_MISS | ON_FOUND | ON_FAILED, IF_ANY, G_NONE,
                 END(END_FAILED_REPLICA)})),
     "in ST_REPLICA_CURRENT, on \"found\", it goes back to ST_BEGIN"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISSING, IF_ANY, G_PROVEN, END(END_ABSENT_REPLICA)},
                MISS_TO_PRIMARY, RULES_PRIMARY)),
     "in ST_REPLICA, on \"missing\", G_PROVEN holds of a position that was not located"},
    /* Each position is awaited once, so the inserted one is not awaited without end. */
    {KIND(6, KEYS("max_wait_ms", "replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, LOCATE_ON_MISS,
                {ST_RETRY_CURRENT, ON_SERVED, IF_ANY, G_NONE, END(END_FOUND_RETRY)},
                {ST_RETRY_CURRENT, ON_MISSING | ON_BEHIND, IF_ANY, G_UNPROVEN, GO(ST_AWAIT)},
                {ST_RETRY_CURRENT, ON_MISSING | ON_BEHIND | ON_FAILED, IF_ANY, G_NONE,
                 END(END_FAILED_RETRY)})),
     NULL},

    /* the caller's position */
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_BEGIN, ON_OUT, IF_ANY, G_NONE, END(END_FAILED_OUT)},
                {ST_BEGIN, ON_BEGUN, IF_ANY, G_NONE, GO(ST_REPLICA)},
                {ST_BEGIN, ON_BEGUN_AT, IF_ANY, G_NONE, GO(ST_PRIMARY)},
                {ST_REPLICA, ON_FOUND, IF_ANY, G_NONE, END(END_FOUND_REPLICA)},
                {ST_REPLICA, ON_FAILED, IF_ANY, G_NONE, END(END_FAILED_REPLICA)}, MISS_TO_PRIMARY,
                RULES_PRIMARY)),
     NULL},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                {ST_REPLICA, ON_MISSING | ON_PARTIAL, IF_ANY, G_NONE, END(END_FAILED_REPLICA)})),
     "in ST_REPLICA, \"behind the caller's position\" leads nowhere"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY,
                {ST_PRIMARY, ON_BEHIND, IF_ANY, G_NONE, END(END_FAILED_PRIMARY)})),
     "in ST_PRIMARY, \"behind the caller's position\" has a rule, and cannot be"},

    /* lengths */
    {KIND(1, KEYS(NULL), RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "a read can take more than 1 steps"},
    {KIND(3, KEYS(NULL), RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "its longest read has 2 steps, not 3"},
    {KIND(40, KEYS("replica_pick", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_WAIT)},
                {ST_WAIT, ON_WAITED, IF_ANY, G_NONE, GO(ST_REPLICA)})),
     "a read can take more than 40 steps"},
    {KIND(1, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_BEGIN)})),
     "in ST_REPLICA, on \"partial\", it goes back to ST_BEGIN"},

    /* keys */
    {KIND(2, ONLY_KEYS("metric_prefix", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, MISS_TO_PRIMARY, RULES_PRIMARY)),
     "its rules look at max_lag_ms, which is not among its keys"},
    {KIND(2, KEYS("metric_prefix", NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA,
                RULES_TO_PRIMARY(ST_REPLICA, ON_MISS, IF_ANY, ST_PRIMARY), RULES_PRIMARY)),
     "its rules look at primary_budget_per_s, which is not among its keys"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, ONLY_REPLICA, {ST_REPLICA, ON_MISS, IF_ANY, G_NONE, GO(ST_WAIT)})),
     "its rules look at replica_pick, which is not among its keys"},
    {KIND(2, KEYS(NULL),
          RULES(RULES_DIRECT, {ST_REPLICA, ON_MISS, IF_RETRY, G_NONE, GO(ST_RETRY)})),
     "its rules look at replica_retry_max_ms, which is not among its keys"},
};
#define CASE_COUNT (int)(sizeof cases / sizeof cases[0])

START_TEST(a_fault_is_found_and_named) {
    char fault[256] = "";
    const bool sound = rules_are_sound(&cases[_i].kind, "p", fault, sizeof fault);
    if (cases[_i].fault == NULL) {
        ck_assert_msg(sound, "case %d: %s", _i, fault);
    } else {
        ck_assert_msg(!sound && strncmp(fault, cases[_i].fault, strlen(cases[_i].fault)) == 0,
                      "case %d\nexpected: %s\ngot:      %s", _i, cases[_i].fault, fault);
    }
}
END_TEST

START_TEST(every_policy_is_sound) {
    for (int i = 0; rp_policy_kinds[i] != NULL; i++) {
        char fault[256] = "";
        ck_assert_msg(rules_are_sound(rp_policy_kinds[i], rp_policy_names[i], fault, sizeof fault),
                      "%s: %s", rp_policy_names[i], fault);
    }
}
END_TEST

/* Move 0 is the broken-contract move, and indexes have 8 bits. */
START_TEST(more_rules_than_a_plan_holds) {
    struct rp_rule rules[256] = {RULES_DIRECT};
    for (int i = 4; i < 256; i++) {
        rules[i] = (struct rp_rule){ST_BEGIN, ON_BEGUN, IF_ANY, G_POLL_FITS, GO(ST_REPLICA)};
    }
    const struct rp_policy_kind kind =
        KIND(2, KEYS("first_ms", NULL), .rules = rules, .rule_count = 256);
    char fault[256] = "";
    ck_assert(!rules_are_sound(&kind, "p", fault, sizeof fault));
    ck_assert_str_eq(fault, "it has more rules than a plan has room for");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rules");
    TCase *rules = tcase_create("rules");
    suite_add_tcase(suite, rules);
    tcase_add_loop_test(rules, a_fault_is_found_and_named, 0, CASE_COUNT);
    tcase_add_test(rules, every_policy_is_sound);
    tcase_add_test(rules, more_rules_than_a_plan_holds);
    return suite_run(suite);
}
