/*
 * test_cluster_lag.c - max_lag_ms: a replica is as late as it says itself, whatever has answered by
 * its name before.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>

static struct scripted_pair pair;

static void tear_down(void) {
    pair_close(&pair);
}

/* Anew, with that bound; the cluster itself is still to be opened. */
static void reopen(uint32_t max_lag_ms) {
    char keys[64];
    (void)snprintf(keys, sizeof keys, "policy = replica_only\nmax_lag_ms = %u", max_lag_ms);
    pair_close(&pair);
    pair_open(&pair, keys);
    pair.version = 150000;
}

/* The standby says where it is whenever it is asked. */
static void time_passes(uint64_t ms) {
    for (uint64_t i = 0; i < ms; i++) {
        pair_time_passes(&pair, 1);
        if (pair.watch_out.id != 0) {
            pair_answer_watch(&pair);
        }
    }
}

/* The primary writes, and the standby follows or does not. */
static void write_for(uint64_t ms, bool follows) {
    for (uint64_t i = 0; i < ms; i++) {
        pair.inserted += 8;
        pair.flushed = pair.inserted;
        pair.replayed = follows ? pair.inserted : pair.replayed;
        time_passes(1);
    }
}

static void set_up(void) {
    pair_open(&pair, "policy = replica_only\nmax_lag_ms = 5000");
    pair.version = 150000;
    pair.flushed = pair.inserted;
    pair.replayed = pair.inserted;
    pair_open_cluster(&pair, 0);
    write_for(12000, true);
}

static bool is_offered(uint64_t tag) {
    pair.verdicts[tag] = RP_VERDICT_NONE;
    pair_start(&pair, tag, 0);
    const bool offered = pair.verdicts[tag] == RP_VERDICT_NONE;
    if (offered) {
        pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, NULL);
    }
    return offered;
}

static uint64_t lag_of_standby(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_STANDBY, &info), RP_OK);
    return info.lag_ns;
}

/* Whether it is asked just before the primary or just after it. */
START_TEST(one_that_is_a_moment_late_is_no_later) {
    const uint32_t late_ms = 10 * (uint32_t)_i;
    for (uint32_t ms = 0; ms < 4000; ms++) {
        pair.inserted += 8;
        pair.flushed = pair.inserted;
        pair.replayed = pair.inserted - 8 * late_ms;
        time_passes(1);
        if (ms > 2500) {
            ck_assert_uint_le(lag_of_standby(), (late_ms + 10) * PAIR_MS);
        }
    }
}
END_TEST

/* However long it is two seconds late, it is no later, but for the time between two questions; more
 * is written at some hours than at others. */
START_TEST(one_that_is_always_a_little_late_is_no_later) {
    uint32_t before[2] = {pair.replayed, pair.replayed};
    for (uint32_t i = 0; i < 4 * 3600; i++) {
        pair.replayed = before[0];
        before[0] = before[1];
        before[1] = pair.inserted;
        pair.inserted += i / 3600 % 2 == 0 ? 0x100 : 0x1000;
        pair.flushed = pair.inserted;
        time_passes(1000);
        if (i > 10) {
            ck_assert_uint_ge(lag_of_standby(), 1500 * PAIR_MS);
            ck_assert_uint_le(lag_of_standby(), 4500 * PAIR_MS);
        }
    }
    ck_assert(is_offered(1));
}
END_TEST

/* A bound that is shorter than the time between two polls is kept both ways: one that is always
 * three milliseconds late stays, and one that stands still leaves in time. */
START_TEST(a_short_bound_needs_no_shorter_polls) {
    reopen(200);
    pair_open_cluster(&pair, 0);
    const uint64_t begun_ns = pair.now_ns;
    uint64_t left_ns = 0;
    for (uint64_t ms = 0; ms < 6000 && left_ns == 0; ms++) {
        pair.inserted += 8;
        pair.flushed = pair.inserted;
        pair.replayed = ms < 5000 ? pair.inserted - 3 * 8 : pair.replayed;
        time_passes(1);
        if (ms >= 1200 && !is_offered(1)) {
            left_ns = pair.now_ns - begun_ns;
        }
    }
    ck_assert_uint_gt(left_ns, 5050 * PAIR_MS);
    ck_assert_uint_le(left_ns, 5200 * PAIR_MS);
}
END_TEST

/* A section of the file with that bound, and one whose bound is none, or longer; in both orders. */
static const char *const bounds[] = {
    "policy = replica_only\nmax_lag_ms = 400\n[t]\npolicy = replica_only\n",
    "policy = replica_only\n[t]\npolicy = replica_only\nmax_lag_ms = 400\n",
    "policy = replica_only\nmax_lag_ms = 400\n[t]\npolicy = replica_only\nmax_lag_ms = 60000\n",
    "policy = replica_only\nmax_lag_ms = 60000\n[t]\npolicy = replica_only\nmax_lag_ms = 400\n",
};

