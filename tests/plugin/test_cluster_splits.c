/*
 * test_cluster_splits.c - a name that leads to two primaries by turns is a split, until one of them
 * alone has led for a minute. Splits that standbys show: test_cluster_followers.c.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = primary_only", 0);
}

static void tear_down(void) {
    pair_close(&pair);
}

/* The one name leads to two primaries by turns. */
static void name_leads_to_both(void) {
    for (int i = 0; i < 4; i++) {
        pair.leader = i % 2 == 0 ? 0xA2 : 0xA1;
        pair_time_passes(&pair, 1500);
    }
}

START_TEST(two_primaries_by_turns_are_a_split) {
    name_leads_to_both();
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}
END_TEST

/* Which must have ended. */
static int32_t split_after_the_reload(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_int_eq(info.forgetting, 0);
    return (int32_t)info.split;
}

/* The standby is the last to answer: what has been seen until then has been seen since the reload.
 */
START_TEST(a_reload_does_not_forget_what_is_seen_meanwhile) {
    pair.now_ns += PAIR_MS;
    const struct rp_action last = pair_next_poll(&pair, PAIR_STANDBY);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair.now_ns += PAIR_MS;
    for (int i = 0; i < 4; i++) {
        const struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
        pair.leader = i % 2 == 0 ? 0xA2 : 0xA1;
        pair.calls->answer(pair.cluster, poll.id, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY), NULL,
                           pair.now_ns);
    }
    pair.calls->answer(pair.cluster, last.id, RP_ANSWERED, pair_says(&pair, PAIR_STANDBY), NULL,
                       pair.now_ns);
    pair.primary_is_silent = true;
    pair_run(&pair);
    ck_assert_int_eq(split_after_the_reload(), 1);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}
END_TEST

/* One damaged answer, say, which named another instance. */
START_TEST(what_was_seen_before_a_reload_makes_none_after_it) {
    pair.leader = 0xA2;
    pair_time_passes(&pair, 1500);
    pair.leader = 0xA1;
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(split_after_the_reload(), 0);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* The other one may have the rest. */
START_TEST(what_one_of_them_has_in_part_may_not_be_all) {
    name_leads_to_both();
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_PARTIAL, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* The machine was suspended: nobody was asked in that hour. */
START_TEST(that_an_hour_in_which_nobody_was_asked_does_not_end) {
    name_leads_to_both();
    pair.primary_is_silent = true;
    pair.now_ns += 3600000 * PAIR_MS;
    pair_time_passes(&pair, 100);
    struct rp_cluster_info info = {.struct_size = sizeof info};
    (void)pair.calls->info(pair.cluster, &info);
    ck_assert_msg(info.split, "the standby's answer is none of the name's");
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_FAILED);
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 1500);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 3), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(it_ends_when_one_of_them_alone_has_led_for_a_minute) {
    name_leads_to_both();
    pair_time_passes(&pair, 55000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    pair_time_passes(&pair, 10000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Asked often, it is asked no more often than that. */
START_TEST(nor_does_it_end_sooner_where_more_is_asked) {
    name_leads_to_both();
    for (uint64_t tag = 1; tag < 50; tag++) {
        ck_assert_int_eq(pair_verdict_on_a_miss(&pair, tag), RP_VERDICT_FAILED);
        pair_time_passes(&pair, 100);
    }
}
END_TEST

START_TEST(it_ends_when_the_name_is_dead_for_a_minute) {
    name_leads_to_both();
    pair.primary_is_gone = true;
    pair_time_passes(&pair, 65000);
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_int_eq(info.split, 0);
}
END_TEST

/* Another instance of another system, on another timeline, whose number says nothing then. */
static void name_leads_to_two_systems(uint32_t others_timeline) {
    for (int i = 0; i < 4; i++) {
        const bool other = i % 2 == 0;
        pair.leader = other ? 0xA2 : 0xA1;
        pair.systems[PAIR_PRIMARY] = other ? PAIR_SYSTEM + 1 : PAIR_SYSTEM;
        pair.timeline = other ? others_timeline : 2;
        pair_time_passes(&pair, 1500);
    }
}

static void expect_the_primary(void) {
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_PRIMARY, RP_SERVER_ON,
                                 pair.now_ns);
    pair.timeline = pair.streamed = pair.restart_point = 2;
    pair_time_passes(&pair, 1500);
}

START_TEST(primaries_of_two_systems_by_turns_are_a_split) {
    expect_the_primary();
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
    name_leads_to_two_systems((uint32_t)_i);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_FAILED);
    pair_time_passes(&pair, 55000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 3), RP_VERDICT_FAILED);
    pair_time_passes(&pair, 10000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 4), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Words before a read do not tell of which system they are, unless they are asked for that. */
START_TEST(so_are_those_of_whom_it_is_known_too_late) {
    const uint32_t leaders[] = {0xA2, 0xA1, 0xA2};
    char full[80];
    expect_the_primary();
    pair.primary_is_silent = true;
    for (uint64_t tag = 1; tag <= 3; tag++) {
        pair_start(&pair, tag, 0);
        pair.leader = leaders[tag - 1];
        pair.timeline = pair.leader == 0xA1 ? 2 : (uint32_t)_i;
        pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
    }
    pair_start(&pair, 4, 0);
    (void)snprintf(full, sizeof full, "%s %u -", pair_says(&pair, PAIR_PRIMARY), PAIR_SYSTEM + 1);
    pair_answer(&pair, &pair.reads_out[4], RP_MISSING, full);
    ck_assert_int_eq(pair.verdicts[4], RP_VERDICT_FAILED);
    pair.systems[PAIR_PRIMARY] = PAIR_SYSTEM + 1;
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 55000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 5), RP_VERDICT_FAILED);
    pair_time_passes(&pair, 10000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 6), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* It has said on which timeline it is, the same or a newer one, and not of which system. */
