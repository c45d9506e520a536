/*
 * test_cluster_splits.c - what is known of a split lasts until an answer says otherwise.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

static void set_up(void) {
    pair_open(&pair, "policy = primary_only");
    pair.version = 150000;
    pair.replayed = pair.inserted;
    pair_open_cluster(&pair, 0);
}

static void tear_down(void) {
    pair_close(&pair);
}

static int32_t verdict_on_a_miss(uint64_t tag) {
    pair_start(&pair, tag, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    return pair.verdicts[tag];
}

static void standby_streams(uint32_t timeline) {
    pair.streamed = timeline;
    pair_time_passes(&pair, 2500);
}

/* Of a primary that nobody here knows. */
START_TEST(a_standby_on_a_newer_timeline_is_a_split) {
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_NOT_FOUND);
    standby_streams(2);
    ck_assert_int_eq(verdict_on_a_miss(2), RP_VERDICT_FAILED);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
}
END_TEST

/* Its receiver restarts: which timeline it follows is unknown, and that is no news. */
START_TEST(that_does_not_end_when_it_stops_to_stream) {
    standby_streams(2);
    standby_streams(0);
    ck_assert_int_eq(verdict_on_a_miss(1), RP_VERDICT_FAILED);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_splits");
    TCase *tests = suite_case(suite, "splits", set_up, tear_down, 0);
    tcase_add_test(tests, a_standby_on_a_newer_timeline_is_a_split);
    tcase_add_test(tests, that_does_not_end_when_it_stops_to_stream);
    return suite_run(suite);
}