START_TEST(positions_are_asked_for_as_the_shortest_bound_needs_it) {
    pair_close(&pair);
    pair_open(&pair, bounds[_i]);
    pair.version = 150000;
    pair_open_cluster(&pair, 0);
    time_passes(1000);
    const int before = pair.watches_seen;
    time_passes(2000);
    ck_assert_int_ge(pair.watches_seen - before, 30);
    ck_assert_int_le(pair.watches_seen - before, 40);
}
END_TEST

/* What was so long ago is remembered, too, if more roughly. */
START_TEST(one_that_stands_still_is_as_late_as_that_is_long) {
    write_for(1000, true);
    for (uint32_t i = 0; i < 4 * 3600; i++) {
        pair.inserted += 0x100;
        pair.flushed = pair.inserted;
        time_passes(1000);
    }
    pair.replayed += 0x100 * 3600;
    time_passes(1000);
    const uint64_t lag_s = lag_of_standby() / (1000 * PAIR_MS);
    ck_assert_uint_ge(lag_s, 3 * 3600);
    ck_assert_uint_le(lag_s, 3 * 3600 + 1080);
}
END_TEST

/* Its operator says that it is to be the primary; it serves as a replica, and is none that reads
 * may be shifted from without a budget. */
START_TEST(so_does_one_that_was_the_primary) {
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_PRIMARY, RP_SERVER_ON,
                                 pair.now_ns);
    ck_assert(is_offered(1));
    write_for(7000, false);
    ck_assert(!is_offered(2));
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FAILED);
}
END_TEST

START_TEST(one_that_falls_behind_leaves) {
    ck_assert(is_offered(1));
    write_for(3000, false);
    ck_assert(is_offered(2));
    write_for(4000, false);
    ck_assert(!is_offered(3));
    write_for(1500, true);
    ck_assert(is_offered(4));
}
END_TEST

/* After a crash it replays again from its last restart point; or another standby has its name now.
 */
START_TEST(one_that_has_gone_back_is_as_late_as_it_says) {
    pair.replayed -= 8 * 9000;
    write_for(1500, false);
    ck_assert(!is_offered(1));
}
END_TEST

/* It streams from the old primary still, which lives on: where that is says nothing of the new one.
 */
START_TEST(one_that_follows_an_older_timeline_is_as_late_as_that_is) {
    pair.leader = 0xA2;
    pair.timeline = 2;
    write_for(3000, true);
    ck_assert(is_offered(1));
    write_for(4000, true);
    ck_assert(!is_offered(2));
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_STANDBY, &info), RP_OK);
    ck_assert_uint_eq(info.lag_bytes, RP_UNKNOWN);
    pair.streamed = 2;
    write_for(1500, true);
    ck_assert(is_offered(3));
}
END_TEST

/* It had all there was, and then the host was suspended. Nobody knows how late it is until it has
 * been asked again. */
START_TEST(one_that_was_not_heard_for_long_is_late) {
    time_passes(2000);
    pair.now_ns += 20000 * PAIR_MS;
    ck_assert(!is_offered(1));
    write_for(1500, true);
    ck_assert(is_offered(2));
}
END_TEST

START_TEST(but_not_for_an_answer_that_is_a_little_late) {
    time_passes(2000);
    pair.now_ns += 6500 * PAIR_MS;
    ck_assert(is_offered(1));
}
END_TEST

static struct rp_server_info info_of(uint32_t server) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, server, &info), RP_OK);
    return info;
}

static struct rp_server_info standby(void) {
    return info_of(PAIR_STANDBY);
}

/* What it has replayed says that, whatever it may say of its timeline. */
START_TEST(one_that_does_not_stream_is_as_late_as_it_says) {
    pair.streamed = 0;
    write_for(1500, true);
    pair_time_passes(&pair, 1500);
    ck_assert_uint_eq(standby().lag_bytes, 0);
    ck_assert_uint_eq(standby().lag_ns, 0);
    write_for(3000, false);
    ck_assert_uint_ge(standby().lag_ns, 2000 * PAIR_MS);
    ck_assert_uint_le(standby().lag_ns, 4000 * PAIR_MS);
}
END_TEST

/* An idle primary stands behind the header of the page that it will write next, or of the segment:
 * there is nothing to replay, and whoever is told its position does not wait for more. */
