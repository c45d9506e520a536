/*
 * test_cluster_ahead.c - a standby that has replayed more than its primary has written, and when it
 * counts again.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = read_index\non_replica_failure = primary", 0);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}

static void tear_down(void) {
    pair_close(&pair);
}

static void it_is_out(void) {
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
}

/* It comes back, and has written so much. */
static void primary_starts_at(uint32_t position) {
    pair.leader++;
    pair.inserted = pair.flushed = position;
    pair_time_passes(&pair, 2500);
}

static void primary_is_restored(void) {
    pair.replayed = 0x9000;
    primary_starts_at(0x5000);
    it_is_out();
}

START_TEST(it_is_out_when_the_primary_has_passed_it) {
    primary_is_restored();
    pair.inserted = pair.flushed = 0xB000;
    pair_time_passes(&pair, 2500);
    it_is_out();
}
END_TEST

START_TEST(and_when_that_one_is_restarted) {
    primary_is_restored();
    for (uint32_t position = 0xB000; position < 0xE000; position += 0x1000) {
        primary_starts_at(position);
        it_is_out();
    }
}
END_TEST

/* Nor while nobody has compared it with the one that is there now. */
START_TEST(not_for_a_moment_is_it_back) {
    primary_is_restored();
    pair.looks = it_is_out;
    primary_starts_at(0xB000);
    it_is_out();
    pair.looks = NULL;
}
END_TEST

static uint64_t instance_of_primary(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_PRIMARY, &info), RP_OK);
    return info.instance;
}

/* It has gone on beside a primary that was lost and restored: what it told before that one was
 * heard, though no more than the restored one has written, does not speak for it. */
START_TEST(nor_by_what_it_told_before_the_primary_came_back) {
    pair.primary_is_gone = true;
    pair.replayed = 0x6000;
    pair_time_passes(&pair, 2500);
    pair.replayed = 0x9000;
    pair.leader++;
    pair.inserted = pair.flushed = 0x7000;
    pair.primary_is_gone = false;
    for (int ms = 0; ms < 1000 && instance_of_primary() != pair.leader; ms++) {
        pair_time_passes(&pair, 1);
    }
    ck_assert_uint_eq(instance_of_primary(), pair.leader);
    it_is_out();
}
END_TEST

START_TEST(it_is_back_when_it_follows_the_next_one) {
    primary_is_restored();
    primary_starts_at(0xB000);
    pair.replayed = 0xA000;
    pair_time_passes(&pair, 2500);
    it_is_out();
    pair.replayed = 0xB000;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

/* The right one, which has written nothing since. */
START_TEST(at_once_where_it_is_level_with_it) {
    primary_is_restored();
    primary_starts_at(0x9000);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

START_TEST(never_where_it_comes_to_one_that_it_was_ahead_of) {
    primary_is_restored();
    primary_starts_at(0xB000);
    primary_starts_at(0x8000);
    pair.inserted = pair.flushed = pair.replayed = 0xB000;
    pair_time_passes(&pair, 2500);
    it_is_out();
}
END_TEST

/* It comes from a primary that is not: what that one sends it has flushed. */
START_TEST(never_where_the_next_one_had_not_flushed_so_much) {
    primary_is_restored();
    pair.inserted = 0xB000;
    pair.flushed = 0x8000;
    pair.leader++;
    pair_time_passes(&pair, 2500);
    it_is_out();
    pair.flushed = 0xB000;
    pair_time_passes(&pair, 2500);
    it_is_out();
}
END_TEST

/* It is not ahead of nobody, so hits go on; but what it has replayed keeps no floor. */
START_TEST(it_serves_while_there_is_no_primary) {
    primary_is_restored();
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
    pair_start(&pair, 2, 0x100);
    pair_answer(&pair, &pair.reads_out[2], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_ne(pair.verdicts[2], RP_VERDICT_FOUND);
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 2500);
    it_is_out();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_ahead");
    TCase *tests = suite_case(suite, "ahead", set_up, tear_down, 0);
    tcase_add_test(tests, it_is_out_when_the_primary_has_passed_it);
    tcase_add_test(tests, and_when_that_one_is_restarted);
    tcase_add_test(tests, not_for_a_moment_is_it_back);
    tcase_add_test(tests, nor_by_what_it_told_before_the_primary_came_back);
    tcase_add_test(tests, it_is_back_when_it_follows_the_next_one);
    tcase_add_test(tests, at_once_where_it_is_level_with_it);
    tcase_add_test(tests, never_where_it_comes_to_one_that_it_was_ahead_of);
    tcase_add_test(tests, never_where_the_next_one_had_not_flushed_so_much);
    tcase_add_test(tests, it_serves_while_there_is_no_primary);
    return suite_run(suite);
}
