/*
 * test_cluster_out.c - reads that were to go to a server which is out by the time that they leave,
 * or that it answers.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

/* The standby, promoted. */
#define B_LEADS "rp1 b1 c p 0/5000 0/5000 00000002 7001 -"

static struct scripted_pair pair;

static void open_pair(const char *keys) {
    pair_open_level(&pair, keys, 0);
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    pair_close(&pair);
}

/* A read is started, and before the host asks what to do, the standby says this. */
static void standby_says_before_it_leaves(const char *says) {
    const struct rp_request request = {
        .struct_size = sizeof request, .now_ns = pair.now_ns, .entropy = 1};
    uint64_t id;
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    ck_assert_int_eq(pair.calls->start(pair.cluster, pair.section.policy, &request, 1, &id), RP_OK);
    pair.calls->answer(pair.cluster, poll.id, RP_ANSWERED, says, NULL, pair.now_ns);
}

/* What is done until nobody has anything to do; no question is answered. The last but questions. */
static struct rp_action what_is_done(void) {
    struct rp_action action = {.struct_size = sizeof action};
    struct rp_action done = {.kind = -1};
    while (pair.calls->next(pair.cluster, pair.now_ns, &action, &pair.wake_ns)) {
        done = action.kind == RP_ACTION_ASK ? done : action;
    }
    return done;
}

START_TEST(a_read_leaves_for_the_replica_that_is_one_still) {
    open_pair("policy = replica_then_primary");
    standby_says_before_it_leaves("rp1 b1 c r 0/5000 - 1 1 7001 -");
    const struct rp_action action = what_is_done();
    ck_assert_int_eq(action.kind, RP_ACTION_READ);
    ck_assert_uint_eq(action.server, PAIR_STANDBY);
}
END_TEST

START_TEST(none_leaves_for_one_of_another_system) {
    open_pair("policy = replica_then_primary");
    standby_says_before_it_leaves("rp1 b2 c r 0/5000 - 1 1 7002 -");
    ck_assert_int_eq(what_is_done().kind, RP_ACTION_DONE);
}
END_TEST

/* And ends at once: nothing else may have the host ask again. */
START_TEST(none_leaves_for_one_that_was_promoted) {
    open_pair("policy = replica_then_primary");
    standby_says_before_it_leaves(B_LEADS);
    const struct rp_action action = what_is_done();
    ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    ck_assert_int_eq(action.verdict, RP_VERDICT_FAILED);
}
END_TEST

START_TEST(it_is_the_primarys_where_that_may_be) {
    open_pair("policy = replica_then_primary\non_replica_failure = primary");
    standby_says_before_it_leaves(B_LEADS);
    const struct rp_action action = what_is_done();
    ck_assert_int_eq(action.kind, RP_ACTION_READ);
    ck_assert_int_eq(action.target, RP_TARGET_PRIMARY);
}
END_TEST

START_TEST(what_was_to_go_to_the_deposed_primary_goes_to_the_new_one) {
    open_pair("policy = primary_only");
    standby_says_before_it_leaves(B_LEADS);
    const struct rp_action action = what_is_done();
    ck_assert_int_eq(action.kind, RP_ACTION_READ);
    ck_assert_int_eq(action.target, RP_TARGET_PRIMARY);
    ck_assert_uint_eq(action.server, PAIR_STANDBY);
}
END_TEST

START_TEST(none_leaves_for_a_primary_that_is_to_be_none) {
    open_pair("policy = primary_only");
    standby_says_before_it_leaves("rp1 b1 c r 0/5000 - 1 1 7001 -");
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_REPLICA, RP_SERVER_ON,
                                 pair.now_ns);
    const struct rp_action action = what_is_done();
    ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    ck_assert_int_eq(action.verdict, RP_VERDICT_FAILED);
}
END_TEST

START_TEST(none_leaves_for_a_primary_that_is_drained) {
    open_pair("policy = primary_only");
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_DRAIN,
                                 pair.now_ns);
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* While it could tell nothing of itself it was what it is expected to be. */
START_TEST(none_leaves_for_one_that_says_at_last_that_it_is_deposed) {
    const struct rp_request request = {.struct_size = sizeof request, .entropy = 1};
    struct rp_action poll = {.struct_size = sizeof poll};
    uint64_t id;
    open_pair("policy = primary_only");
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_PRIMARY, RP_SERVER_ON,
                                 pair.now_ns);
    pair.timeline = 2;
    pair_time_passes(&pair, 2000);
    pair.questions_fail = true;
    pair_time_passes(&pair, 5000);
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    do {
        ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &poll, &pair.wake_ns), 1);
        ck_assert_int_eq(poll.kind, RP_ACTION_ASK);
        if (strstr(poll.text, "server_version_num") != NULL) {
            pair.calls->answer(pair.cluster, poll.id, RP_ANSWERED,
                               "rp1 150000 8192 16777216 t t t t f", NULL, pair.now_ns);
            poll.server = PAIR_STANDBY;
        }
    } while (poll.server != PAIR_PRIMARY);
    ck_assert_int_eq(pair.calls->start(pair.cluster, pair.section.policy, &request, 1, &id), RP_OK);
    pair.calls->answer(pair.cluster, poll.id, RP_ANSWERED,
                       "rp1 a1 c p 0/5000 0/5000 00000001 7001 -", NULL, pair.now_ns);
    ck_assert_int_eq(what_is_done().kind, RP_ACTION_DONE);
}
END_TEST

