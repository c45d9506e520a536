/*
 * test_cluster_waits.c - where a replica can be told to wait for a position, one wait takes the
 * place of many questions, and is no more than they were: it says when to look.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

static void set_up(void) {
    pair_open(&pair, "policy = read_index\nmax_wait_ms = 60000\non_replica_failure = primary");
}

static void tear_down(void) {
    pair_close(&pair);
}

static void miss(uint64_t tag) {
    ck_assert_uint_ne(pair.reads_out[tag].id, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
}

/* A read that has missed on the standby, also when it looked there on the way, and awaits what the
 * primary had flushed then, for as long as there is time. */
static uint64_t start_and_miss(uint64_t tag) {
    const uint64_t id = pair_start(&pair, tag, 0);
    const int asked = pair.waits_seen + pair.watches_seen;
    miss(tag);
    ck_assert_int_eq(pair.waits_seen + pair.watches_seen, asked); /* the first look itself asks */
    for (uint64_t ms = 1; ms <= 8; ms *= 2) {
        miss(tag);
        pair_time_passes(&pair, ms);
    }
    miss(tag);
    ck_assert_uint_eq(pair.reads_out[tag].id, 0);
    return id;
}

static bool is_read_again(uint64_t tag) {
    const struct rp_action *read = &pair.reads_out[tag];
    return read->id != 0 && read->server == PAIR_STANDBY && read->target == RP_TARGET_REPLICA;
}

START_TEST(one_wait_takes_the_place_of_questions) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    ck_assert_str_eq(pair.wait_out.text, "WAIT FOR LSN '0/4000' WITH (TIMEOUT 200, NO_THROW)");
    /* It went out with the first await, and all looks left it alone. */
    ck_assert_uint_eq(pair.wait_out.limit_ns, pair.now_ns - 15 * PAIR_MS + 1200 * PAIR_MS);
    pair_time_passes(&pair, 400);
    ck_assert(!is_read_again(1));
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    ck_assert_ptr_nonnull(pair.reads_out[1].text); /* it has a question of its own */
    ck_assert_int_eq(pair.waits_seen, 1);
    ck_assert_int_eq(pair.watches_seen, 0);
}
END_TEST

/* Even then the read's own answer says what it proves: here, that the standby was not there. */
START_TEST(a_wait_proves_nothing) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    pair.flushed = pair.inserted;
    start_and_miss(1);
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
}
END_TEST

START_TEST(servers_and_hosts_that_cannot_are_asked) {
    pair.version = _i == 0 ? 180006 : 190000;
    pair_open_cluster(&pair, _i == 0 ? RP_CLUSTER_CAN_BLOCK : 0);
    start_and_miss(1);
    ck_assert_int_eq(pair.waits_seen, 0);
    pair_answer_watch(&pair); /* older than what the looks have said */
    pair_time_passes(&pair, 1);
    pair.replayed = pair.flushed;
    pair_answer_watch(&pair);
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(questions_are_counted_by_their_kind) {
    pair_open_cluster(&pair, _i == 0 ? 0 : RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.locates"), 1);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.watches"), _i == 0 ? 1 : 0);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.waits"), _i == 0 ? 0 : 1);
}
END_TEST

/* Looks on the way, of a standby that does not say on which timeline it is, and of one that does.
 */
START_TEST(looks_that_can_prove_nothing_are_counted) {
    pair.streamed = _i == 0 ? 0 : 1;
    pair.version = 150000;
    pair_open_cluster(&pair, 0);
    start_and_miss(1);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.unproven"), _i == 0 ? 5 : 0);
}
END_TEST

