/*
 * test_cluster_followers.c - a standby that follows somebody newer than the primary: what it has
 * told of that stays, whether it streams or not.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

static struct scripted_pair pair;

#define TO_PRIMARY                                                                                 \
    "policy = replica_then_primary\nreplica_retry_max_ms = 0\non_replica_failure = primary"

static void set_up(void) {
    pair_open_level(&pair, TO_PRIMARY, 0);
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    pair_close(&pair);
}

/* It streams that timeline for a while, and then nothing. */
static void stream_for_a_while(uint32_t timeline) {
    pair.streamed = timeline;
    pair_time_passes(&pair, 2500);
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
}

/* One answer alone says that it streams that timeline. */
static void say_once(uint32_t timeline) {
    pair_start(&pair, 9, 1);
    ck_assert_uint_eq(pair.reads_out[9].server, PAIR_STANDBY);
    pair.streamed = timeline;
    pair_answer(&pair, &pair.reads_out[9], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
}

/* How many notices with these words there are by now. */
static int told(const char *words) {
    struct rp_notice notice = {.struct_size = sizeof notice};
    int count = 0;
    while (pair.calls->notice(pair.cluster, &notice)) {
        count += strstr(notice.text, words) != NULL;
    }
    return count;
}

/* And nobody knows whether its primary is another one. */
static void expect_it_is_out(void) {
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}

/* The primary has removed the segment that it needs, so that its receiver ends as soon as it has
 * begun, again and again, and says in between that it streams. */
START_TEST(a_receiver_that_begins_again_and_again_is_told_of_once) {
    for (int i = 0; i < 5; i++) {
        stream_for_a_while(1);
        pair_time_passes(&pair, 2500);
    }
    ck_assert_int_eq(told("does not stream"), 1);
    pair.streamed = 1;
    pair_time_passes(&pair, 65000);
    ck_assert_int_eq(told("does not stream"), 0);
    pair.streamed = 0;
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(told("does not stream"), 1);
}
END_TEST

/* Three polls, however many reads hear of it in between. */
START_TEST(one_that_begins_anew_is_given_time) {
    pair.streamed = 0;
    for (int i = 0; i < 10; i++) {
        pair_start(&pair, 9, 1);
        pair_answer(&pair, &pair.reads_out[9], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
        pair_time_passes(&pair, 10);
    }
    pair_time_passes(&pair, 1000);
    pair.streamed = 1;
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(told("does not stream"), 0);
}
END_TEST

START_TEST(who_streams_the_primarys_timeline_is_its_replica) {
    stream_for_a_while(1);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(who_has_streamed_a_newer_one_is_out_for_good) {
    stream_for_a_while(2);
    expect_it_is_out();
}
END_TEST

/* Not even what it says of an older one, which it cannot follow any more. */
START_TEST(nothing_that_it_says_later_ends_that) {
    stream_for_a_while(2);
    stream_for_a_while(1);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}
END_TEST

/* What the primary has said of itself before it led, by another name, is not that it leads still,
 * however late it was asked: it may be dead, as in any failover. */
START_TEST(nor_has_the_primary_led_since_by_what_it_said_as_a_standby) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 2000);
    struct rp_action before = pair_next_poll(&pair, PAIR_PRIMARY);
    say_once(3);
    struct rp_action after = pair_next_poll(&pair, PAIR_ALIAS);
    pair.calls->answer(pair.cluster, after.id, RP_ANSWERED, "rp1 a2 c r 0/5000 - 1 1 7001 -", NULL,
                       pair.now_ns);
    pair.alias_is_silent = pair.primary_is_gone = true;
    pair_answer(&pair, &before, RP_ANSWERED, "rp1 a2 c p 0/5000 0/5000 00000002 7001 -");
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_int_eq(info.split, 0);
}
END_TEST

/* Its questions fail: by a timeout, or since a right was taken away. */
static void it_goes_blind(void) {
    stream_for_a_while(2);
    pair.standby_is_blind = true;
    pair_time_passes(&pair, 20000);
}

START_TEST(nor_that_it_can_tell_nothing_any_more) {
    it_goes_blind();
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(so_is_one_whose_restart_point_is_newer) {
    pair.streamed = 0;
    pair.restart_point = 2;
    pair_time_passes(&pair, 2500);
    expect_it_is_out();
}
END_TEST

START_TEST(one_answer_is_enough) {
    say_once(2);
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}
END_TEST

/* While read 1 is with it. */
static void lose_the_primary_to_a_newer_one(void) {
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    pair.primary_is_gone = true;
    pair.streamed = 2;
    pair_time_passes(&pair, 2500);
}

/* The primary is lost, and may be dead: but what it was asked before that is none's word. */
START_TEST(a_primary_that_was_lost_meanwhile_counts_for_nothing) {
    lose_the_primary_to_a_newer_one();
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* That it is back, a read's words say first, which are of before: what it says next is a split, and
 * no floor is kept. */
START_TEST(when_it_is_back_both_lead) {
    lose_the_primary_to_a_newer_one();
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(told("split:"), 0);
    pair.primary_is_gone = false;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(told("split:"), 1);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
}
END_TEST

/* It finds the row on whatever standby it is read; the primary is gone. */
static int32_t verdict_at_a_floor(void) {
    pair_start(&pair, 1, 1);
    while (pair.reads_out[1].id != 0) {
        const uint32_t server = pair.reads_out[1].server;
        if (server == PAIR_PRIMARY) {
            pair_answer(&pair, &pair.reads_out[1], RP_SERVER_GONE, NULL);
        } else {
            pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, server));
        }
    }
    return pair.verdicts[1];
}

/* Whoever leads there may have written the floor, and another standby of the older one has not what
 * it wrote. */
START_TEST(what_one_follows_no_other_keeps_a_floor_without) {
    pair.alias_replayed = pair.replayed;
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 2000);
    pair.primary_is_gone = true;
    pair_time_passes(&pair, 2000);
    ck_assert_int_eq(verdict_at_a_floor(), RP_VERDICT_FOUND);
    say_once(2);
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(verdict_at_a_floor(), RP_VERDICT_FAILED);
}
END_TEST