static const struct {
    uint32_t block, segment, inserted, replayed, lag;
} idle[] = {
    {8192, 16u << 20, 0x2018, 0x2000, 0},       {8192, 16u << 20, 0x2028, 0x2000, 0x28},
    {8192, 16u << 20, 0x1000028, 0x1000000, 0}, {8192, 16u << 20, 0x1000018, 0x1000000, 0x18},
    {8192, 1u << 20, 0x300028, 0x300000, 0},    {32768, 16u << 20, 0x2018, 0x2000, 0x18},
};

START_TEST(a_header_alone_is_no_lag) {
    pair_close(&pair);
    pair_open(&pair, "policy = replica_only");
    pair.block = idle[_i].block;
    pair.segment = idle[_i].segment;
    pair.inserted = pair.flushed = idle[_i].inserted;
    pair.replayed = idle[_i].replayed;
    pair_open_cluster(&pair, 0);
    ck_assert_uint_eq(standby().lag_bytes, idle[_i].lag);
    ck_assert_uint_eq(info_of(PAIR_PRIMARY).position, idle[_i].replayed + idle[_i].lag);
}
END_TEST

/* More polls than are remembered: what was long ago is known less exactly. */
START_TEST(it_is_known_how_late_one_is_that_was_left_behind_long_ago) {
    pair_close(&pair);
    pair_open(&pair, "policy = replica_only");
    pair.poll_ms = 100;
    pair.flushed = pair.replayed = pair.inserted;
    pair_open_cluster(&pair, 0);
    write_for(30000, true);
    for (uint64_t s = 1; s <= 30; s++) {
        write_for(1000, false);
        ck_assert_uint_ge(standby().lag_ns, (1000 * s - 200) * PAIR_MS);
        ck_assert_uint_le(standby().lag_ns, (1000 * s + 1500) * PAIR_MS);
    }
}
END_TEST

/* Two questions are with the primary, and the one that was asked later was answered sooner there,
 * and is heard later. That is no other history: what is remembered of this one stays. */
START_TEST(answers_that_overtake_each_other_take_nothing_back) {
    pair_close(&pair);
    pair_open(&pair, "policy = replica_then_primary\nreplica_retry_min_ms = 0\n"
                     "replica_retry_max_ms = 0\nmax_lag_ms = 5000");
    pair.version = 150000;
    pair_open_cluster(&pair, 0);
    char earlier[160];
    for (uint64_t ms = 0; ms < 20000; ms++) {
        pair.inserted += 8;
        pair.flushed = pair.inserted;
        pair.replayed = pair.inserted - 8 * 2000;
        time_passes(1);
        if (ms > 5000 && ms % 1000 == 0) {
            pair_start(&pair, 1, 0);
            ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
            pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
            ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
            pair.holds_locates = true;
        } else if (pair.locate_out.id != 0) {
            (void)snprintf(earlier, sizeof earlier, "%s", pair_says(&pair, PAIR_PRIMARY));
            pair.inserted += 8;
            pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
            pair_answer(&pair, &pair.locate_out, RP_ANSWERED, earlier);
            pair.holds_locates = false;
        }
        if (ms > 8000) {
            ck_assert_uint_ge(lag_of_standby(), 1300 * PAIR_MS);
            ck_assert_uint_le(lag_of_standby(), 2700 * PAIR_MS);
        }
    }
}
END_TEST

/* It is further behind than anything that is remembered, so it is as late as it says itself, in the
 * long words of a poll; the short ones that come between two polls do not tell. */
START_TEST(one_that_was_late_before_the_start_is_as_late_as_it_says) {
    reopen(1000);
    pair.replay_age_ms = 3600000;
    pair_open_cluster(&pair, 0);
    write_for(100, false);
    for (uint32_t ms = 0; ms < 3000; ms++) {
        write_for(1, false);
        ck_assert_uint_eq(lag_of_standby(), 3600000 * PAIR_MS);
    }
}
END_TEST

/* Where it is, is asked of one that answers. Whoever dials anew for each question would dial one
 * that is just starting as often. */
START_TEST(one_that_is_gone_is_asked_no_more_often_than_by_polls) {
    reopen(200);
    pair_open_cluster(&pair, 0);
    write_for(1000, true);
    pair.standby_is_gone = true;
    pair_time_passes(&pair, 1100);
    if (pair.watch_out.id != 0) {
        pair_answer(&pair, &pair.watch_out, RP_SERVER_GONE, NULL);
    }
    const int before = pair.watches_seen;
    for (uint32_t ms = 0; ms < 3000; ms++) {
        pair_time_passes(&pair, 1);
        if (pair.watch_out.id != 0) {
            pair_answer(&pair, &pair.watch_out, RP_SERVER_GONE, NULL);
        }
    }
    ck_assert_int_eq(pair.watches_seen, before);
    pair.standby_is_gone = false;
    write_for(1500, true);
    ck_assert(is_offered(1));
    ck_assert_int_gt(pair.watches_seen, before);
}
END_TEST

