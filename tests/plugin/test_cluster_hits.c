/*
 * test_cluster_hits.c - what a read may not pass by on the straight way of a hit.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/seeded_random.h"
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

static struct rp_server_info standby(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_STANDBY, &info), RP_OK);
    return info;
}

START_TEST(a_hit_is_found) {
    open_pair("policy = replica_then_primary", 0);
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(a_read_of_the_primary_goes_there) {
    open_pair("policy = primary_only", 0);
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    ck_assert_int_eq(pair.reads_out[1].target, RP_TARGET_PRIMARY);
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

START_TEST(a_retry_that_finds_is_counted) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    open_pair("policy = replica_then_primary\nreplica_retry_min_ms = 50\nreplica_retry_max_ms = 50",
              0);
    for (uint64_t tag = 1; tag <= 2; tag++) {
        pair_start(&pair, tag, 0);
        if (tag == 1) {
            pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, NULL);
            pair_time_passes(&pair, 51);
        }
        pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, NULL);
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
    }
    ck_assert_int_eq(pair.section.plugin.table->metrics(pair.section.set, 0, &metric), RP_OK);
    ck_assert_str_eq(metric.attribute_value, "replica_retry");
    ck_assert_uint_eq(metric.value, 1);
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
    ck_assert_uint_eq(standby().position, pair.replayed);
}
END_TEST

/* It has answered nothing for as long as a read waited for it, which was long enough. */
START_TEST(a_silent_replica_is_not_read) {
    open_pair("policy = replica_only", 0);
    pair_start_within(&pair, 1, 140);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    pair_time_passes(&pair, 106);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    pair_start(&pair, 2, 0);
    ck_assert_uint_eq(pair.reads_out[2].id, 0);
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FAILED);
}
END_TEST

/* Time may go on a long way at once. */
START_TEST(no_timer_outlives_a_hit) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    open_pair("policy = replica_then_primary", 0);
    pair_start_within(&pair, 1, 40);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    pair.verdicts[1] = RP_VERDICT_NONE;
    pair.now_ns += 60 * PAIR_MS;
    pair_run(&pair);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_uint_eq(info.reads, 0);
}
END_TEST

START_TEST(a_hit_tells_where_its_server_was) {
    struct rp_action action = {.struct_size = sizeof action};
    open_pair("policy = replica_then_primary", 0);
    pair_start(&pair, 1, 0);
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_FOUND, NULL, "0/3000", pair.now_ns);
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &action, &pair.wake_ns), 1);
    ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    ck_assert_uint_eq(action.position, 0x3000);
}
END_TEST

/* A hit, or a miss. */
START_TEST(an_answer_ends_a_back_off) {
    const int32_t outcomes[] = {RP_FOUND, RP_PARTIAL, RP_MISSING};
    open_pair("policy = replica_only", 0);
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_SERVER_GONE, NULL, NULL, pair.now_ns);
    ck_assert_uint_ne(standby().backing_off_ns, 0);
    pair.calls->answer(pair.cluster, pair.reads_out[2].id, outcomes[_i], NULL, NULL, pair.now_ns);
    ck_assert_uint_eq(standby().backing_off_ns, 0);
}
END_TEST

/* However long it is away. */
START_TEST(no_back_off_is_longer_than_five_seconds) {
    uint64_t longest_ns = 0;
    open_pair("policy = replica_only", 0);
    pair.standby_is_gone = true;
    for (int i = 0; i < 1200; i++) {
        pair_time_passes(&pair, 100);
        const uint64_t now_ns = standby().backing_off_ns;
        longest_ns = now_ns > longest_ns ? now_ns : longest_ns;
    }
    ck_assert_uint_gt(longest_ns, 2500 * PAIR_MS);
    ck_assert_uint_le(longest_ns, 5000 * PAIR_MS);
}
END_TEST

START_TEST(a_conflict_is_asked_again_once) {
    open_pair("policy = replica_only", 0);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_CONFLICT, NULL);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_CONFLICT, NULL);
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.conflicts"), 1);
}
END_TEST