/* It is lost, so that there is no doubt of the new one; and then it answers what it was asked
 * before that. */
START_TEST(what_the_primary_before_missed_does_not_count) {
    open_pair("policy = replica_then_primary\nreplica_retry_max_ms = 0");
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    pair.primary_is_gone = pair.standby_is_gone = true;
    pair_answer(&pair, &poll, RP_ANSWERED, "rp1 b1 c p 0/5000 0/5000 00000001 7001 -");
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* A read has seen the standby out of recovery, so it may lead. What it was asked before that does
 * not tell. */
START_TEST(nor_does_the_primarys_while_another_one_may_lead) {
    open_pair("policy = replica_then_primary\nreplica_retry_max_ms = 0");
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    pair.calls->answer(pair.cluster, pair.reads_out[2].id, RP_ROLE_CHANGED, NULL, NULL,
                       pair.now_ns);
    pair.calls->answer(pair.cluster, poll.id, RP_ANSWERED, "rp1 b1 c r 0/5000 - 1 1 7001 -", NULL,
                       pair.now_ns);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

static void open_pair_of_a_replica(void) {
    open_pair("policy = primary_only");
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_REPLICA, RP_SERVER_ON,
                                 pair.now_ns);
}

/* B is heard to lead, and the primary is lost. */
static void replica_leads(void) {
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    pair.primary_is_gone = pair.standby_is_gone = true;
    pair_answer(&pair, &poll, RP_ANSWERED, B_LEADS);
}

/* The new one is to be a replica, so that the one before stays the primary. It is lost, and answers
 * once more: whether both lead is not known until it has been asked again. */
START_TEST(nor_does_it_where_the_new_one_is_to_be_none) {
    open_pair_of_a_replica();
    pair_start(&pair, 1, 0);
    replica_leads();
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* Nor when it falls silent after that: it was heard since it was lost. */
START_TEST(nor_does_it_where_it_falls_silent_after_that) {
    open_pair_of_a_replica();
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    replica_leads();
    pair.primary_is_gone = false;
    pair.primary_is_silent = true;
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    pair_time_passes(&pair, 2500);
    pair_answer(&pair, &pair.reads_out[2], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FAILED);
}
END_TEST

/* Also where the answer is to something that was asked before it said last that it leads. */
START_TEST(nor_does_it_where_that_comes_late) {
    open_pair_of_a_replica();
    pair_start(&pair, 1, 0);
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    pair_run(&pair);
    replica_leads();
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* A poll goes first, and its answer tells of the new primary. */
START_TEST(nor_is_it_asked_for_its_position_then) {
    open_pair("policy = read_index");
    pair.holds_locates = true;
    pair_start(&pair, 1, 0);
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_MISSING, NULL, NULL, pair.now_ns);
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    pair.standby_leads = true;
    pair_answer(&pair, &poll, RP_ANSWERED, B_LEADS);
    ck_assert_int_eq(pair.locates_seen, 0);
    ck_assert_uint_ne(pair.watch_out.id, 0); /* the new one is */
    ck_assert_uint_eq(pair_counter(&pair, "cluster.locates"), 1);
}
END_TEST

/* Who has waited for it may have gone. */
START_TEST(nor_is_anybody_for_nobody) {
    open_pair("policy = read_index");
    const uint64_t id = pair_start(&pair, 1, 0);
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_MISSING, NULL, NULL, pair.now_ns);
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    pair.calls->forget(pair.cluster, id);
    pair_answer(&pair, &poll, RP_ANSWERED, pair_says(&pair, PAIR_STANDBY));
    ck_assert_uint_eq(pair_counter(&pair, "cluster.locates"), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_out");
    TCase *tests = suite_case(suite, "out", NULL, tear_down, 0);
    tcase_add_test(tests, a_read_leaves_for_the_replica_that_is_one_still);
    tcase_add_test(tests, none_leaves_for_one_of_another_system);
    tcase_add_test(tests, none_leaves_for_a_primary_that_is_to_be_none);
    tcase_add_test(tests, none_leaves_for_a_primary_that_is_drained);
    tcase_add_test(tests, none_leaves_for_one_that_was_promoted);
    tcase_add_test(tests, it_is_the_primarys_where_that_may_be);
    tcase_add_test(tests, what_was_to_go_to_the_deposed_primary_goes_to_the_new_one);
    tcase_add_test(tests, none_leaves_for_one_that_says_at_last_that_it_is_deposed);
    tcase_add_test(tests, what_the_primary_before_missed_does_not_count);
    tcase_add_test(tests, nor_does_the_primarys_while_another_one_may_lead);
    tcase_add_test(tests, nor_does_it_where_the_new_one_is_to_be_none);
    tcase_add_test(tests, nor_does_it_where_it_falls_silent_after_that);
    tcase_add_test(tests, nor_does_it_where_that_comes_late);
    tcase_add_test(tests, nor_is_it_asked_for_its_position_then);
    tcase_add_test(tests, nor_is_anybody_for_nobody);
    return suite_run(suite);
}