/* Nobody knows when the primary wrote what it has written while it did not answer, or the host
 * slept; it may all have been at once, long ago. So one that lacks the last of it is as late as if
 * it were. */
START_TEST(what_was_written_while_nobody_was_told_is_as_old_as_it_can_be) {
    const bool host_sleeps = _i == 1;
    pair.primary_is_gone = !host_sleeps;
    time_passes(100);
    pair.inserted += 8;
    pair.flushed = pair.inserted;
    if (host_sleeps) {
        pair.now_ns += 60000 * PAIR_MS;
    } else {
        time_passes(60000);
    }
    ck_assert(!is_offered(1));
    pair.primary_is_gone = false;
    for (uint32_t ms = 0; ms < 6000; ms++) {
        time_passes(1);
        ck_assert(!is_offered(1));
    }
    ck_assert_uint_ge(lag_of_standby(), 60000 * PAIR_MS);
    pair.replayed = pair.inserted;
    time_passes(1500);
    ck_assert(is_offered(1));
}
END_TEST

/* An answer of the primary that is long under way tells where it was when it was asked. */
START_TEST(a_primary_that_answers_late_makes_no_replica_younger) {
    char told[160];
    uint64_t asked_ns = 0, stopped_ns = 0, left_ns = 0;
    reopen(1000);
    pair.poll_ms = 5000;
    pair_open_cluster(&pair, 0);
    pair.holds_locates = true;
    for (uint64_t ms = 0; ms < 10000 && left_ns == 0; ms++) {
        pair.inserted += 8;
        pair.flushed = pair.inserted;
        if (ms < 7000) {
            pair.replayed = pair.inserted;
            stopped_ns = pair.now_ns;
        }
        time_passes(1);
        if (pair.locate_out.id != 0 && asked_ns == 0) {
            asked_ns = pair.now_ns;
            (void)snprintf(told, sizeof told, "%s", pair_says(&pair, PAIR_PRIMARY));
        } else if (asked_ns != 0 && pair.now_ns - asked_ns >= 400 * PAIR_MS) {
            asked_ns = 0;
            pair_answer(&pair, &pair.locate_out, RP_ANSWERED, told);
        }
        if (ms > 7000 && !is_offered(1)) {
            left_ns = pair.now_ns;
        }
    }
    ck_assert_uint_ge(left_ns, stopped_ns);
    ck_assert_uint_le(left_ns - stopped_ns, 1125 * PAIR_MS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_lag");
    TCase *tests = suite_case(suite, "lag", set_up, tear_down, 0);
    tcase_add_test(tests, one_that_falls_behind_leaves);
    tcase_add_loop_test(tests, one_that_is_a_moment_late_is_no_later, 0, 40);
    tcase_add_test(tests, one_that_is_always_a_little_late_is_no_later);
    tcase_add_test(tests, a_short_bound_needs_no_shorter_polls);
    tcase_add_loop_test(tests, positions_are_asked_for_as_the_shortest_bound_needs_it, 0, 4);
    tcase_add_test(tests, one_that_stands_still_is_as_late_as_that_is_long);
    tcase_add_test(tests, so_does_one_that_was_the_primary);
    tcase_add_test(tests, one_that_has_gone_back_is_as_late_as_it_says);
    tcase_add_test(tests, one_that_follows_an_older_timeline_is_as_late_as_that_is);
    tcase_add_test(tests, one_that_was_not_heard_for_long_is_late);
    tcase_add_test(tests, but_not_for_an_answer_that_is_a_little_late);
    tcase_add_test(tests, one_that_does_not_stream_is_as_late_as_it_says);
    tcase_add_loop_test(tests, a_header_alone_is_no_lag, 0, sizeof idle / sizeof idle[0]);
    tcase_add_test(tests, it_is_known_how_late_one_is_that_was_left_behind_long_ago);
    tcase_add_test(tests, answers_that_overtake_each_other_take_nothing_back);
    tcase_add_test(tests, one_that_was_late_before_the_start_is_as_late_as_it_says);
    tcase_add_test(tests, one_that_is_gone_is_asked_no_more_often_than_by_polls);
    tcase_add_test(tests, a_primary_that_answers_late_makes_no_replica_younger);
    tcase_add_loop_test(tests, what_was_written_while_nobody_was_told_is_as_old_as_it_can_be, 0, 2);
    return suite_run(suite);
}
