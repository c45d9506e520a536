/*
 * test_cluster_splits.c - a name that leads to two primaries by turns is a split, until one of them
 * alone has led for a minute. Splits that standbys show: test_cluster_followers.c.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

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

/* The machine was suspended: nobody was asked in that hour. */
START_TEST(that_an_hour_in_which_nobody_was_asked_does_not_end) {
    name_leads_to_both();
    pair.primary_is_silent = true;
    pair.now_ns += 3600000 * PAIR_MS;
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

int main(void) {
    Suite *suite = suite_create("cluster_splits");
    TCase *tests = suite_case(suite, "splits", set_up, tear_down, 0);
    tcase_add_test(tests, two_primaries_by_turns_are_a_split);
    tcase_add_test(tests, that_an_hour_in_which_nobody_was_asked_does_not_end);
    tcase_add_test(tests, it_ends_when_one_of_them_alone_has_led_for_a_minute);
    tcase_add_test(tests, nor_does_it_end_sooner_where_more_is_asked);
    tcase_add_test(tests, it_ends_when_the_name_is_dead_for_a_minute);
    return suite_run(suite);
}
