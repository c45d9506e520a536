/*
 * test_cluster_silence.c - what a read that is not answered in its time says of its server to
 * others.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

/* Right after a poll, so that for a second nothing but what the test has asked for is answered. */
static void open_pair(const char *keys) {
    pair_open_level(&pair, keys, 0);
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    pair_close(&pair);
}

static void is_given_up(uint64_t tag, uint64_t deadline_ms) {
    pair_start_within(&pair, tag, deadline_ms);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY);
    pair_time_passes(&pair, deadline_ms);
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
}

START_TEST(one_in_a_hurry_takes_no_replica_from_others) {
    open_pair("policy = replica_then_primary");
    for (uint64_t tag = 1; tag < 20; tag++) {
        is_given_up(tag, 4);
    }
    pair_start(&pair, 20, 0);
    pair_answer(&pair, &pair.reads_out[20], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[20], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(but_has_the_server_asked_at_once) {
    open_pair("policy = replica_then_primary");
    const uint64_t before = pair_counter(&pair, "cluster.polls");
    is_given_up(1, 4);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.polls"), before + 1);
}
END_TEST

/* The host's other questions are not to drown in these. */
START_TEST(and_not_again_and_again) {
    open_pair("policy = replica_then_primary");
    const uint64_t before = pair_counter(&pair, "cluster.polls");
    for (uint64_t tag = 1; tag < 40; tag++) {
        is_given_up(tag, 4);
    }
    ck_assert_uint_le(pair_counter(&pair, "cluster.polls"), before + 9);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_silence");
    TCase *tests = suite_case(suite, "silence", NULL, tear_down, 0);
    tcase_add_test(tests, one_in_a_hurry_takes_no_replica_from_others);
    tcase_add_test(tests, but_has_the_server_asked_at_once);
    tcase_add_test(tests, and_not_again_and_again);
    return suite_run(suite);
}
