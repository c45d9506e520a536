/*
 * test_cluster_errors.c - a primary whose questions fail as statements: it lives, whatever else is
 * not known of it.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = primary_only", 0);
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    pair_close(&pair);
}

/* On the standby, when that is the primary. */
static int32_t verdict_on_a_miss(uint64_t tag) {
    pair_start(&pair, tag, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    return pair.verdicts[tag];
}

static void primary_refuses_and_standby_leads(void) {
    pair.primary_is_blind = true;
    pair_time_passes(&pair, 5000);
    pair.standby_leads = true;
    pair_time_passes(&pair, 2500);
}

/* And falls silent. */
static void primary_comes_back(int32_t outcome, const char *answer) {
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair.primary_is_gone = false;
    pair.primary_is_silent = true;
    pair_answer(&pair, &poll, outcome, answer);
}

static void primary_answers_once_by_an_error(void) {
    primary_comes_back(RP_FAILED, NULL);
}

START_TEST(it_may_be_the_primary_still_when_another_one_leads) {
    primary_refuses_and_standby_leads();
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(also_where_that_is_heard_before_the_last_of_its_errors) {
    pair.primary_is_silent = pair.standby_leads = true;
    pair_time_passes(&pair, 2500);
    pair.primary_is_silent = false;
    pair.primary_is_blind = true;
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(until_it_is_lost) {
    primary_refuses_and_standby_leads();
    pair.primary_is_blind = false;
    pair.primary_is_gone = true;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(and_again_when_it_comes_back_with_an_error) {
    primary_refuses_and_standby_leads();
    pair.primary_is_blind = false;
    pair.primary_is_gone = true;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
    primary_answers_once_by_an_error();
    ck_assert_int_eq(verdict_on_a_miss(2), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(nor_is_it_dead_where_it_was_lost_and_comes_back_so) {
    pair.primary_is_gone = pair.standby_leads = true;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
    primary_answers_once_by_an_error();
    ck_assert_int_eq(verdict_on_a_miss(2), RP_VERDICT_FAILED);
}
END_TEST

/* Rights are looked at again after so many polls. */
static void primary_is_lost_when_it_is_probed(void) {
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    while (strstr(poll.text, "server_version_num") == NULL) {
        pair_answer(&pair, &poll, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY));
        poll = pair_next_poll(&pair, PAIR_PRIMARY);
    }
    pair.primary_is_gone = true;
    pair_answer(&pair, &poll, RP_SERVER_GONE, NULL);
}

START_TEST(nor_where_it_comes_back_and_may_tell_nothing) {
    primary_is_lost_when_it_is_probed();
    pair.standby_leads = true;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
    primary_comes_back(RP_ANSWERED, "rp1 150000 8192 16777216 f f f f f");
    ck_assert_int_eq(verdict_on_a_miss(2), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(until_it_says_that_it_follows) {
    primary_refuses_and_standby_leads();
    pair.primary_is_blind = false;
    pair.primary_is_standby = true;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(until_the_host_is_reloaded) {
    primary_refuses_and_standby_leads();
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(or_it_is_taken_away) {
    primary_refuses_and_standby_leads();
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Of which all is known: the same one leads there. */
START_TEST(under_another_name_it_is_no_second_one) {
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 2500);
    pair.primary_is_blind = true;
    pair_time_passes(&pair, 5000);
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_ALIAS);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(one_of_another_system_is_no_second_primary) {
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_REPLICA, RP_SERVER_ON,
                                 pair.now_ns);
    pair.standby_leads = true;
    pair.follower = 0xB9;
    pair.systems[PAIR_STANDBY] = PAIR_SYSTEM + 1;
    pair_time_passes(&pair, 2500);
    pair.standby_is_blind = true;
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* So a replica keeps a floor, as while no primary answers at all. */
START_TEST(nor_has_one_come_to_lead_beside_it) {
    pair_close(&pair);
    pair_open_level(&pair, "policy = replica_then_primary", 0);
    pair.alias_system = PAIR_SYSTEM + 1;
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_REPLICA, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 2500);
    pair.primary_is_blind = true;
    pair_time_passes(&pair, 5000);
    pair_start(&pair, 1, pair.replayed);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* It has said so once that it leads a newer timeline, while nothing came from the one before: so
 * that one may be deposed, whatever becomes of it. */
START_TEST(what_it_has_claimed_stays_though_it_is_lost) {
    struct rp_action poll = pair_next_poll(&pair, PAIR_STANDBY);
    pair.primary_is_silent = pair.standby_is_blind = true;
    pair_answer(&pair, &poll, RP_ANSWERED, "rp1 b1 c p 0/5000 0/5000 00000002 7001 -");
    pair_time_passes(&pair, 5000);
    pair.standby_is_blind = false;
    pair.standby_is_gone = true;
    pair_time_passes(&pair, 2500);
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 2500);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_errors");
    TCase *tests = suite_case(suite, "errors", set_up, tear_down, 0);
    tcase_add_test(tests, it_may_be_the_primary_still_when_another_one_leads);
    tcase_add_test(tests, also_where_that_is_heard_before_the_last_of_its_errors);
    tcase_add_test(tests, until_it_is_lost);
    tcase_add_test(tests, and_again_when_it_comes_back_with_an_error);
    tcase_add_test(tests, nor_is_it_dead_where_it_was_lost_and_comes_back_so);
    tcase_add_test(tests, nor_where_it_comes_back_and_may_tell_nothing);
    tcase_add_test(tests, until_it_says_that_it_follows);
    tcase_add_test(tests, until_the_host_is_reloaded);
    tcase_add_test(tests, or_it_is_taken_away);
    tcase_add_test(tests, under_another_name_it_is_no_second_one);
    tcase_add_test(tests, one_of_another_system_is_no_second_primary);
    tcase_add_test(tests, nor_has_one_come_to_lead_beside_it);
    tcase_add_test(tests, what_it_has_claimed_stays_though_it_is_lost);
    return suite_run(suite);
}