START_TEST(until_it_says_of_which_system_it_is_another_one_counts_for_nothing) {
    expect_the_primary();
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    pair.primary_is_silent = true;
    pair.leader = 0xA2;
    pair.timeline = (uint32_t)_i;
    for (uint64_t tag = 1; tag <= 2; tag++) {
        pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
    }
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 3), RP_VERDICT_FAILED);
    pair.leader = 0xA1;
    pair.timeline = 2;
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 3000);
    const bool by_turns = _i == 2; /* a split, on the same timeline */
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 4),
                     by_turns ? RP_VERDICT_FAILED : RP_VERDICT_NOT_FOUND);
}
END_TEST

/* As after an upgrade: nobody says which server is to be the primary, and both are new. */
static void both_are_of_another_system(void) {
    pair.leader = 0xA2;
    pair.systems[PAIR_PRIMARY] = pair.systems[PAIR_STANDBY] = PAIR_SYSTEM + 1;
    pair_time_passes(&pair, 2500);
}

START_TEST(where_all_are_of_another_system_it_is_the_one_that_counts) {
    both_are_of_another_system();
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

START_TEST(but_not_as_long_as_one_is_of_the_old_one) {
    pair.leader = 0xA2;
    pair.systems[PAIR_PRIMARY] = PAIR_SYSTEM + 1;
    pair_time_passes(&pair, 5000);
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

START_TEST(or_does_not_answer) {
    pair.standby_is_blind = true;
    both_are_of_another_system();
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_splits");
    TCase *tests = suite_case(suite, "splits", set_up, tear_down, 0);
    tcase_add_test(tests, two_primaries_by_turns_are_a_split);
    tcase_add_test(tests, a_reload_does_not_forget_what_is_seen_meanwhile);
    tcase_add_test(tests, what_was_seen_before_a_reload_makes_none_after_it);
    tcase_add_test(tests, what_one_of_them_has_in_part_may_not_be_all);
    tcase_add_test(tests, that_an_hour_in_which_nobody_was_asked_does_not_end);
    tcase_add_test(tests, it_ends_when_one_of_them_alone_has_led_for_a_minute);
    tcase_add_test(tests, nor_does_it_end_sooner_where_more_is_asked);
    tcase_add_test(tests, it_ends_when_the_name_is_dead_for_a_minute);
    tcase_add_loop_test(tests, primaries_of_two_systems_by_turns_are_a_split, 1, 4);
    tcase_add_loop_test(tests, so_are_those_of_whom_it_is_known_too_late, 2, 4);
    tcase_add_loop_test(tests, until_it_says_of_which_system_it_is_another_one_counts_for_nothing,
                        2, 4);
    tcase_add_test(tests, where_all_are_of_another_system_it_is_the_one_that_counts);
    tcase_add_test(tests, but_not_as_long_as_one_is_of_the_old_one);
    tcase_add_test(tests, or_does_not_answer);
    return suite_run(suite);
}