START_TEST(a_nearer_position_does_not_wait_behind_a_farther_one) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    pair_start(&pair, 2, 0x3800);
    pair_answer(&pair, &pair.reads_out[2], RP_FOUND,
                pair_says(&pair, PAIR_STANDBY)); /* below its floor */
    ck_assert_uint_ne(pair.watch_out.id, 0);
    pair_answer_watch(&pair);
    ck_assert_uint_eq(pair.reads_out[2].id, 0);
    pair_time_passes(&pair, 1);
    pair.replayed = 0x3900;
    pair_answer_watch(&pair);
    ck_assert(is_read_again(2));
    ck_assert(!is_read_again(1));
    /* Nobody is left who needs to be quicker than the wait. */
    pair_time_passes(&pair, 100);
    ck_assert_uint_eq(pair.watch_out.id, 0);
    ck_assert_int_eq(pair.dropped, 0);
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_farther_position_has_its_turn_next) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    pair.flushed = 0x8000;
    pair.inserted = 0x9000;
    start_and_miss(2);
    ck_assert_int_eq(pair.waits_seen + pair.watches_seen, 1);
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    ck_assert(!is_read_again(2));
    ck_assert_str_eq(pair.wait_out.text, "WAIT FOR LSN '0/8000' WITH (TIMEOUT 200, NO_THROW)");
    ck_assert_int_eq(pair.waits_seen, 2);
}
END_TEST

START_TEST(reads_that_await_the_same_share_a_wait) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    start_and_miss(2);
    ck_assert_int_eq(pair.waits_seen, 1);
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    ck_assert(is_read_again(2));
    ck_assert_int_eq(pair.waits_seen, 1);
}
END_TEST

START_TEST(nobody_waits_for_nobody) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    pair.calls->forget(pair.cluster, start_and_miss(1));
    pair_run(&pair);
    ck_assert_int_eq(pair.dropped, 0); /* it ends by itself */
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert_int_eq(pair.waits_seen, 1);
    start_and_miss(2);
    ck_assert_int_eq(pair.waits_seen, 2);
}
END_TEST

START_TEST(who_is_forgotten_before_the_wait_goes_out_is_not_waited_for) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    pair_start(&pair, 0, 0);
    pair.forgotten = pair_start(&pair, 1, 0);
    miss(1);
    /* By the same call of next the wait for read 1 is due, and read 0 is done. */
    pair.calls->answer(pair.cluster, pair.reads_out[0].id, RP_FOUND, NULL, NULL, pair.now_ns);
    miss(1);
    ck_assert_int_eq(pair.verdicts[0], RP_VERDICT_FOUND);
    ck_assert_int_eq(pair.waits_seen, 0);
    start_and_miss(2);
    ck_assert_int_eq(pair.waits_seen, 1);
}
END_TEST

/* What is known of the server stays as it is, and no read fails: the position is asked for, and a
 * second later a wait is tried again. */
START_TEST(a_wait_that_fails_gives_way_to_questions) {
    static const struct {
        int32_t outcome;
        const char *answer;
    } failures[] = {{RP_FAILED, NULL},      {RP_SERVER_GONE, NULL},           {RP_NOT_SENT, NULL},
                    {RP_ANSWERED, "maybe"}, {RP_ANSWERED, "not in recovery"}, {RP_ANSWERED, NULL}};
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    pair_answer(&pair, &pair.wait_out, failures[_i].outcome, failures[_i].answer);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    for (int i = 0; i < 900; i++) {
        pair_time_passes(&pair, 1);
        if (pair.watch_out.id != 0) {
            pair_answer_watch(&pair);
        }
    }
    ck_assert_int_gt(pair.watches_seen, 100);
    ck_assert_int_eq(pair.waits_seen, 1);
    for (int i = 0; i < 200 && pair.waits_seen == 1; i++) {
        pair_time_passes(&pair, 1);
        if (pair.watch_out.id != 0) {
            pair_answer_watch(&pair);
        }
    }
    ck_assert_int_eq(pair.waits_seen, 2);
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
}
END_TEST

/* Where it is, is not known any more: so the primary is asked, and not when all time is over. */
START_TEST(a_question_that_fails_ends_what_waits_for_it) {
    pair_open_cluster(&pair, 0);
    start_and_miss(1);
    pair_answer(&pair, &pair.watch_out, RP_FAILED, NULL);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
}
END_TEST

/* The wait's time is up, and the server itself is not where it should be. */
static void run_out(void) {
    pair_time_passes(&pair, 200);
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "timeout");
    ck_assert_uint_ne(pair.watch_out.id, 0);
    ck_assert_uint_eq(pair.wait_out.id, 0);
}