/* One that can tell nothing of itself is a replica by the operator's word. */
START_TEST(without_its_question_a_replica_keeps_no_floor) {
    open_pair("policy = replica_only", 0);
    pair.standby_is_blind = true;
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_REPLICA, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 5000);
    pair_start(&pair, 1, 0x900000);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    ck_assert_ptr_null(pair.reads_out[1].text);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.behind"), 1);
}
END_TEST

/* In the words of the policy. */
START_TEST(a_read_that_is_overdue_tells_what_it_was_at) {
    open_pair(
        "policy = replica_then_primary\nreplica_retry_min_ms = 20\nreplica_retry_max_ms = 20\n"
        "on_replica_failure = primary",
        0);
    for (uint64_t tag = 1; tag <= 4; tag++) {
        pair_start_within(&pair, tag, 40);
    }
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    pair_answer(&pair, &pair.reads_out[2], RP_MISSING, NULL);
    pair_answer(&pair, &pair.reads_out[3], RP_FAILED, NULL);
    ck_assert_uint_eq(pair.reads_out[3].server, PAIR_PRIMARY);
    pair_time_passes(&pair, 21);
    pair_answer(&pair, &pair.reads_out[2], RP_MISSING, NULL);
    ck_assert_uint_eq(pair.reads_out[2].server, PAIR_PRIMARY);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair.now_ns += 40 * PAIR_MS;
    pair_run(&pair);
    ck_assert_str_eq(pair.during[1], "replica_retry");
    ck_assert_str_eq(pair.during[2], "primary_fallback");
    ck_assert_str_eq(pair.during[3], "primary_fallback");
    ck_assert_ptr_null(pair.during[4]);
    for (uint64_t tag = 1; tag <= 4; tag++) {
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
    }
}
END_TEST

/* Nothing was missed: the replica is behind the position that was brought, or cannot tell. */
START_TEST(one_for_a_position_does_so_too) {
    open_pair(_i == 2   ? "policy = replica_backoff"
              : _i == 3 ? "policy = primary_only"
                        : "policy = replica_then_primary\nreplica_retry_min_ms = 20\n"
                          "replica_retry_max_ms = 20",
              0);
    static const char *const during[] = {"replica_retry", "primary_fallback", "primary_fallback",
                                         NULL};
    const uint64_t floor = pair.replayed + 0x1000;
    pair_start_at_within(&pair, 1, floor, 40);
    if (_i < 2) {
        pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
        pair_time_passes(&pair, 21);
        ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    }
    if (_i == 1) {
        pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    }
    ck_assert_uint_eq(pair.reads_out[1].server, _i == 0 ? PAIR_STANDBY : PAIR_PRIMARY);
    pair.now_ns += 40 * PAIR_MS;
    pair_run(&pair);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    ck_assert_pstr_eq(pair.during[1], during[_i]);
}
END_TEST

/* Of the reads that are out, those whose limit has come have failed, and no other. */
static void check_limits(const uint64_t limits[PAIR_MAX_READS]) {
    for (int tag = 1; tag < PAIR_MAX_READS; tag++) {
        if (pair.reads_out[tag].id != 0) {
            const bool is_over = limits[tag] <= pair.now_ns;
            ck_assert_int_eq(pair.verdicts[tag], is_over ? RP_VERDICT_FAILED : RP_VERDICT_NONE);
            ck_assert(is_over || pair.wake_ns <= limits[tag]);
        }
    }
}