static void ask_the_primary(void) {
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    pair_run(&pair);
}

/* By its second name the primary was last asked before the standby told of the newer timeline. */
START_TEST(what_the_primary_said_by_one_name_counts_when_that_falls_silent) {
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 2000);
    pair.alias_is_silent = true;
    say_once(2);
    ask_the_primary();
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    pair.primary_is_silent = true;
    ask_the_primary();
    for (int i = 0; i < 30; i++) {
        pair_time_passes(&pair, 100);
        ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    }
}
END_TEST

/* It may have been damaged on its way. */
START_TEST(but_one_that_is_contradicted_is_not) {
    say_once(2);
    pair.streamed = 1;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* What it was asked before it had told of that contradicts nothing. */
START_TEST(nor_by_what_was_asked_before) {
    pair_start(&pair, 8, 1);
    pair_start(&pair, 9, 1);
    pair.streamed = 2;
    pair_answer(&pair, &pair.reads_out[8], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    pair.streamed = 1;
    pair_answer(&pair, &pair.reads_out[9], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
    expect_it_is_out();
}
END_TEST

static void open_pair_of_19(const char *keys) {
    pair_close(&pair);
    pair_open(&pair, keys);
    pair.tells_replayed = true;
    pair.replayed = pair.inserted;
    pair_open_cluster(&pair, 0);
    pair_time_passes(&pair, 2000);
}

/* From 19 on it tells then what it has replayed, which is of the old one still. */
START_TEST(one_answer_of_19_is_enough_too) {
    open_pair_of_19(TO_PRIMARY);
    say_once(2);
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
    expect_it_is_out();
}
END_TEST

START_TEST(so_is_one_of_19_that_is_contradicted) {
    open_pair_of_19(TO_PRIMARY);
    say_once(2);
    pair.streamed = 1;
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

/* Read 1 misses on the standby, and there again after what was located. */
static int32_t role_that_answers_a_miss_of_19(void) {
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    return pair.verdicts[1] == RP_VERDICT_NONE ? pair.reads_out[1].target : RP_TARGET_REPLICA;
}

START_TEST(one_of_19_proves_what_it_misses) {
    open_pair_of_19("policy = read_index");
    ck_assert_int_eq(role_that_answers_a_miss_of_19(), RP_TARGET_REPLICA);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NOT_FOUND);
}
END_TEST

/* It may be on its way along what its primary has lost, since the last poll. */
START_TEST(but_not_while_nothing_is_streamed) {
    open_pair_of_19("policy = read_index");
    pair.streamed = 0;
    ck_assert_int_eq(role_that_answers_a_miss_of_19(), RP_TARGET_PRIMARY);
}
END_TEST

/* It was asked before those that have been heard since. */
START_TEST(nor_does_it_come_too_late) {
    pair_start(&pair, 9, 1);
    pair_time_passes(&pair, 2500);
    pair.streamed = 2;
    pair_answer(&pair, &pair.reads_out[9], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
    expect_it_is_out();
}
END_TEST

START_TEST(a_reload_forgets_it) {
    stream_for_a_while(2);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Before everybody has been asked anew. */
START_TEST(but_not_what_is_told_after_it) {
    pair.primary_is_silent = true;
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_run(&pair);
    say_once(2);
    pair.streamed = 0;
    pair_time_passes(&pair, 2500);
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 2500);
    expect_it_is_out();
}
END_TEST

START_TEST(of_one_that_can_tell_nothing_too) {
    it_goes_blind();
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(but_not_what_it_says_then) {
    stream_for_a_while(2);
    pair.streamed = 2;
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}
END_TEST

/* As in every failover of which a standby tells first. */
START_TEST(one_that_was_out_for_a_moment_is_not_dialled_anew) {
    pair.redialled = 0;
    pair.streamed = 2;
    pair_time_passes(&pair, 1500);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    pair.timeline = 2;
    pair_time_passes(&pair, 15000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair.redialled, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_followers");
    TCase *tests = suite_case(suite, "followers", set_up, tear_down, 0);
    tcase_add_test(tests, a_receiver_that_begins_again_and_again_is_told_of_once);
    tcase_add_test(tests, one_that_begins_anew_is_given_time);
    tcase_add_test(tests, who_streams_the_primarys_timeline_is_its_replica);
    tcase_add_test(tests, who_has_streamed_a_newer_one_is_out_for_good);
    tcase_add_test(tests, nothing_that_it_says_later_ends_that);
    tcase_add_test(tests, nor_that_it_can_tell_nothing_any_more);
    tcase_add_test(tests, so_is_one_whose_restart_point_is_newer);
    tcase_add_test(tests, one_answer_is_enough);
    tcase_add_test(tests, a_primary_that_was_lost_meanwhile_counts_for_nothing);
    tcase_add_test(tests, when_it_is_back_both_lead);
    tcase_add_test(tests, what_the_primary_said_by_one_name_counts_when_that_falls_silent);
    tcase_add_test(tests, but_one_that_is_contradicted_is_not);
    tcase_add_test(tests, what_one_follows_no_other_keeps_a_floor_without);
    tcase_add_test(tests, nor_by_what_was_asked_before);
    tcase_add_test(tests, one_answer_of_19_is_enough_too);
    tcase_add_test(tests, so_is_one_of_19_that_is_contradicted);
    tcase_add_test(tests, one_of_19_proves_what_it_misses);
    tcase_add_test(tests, but_not_while_nothing_is_streamed);
    tcase_add_test(tests, nor_does_it_come_too_late);
    tcase_add_test(tests, a_reload_forgets_it);
    tcase_add_test(tests, but_not_what_is_told_after_it);
    tcase_add_test(tests, of_one_that_can_tell_nothing_too);
    tcase_add_test(tests, but_not_what_it_says_then);
    tcase_add_test(tests, one_that_was_out_for_a_moment_is_not_dialled_anew);
    tcase_add_test(tests, nor_has_the_primary_led_since_by_what_it_said_as_a_standby);
    return suite_run(suite);
}
