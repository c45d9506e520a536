/*
 * test_cluster_clock.c - what a cluster makes of a clock that jumps, stands still, or is none; and
 * when servers are asked.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = primary_only", 0);
}

static void set_up_with_a_replica(void) {
    pair_open_level(&pair, "policy = read_index", 0);
}

static void tear_down(void) {
    pair_close(&pair);
}

static uint32_t is_settled(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    return info.settled;
}

/* Such as -1 for "the clock could not be read". */
START_TEST(a_time_that_no_clock_tells_is_none) {
    const uint64_t wrong[] = {UINT64_MAX, UINT64_MAX - PAIR_MS, (uint64_t)INT64_MAX + 1};
    const uint64_t right = pair.now_ns;
    pair.now_ns = wrong[_i];
    pair_run(&pair);
    pair.now_ns = right;
    pair_time_passes(&pair, 1);
    ck_assert_uint_le(pair.wake_ns, pair.now_ns + 5000 * PAIR_MS);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(nor_with_an_answer) {
    const uint64_t right = pair.now_ns;
    pair_start(&pair, 1, 0);
    pair.now_ns = UINT64_MAX;
    pair_answer(&pair, &pair.reads_out[1], _i, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_ne(pair.verdicts[1], RP_VERDICT_NONE);
    pair.now_ns = right;
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

static uint64_t standbys_position(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_STANDBY, &info), RP_OK);
    return info.position;
}

static void next_poll_of_the_standby(void) {
    pair.replayed++;
    for (int i = 0; standbys_position() != pair.replayed; i++) {
        ck_assert_int_lt(i, 1100);
        pair_time_passes(&pair, 1);
    }
}

/* Its next poll is nearly a second away then. */
START_TEST(a_standby_is_asked_soon_after_its_primary_was_lost) {
    next_poll_of_the_standby();
    pair.primary_is_gone = true;
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    pair_run(&pair);
    pair.replayed++;
    pair_time_passes(&pair, 250);
    ck_assert_uint_eq(standbys_position(), pair.replayed);
}
END_TEST

/* A read of the primary misses when nobody has answered since the host was suspended for so long,
 * and then another one when all have been asked. */
static void a_read_misses_after_a_sleep_of(uint64_t ms, int32_t verdict) {
    struct rp_action question = {.struct_size = sizeof question};
    pair_start(&pair, 1, 0);
    pair.now_ns += ms * PAIR_MS;
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &question, &pair.wake_ns), 1);
    ck_assert_int_eq(question.kind, RP_ACTION_ASK); /* which is not answered */
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_MISSING,
                       pair_says(&pair, PAIR_PRIMARY), NULL, pair.now_ns);
    pair_run(&pair);
    ck_assert_int_eq(pair.verdicts[1], verdict);
    pair_time_passes(&pair, 1500);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}

/* Somebody may have been promoted meanwhile, and the primary not have been told. */
START_TEST(who_was_heard_before_the_host_slept_is_asked_again) {
    a_read_misses_after_a_sleep_of(4000, RP_VERDICT_FAILED);
}
END_TEST

/* An answer that was under way meanwhile says what was so before. */
START_TEST(an_answer_from_before_that_is_none) {
    struct rp_action asked = {.struct_size = sizeof asked};
    pair_start(&pair, 1, pair.replayed); /* a replica's, with a question */
    pair.now_ns += 3000 * PAIR_MS;
    while (pair.calls->next(pair.cluster, pair.now_ns, &asked, &pair.wake_ns)) {
        if (asked.kind == RP_ACTION_ASK && asked.server == PAIR_PRIMARY) {
            pair.calls->answer(pair.cluster, asked.id, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY),
                               NULL, pair.now_ns);
        }
    }
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_FOUND, pair_says(&pair, PAIR_STANDBY),
                       NULL, pair.now_ns);
    ck_assert_uint_eq(is_settled(), 0);
}
END_TEST

/* One that was restarted meanwhile is reached by a new connection. */
START_TEST(a_connection_that_died_meanwhile_is_none_either) {
    struct rp_action asked = {.struct_size = sizeof asked};
    int lost = 0;
    pair.now_ns += 3000 * PAIR_MS;
    while (pair.calls->next(pair.cluster, pair.now_ns, &asked, &pair.wake_ns)) {
        if (asked.kind == RP_ACTION_ASK && asked.server == PAIR_PRIMARY) {
            pair.calls->answer(pair.cluster, asked.id, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY),
                               NULL, pair.now_ns);
        } else if (asked.kind == RP_ACTION_ASK && lost++ == 0) {
            pair.calls->answer(pair.cluster, asked.id, RP_SERVER_GONE, NULL, NULL, pair.now_ns);
        }
    }
    ck_assert_int_eq(lost, 2); /* it is asked once more at once */
    ck_assert_uint_eq(is_settled(), 0);
    pair.standby_is_gone = true;
    pair_time_passes(&pair, 2500);
    ck_assert_uint_eq(is_settled(), 1);
}
END_TEST

/* However often servers are asked. */
START_TEST(and_a_new_one_takes_its_time) {
    pair_open(&pair, "policy = primary_only");
    pair.poll_ms = 100;
    pair_open_cluster(&pair, 0);
    pair.standby_is_gone = true;
    pair.now_ns += 3000 * PAIR_MS;
    pair_time_passes(&pair, 900);
    ck_assert_uint_eq(is_settled(), 0);
    pair_time_passes(&pair, 300);
    ck_assert_uint_eq(is_settled(), 1);
}
END_TEST

START_TEST(a_host_that_is_late_has_not_slept) {
    a_read_misses_after_a_sleep_of(1900, RP_VERDICT_NOT_FOUND);
}
END_TEST

/* It had waited for longer than it has time. That is nothing that all others have to pay for. */
START_TEST(nor_has_one_that_begins_a_read_too_late) {
    pair_time_passes(&pair, 5000);
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = pair.now_ns,
                                       .deadline_ns = pair.now_ns - 3000 * PAIR_MS,
                                       .entropy = 1};
    uint64_t id;
    pair.primary_is_silent = true;
    ck_assert_int_eq(pair.calls->start(pair.cluster, pair.section.policy, &request, 1, &id), RP_OK);
    pair_run(&pair);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    ck_assert_uint_eq(is_settled(), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_clock");
    TCase *tests = suite_case(suite, "clock", set_up, tear_down, 0);
    tcase_add_loop_test(tests, a_time_that_no_clock_tells_is_none, 0, 3);
    tcase_add_loop_test(tests, nor_with_an_answer, RP_FOUND, RP_MISSING + 1);
    tcase_add_test(tests, a_standby_is_asked_soon_after_its_primary_was_lost);
    tcase_add_test(tests, who_was_heard_before_the_host_slept_is_asked_again);
    tcase_add_test(tests, a_host_that_is_late_has_not_slept);
    tcase_add_test(tests, nor_has_one_that_begins_a_read_too_late);
    tests = suite_case(suite, "replica", set_up_with_a_replica, tear_down, 0);
    tcase_add_test(tests, an_answer_from_before_that_is_none);
    tcase_add_test(tests, a_connection_that_died_meanwhile_is_none_either);
    tests = suite_case(suite, "often", NULL, tear_down, 0);
    tcase_add_test(tests, and_a_new_one_takes_its_time);
    return suite_run(suite);
}