/* However their limits follow each other, and whoever is answered in between. */
START_TEST(every_read_ends_at_its_own_limit) {
    uint64_t limits[PAIR_MAX_READS] = {0};
    uint64_t random = (uint64_t)_i + 1;
    open_pair("policy = replica_only", 0);
    for (int round = 0; round < 600; round++) {
        const uint64_t drawn = next_random(&random) >> 8;
        const int tag = (int)(drawn % PAIR_MAX_READS);
        if (round > 0 && round < PAIR_MAX_READS) {
            pair_start_within(&pair, (uint64_t)round, 100 + 4 * (drawn % 100));
            limits[round] = pair.reads_out[round].limit_ns;
            ck_assert_uint_ne(limits[round], 0);
        }
        if (pair.reads_out[tag].id != 0 && pair.verdicts[tag] == RP_VERDICT_NONE) {
            pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, NULL);
            ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
        }
        pair_time_passes(&pair, round < PAIR_MAX_READS ? 1 : drawn % 2);
        check_limits(limits);
    }
}
END_TEST

static struct rp_action next_action(void) {
    struct rp_action action = {.struct_size = sizeof action};
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &action, &pair.wake_ns), 1);
    return action;
}

static void begin_within(uint64_t tag, uint64_t ms) {
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = pair.now_ns,
                                       .deadline_ns = pair.now_ns + ms * PAIR_MS};
    uint64_t id;
    ck_assert_int_eq(pair.calls->start(pair.cluster, pair.section.policy, &request, tag, &id),
                     RP_OK);
}

/* A host may do something else as soon as it has what it needs. What is overdue then comes before
 * what it wants next: of a read that has the first limit of all, and of one that has the last. */
START_TEST(time_counts_before_next_has_said_nothing) {
    open_pair("policy = replica_only", 0);
    begin_within(1, 40);
    const struct rp_action first = next_action();
    begin_within(2, _i == 0 ? 80 : 20);
    const struct rp_action second = next_action();
    pair.now_ns = first.limit_ns < second.limit_ns ? first.limit_ns : second.limit_ns;
    begin_within(3, 400);
    ck_assert_int_eq(next_action().kind, RP_ACTION_DROP);
}
END_TEST

START_TEST(an_actions_id_does_not_forget_its_read) {
    open_pair("policy = replica_then_primary", 0);
    pair_start(&pair, 1, 0);
    pair.calls->forget(pair.cluster, pair.reads_out[1].id);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(a_reads_id_is_no_actions) {
    open_pair("policy = replica_then_primary", 0);
    const uint64_t id = pair_start(&pair, 1, 0);
    pair.calls->answer(pair.cluster, id, RP_SERVER_GONE, NULL, NULL, pair.now_ns);
    pair_run(&pair);
    ck_assert_uint_eq(standby().backing_off_ns, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_hits");
    TCase *tests = suite_case(suite, "hits", NULL, tear_down, 0);
    tcase_add_test(tests, a_hit_is_found);
    tcase_add_test(tests, a_read_of_the_primary_goes_there);
    tcase_add_test(tests, in_a_rehearsal_the_first_one_is_a_miss);
    tcase_add_test(tests, a_retry_that_finds_is_counted);
    tcase_add_test(tests, what_was_said_beside_it_is_heard);
    tcase_add_test(tests, a_silent_replica_is_not_read);
    tcase_add_test(tests, no_timer_outlives_a_hit);
    tcase_add_test(tests, a_hit_tells_where_its_server_was);
    tcase_add_loop_test(tests, an_answer_ends_a_back_off, 0, 3);
    tcase_add_test(tests, no_back_off_is_longer_than_five_seconds);
    tcase_add_test(tests, a_conflict_is_asked_again_once);
    tcase_add_test(tests, without_its_question_a_replica_keeps_no_floor);
    tcase_add_test(tests, a_read_that_is_overdue_tells_what_it_was_at);
    tcase_add_loop_test(tests, one_for_a_position_does_so_too, 0, 4);
    tcase_add_loop_test(tests, every_read_ends_at_its_own_limit, 0, 20);
    tcase_add_loop_test(tests, time_counts_before_next_has_said_nothing, 0, 2);
    tcase_add_test(tests, an_actions_id_does_not_forget_its_read);
    tcase_add_test(tests, a_reads_id_is_no_actions);
    return suite_run(suite);
}
