/*
 * test_cluster_hits.c - what a read may not pass by on the straight way of a hit.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

static void open_pair(const char *keys, uint32_t flags) {
    pair_open(&pair, keys);
    pair.version = 150000;
    pair_open_cluster(&pair, flags);
}

static void tear_down(void) {
    pair_close(&pair);
}

static uint64_t position_of_standby(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_STANDBY, &info), RP_OK);
    return info.position;
}

START_TEST(a_hit_is_found) {
    open_pair("policy = replica_then_primary", 0);
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(in_a_rehearsal_the_first_one_is_a_miss) {
    open_pair("policy = replica_then_primary\nreplica_retry_min_ms = 50\nreplica_retry_max_ms = 50",
              RP_CLUSTER_FIRST_MISSES);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    pair_time_passes(&pair, 51);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(what_was_said_beside_it_is_heard) {
    open_pair("policy = read_index", 0);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_ptr_nonnull(pair.reads_out[1].text);
    pair.replayed += 0x1000;
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
    ck_assert_uint_eq(position_of_standby(), pair.replayed);
}
END_TEST

/* It has answered nothing for as long as a read waited for it. */
START_TEST(a_silent_replica_is_not_read) {
    open_pair("policy = replica_only", 0);
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = pair.now_ns,
                                       .deadline_ns = pair.now_ns + 40 * PAIR_MS,
                                       .entropy = 1};
    uint64_t id;
    ck_assert_int_eq(pair.calls->start(pair.cluster, pair.section.policy, &request, 1, &id), RP_OK);
    pair_run(&pair);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    pair_time_passes(&pair, 31);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    pair_start(&pair, 2, 0);
    ck_assert_uint_eq(pair.reads_out[2].id, 0);
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FAILED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_hits");
    TCase *tests = suite_case(suite, "hits", NULL, tear_down, 0);
    tcase_add_test(tests, a_hit_is_found);
    tcase_add_test(tests, in_a_rehearsal_the_first_one_is_a_miss);
    tcase_add_test(tests, what_was_said_beside_it_is_heard);
    tcase_add_test(tests, a_silent_replica_is_not_read);
    return suite_run(suite);
}