/* A question between two of them: it might be another server that waits. */
START_TEST(a_far_position_is_awaited_by_one_wait_after_the_other) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    for (int i = 1; i <= 50; i++) {
        run_out();
        pair_answer_watch(&pair);
        pair_time_passes(&pair, 5);
        ck_assert_int_eq(pair.waits_seen, i + 1);
        ck_assert_int_eq(pair.watches_seen, i);
    }
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    pair.replayed = pair.flushed;
    pair_answer(&pair, &pair.wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_wait_at_another_server_gives_way_to_questions) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    run_out();
    pair.replayed = pair.flushed;
    pair_answer_watch(&pair);
    ck_assert(is_read_again(1));
    pair.flushed = 0x8000;
    pair.inserted = 0x9000;
    const int waits = pair.waits_seen;
    start_and_miss(2);
    ck_assert_int_eq(pair.waits_seen, waits);
    ck_assert_uint_ne(pair.watch_out.id, 0);
}
END_TEST

START_TEST(a_wait_that_is_never_answered_is_dropped) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    const uint64_t late = pair.wait_out.id;
    pair_time_passes(&pair, 1501);
    ck_assert_int_eq(pair.dropped, 1);
    ck_assert_uint_ne(pair.watch_out.id, 0);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    pair.calls->answer(pair.cluster, late, RP_ANSWERED, "success", NULL, pair.now_ns);
    pair_run(&pair);
    ck_assert(!is_read_again(1));
    pair.replayed = pair.flushed;
    pair_answer_watch(&pair);
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_server_that_is_taken_out_is_waited_for_no_more) {
    pair_open_cluster(&pair, RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
    ck_assert_int_eq(pair.dropped, 1);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
}
END_TEST

/* It may be a number that nobody ever comes to. The primary knows, and is asked before anything is
 * awaited, if it answers. */
START_TEST(a_floor_beyond_all_that_is_known_is_located_first) {
    static const uint64_t floors[] = {0x6000, 0x5000, 0x6000};
    const bool located = _i == 0;
    pair_open_cluster(&pair, 0);
    pair.holds_locates = true;
    pair.primary_is_gone = _i == 2;
    pair_time_passes(&pair, 2000);
    pair_start(&pair, 1, floors[_i]);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.locates_seen, located ? 1 : 0);
    ck_assert_int_eq(pair.watches_seen, located ? 0 : 1);
    if (located) {
        pair_answer(&pair, &pair.locate_out, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY));
        ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    } else {
        pair.replayed = 0x6000;
        pair_answer_watch(&pair);
        ck_assert(is_read_again(1));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_waits");
    TCase *tests = suite_case(suite, "waits", set_up, tear_down, 0);
    tcase_add_test(tests, one_wait_takes_the_place_of_questions);
    tcase_add_test(tests, a_wait_proves_nothing);
    tcase_add_loop_test(tests, servers_and_hosts_that_cannot_are_asked, 0, 2);
    tcase_add_loop_test(tests, questions_are_counted_by_their_kind, 0, 2);
    tcase_add_loop_test(tests, looks_that_can_prove_nothing_are_counted, 0, 2);
    tcase_add_test(tests, a_nearer_position_does_not_wait_behind_a_farther_one);
    tcase_add_test(tests, a_farther_position_has_its_turn_next);
    tcase_add_test(tests, reads_that_await_the_same_share_a_wait);
    tcase_add_test(tests, nobody_waits_for_nobody);
    tcase_add_test(tests, who_is_forgotten_before_the_wait_goes_out_is_not_waited_for);
    tcase_add_loop_test(tests, a_wait_that_fails_gives_way_to_questions, 0, 6);
    tcase_add_test(tests, a_question_that_fails_ends_what_waits_for_it);
    tcase_add_test(tests, a_far_position_is_awaited_by_one_wait_after_the_other);
    tcase_add_test(tests, a_wait_at_another_server_gives_way_to_questions);
    tcase_add_test(tests, a_wait_that_is_never_answered_is_dropped);
    tcase_add_test(tests, a_server_that_is_taken_out_is_waited_for_no_more);
    tcase_add_loop_test(tests, a_floor_beyond_all_that_is_known_is_located_first, 0, 3);
    return suite_run(suite);
}
