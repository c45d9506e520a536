/*
 * test_cluster_reload.c - what is still known while everybody is asked anew.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

/* Longer than a question may take. */
#define SILENCE_MS 2500

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0", 0);
}

static void tear_down(void) {
    pair_close(&pair);
}

static void use_the_primary_too(void) {
    pair_close(&pair);
    pair_open_level(&pair,
                    "policy = replica_then_primary\nreplica_retry_max_ms = 0\n"
                    "on_replica_failure = primary",
                    0);
}

/* Nobody else says that he is it: so lookups wait for it, as they do without a reload. */
START_TEST(a_primary_that_is_slow_to_answer_is_not_forgotten) {
    struct rp_server_info info = {.struct_size = sizeof info};
    pair.primary_is_silent = true;
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, SILENCE_MS);
    (void)pair.calls->server(pair.cluster, PAIR_PRIMARY, &info);
    ck_assert_int_eq(info.role, RP_ROLE_PRIMARY);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

static void reload_with_a_dead_standby(void) {
    pair.standby_is_gone = true;
    pair_time_passes(&pair, SILENCE_MS);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_FAILED);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, SILENCE_MS);
    ck_assert_int_ne(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 3), RP_VERDICT_NOT_FOUND);
}

static bool is_told(const char *words, int32_t level) {
    struct rp_notice notice = {.struct_size = sizeof notice};
    bool told = false;
    while (pair.calls->notice(pair.cluster, &notice)) {
        told = told || (strstr(notice.text, words) != NULL && notice.level == level);
    }
    return told;
}

/* A read has seen it out of recovery, and nobody can ask it any more. */
START_TEST(a_dead_server_may_not_have_been_promoted_for_ever) {
    use_the_primary_too();
    pair_start(&pair, 1, 0);
    pair.standby_is_gone = true;
    pair_answer(&pair, &pair.reads_out[1], RP_ROLE_CHANGED, NULL);
    ck_assert(is_told("b is out: a read has seen it out of recovery", RP_LOG_ERROR));
    reload_with_a_dead_standby();
}
END_TEST

/* Or its questions fail: it does not say either on which timeline it is. */
START_TEST(nor_one_that_can_tell_nothing_any_more) {
    use_the_primary_too();
    pair_start(&pair, 1, 0);
    pair.standby_is_blind = true;
    pair_answer(&pair, &pair.reads_out[1], RP_ROLE_CHANGED, NULL);
    pair_time_passes(&pair, 2 * SILENCE_MS);
    ck_assert(is_told("b is out: a read has seen it out of recovery", RP_LOG_ERROR));
    reload_with_a_dead_standby();
}
END_TEST

/* It has said so once, and would have to say it again. */
START_TEST(nor_has_one_a_timeline_that_it_cannot_confirm) {
    use_the_primary_too();
    pair.primary_is_gone = true;
    pair_time_passes(&pair, SILENCE_MS);
    pair_start(&pair, 1, 0x5000);
    pair.standby_is_blind = true;
    pair_answer(&pair, &pair.reads_out[1], RP_FAILED, "rp1 b1 c p 0/5000 0/5000 00000002");
    pair_time_passes(&pair, 2 * SILENCE_MS);
    pair.primary_is_gone = false;
    pair_time_passes(&pair, SILENCE_MS);
    pair_start(&pair, 2, 0);
    pair_answer(&pair, &pair.reads_out[2], RP_MISSING,
                pair.reads_out[2].server == PAIR_PRIMARY ? pair_says(&pair, PAIR_PRIMARY) : NULL);
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FAILED);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, SILENCE_MS);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 3), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* It is being asked, and will tell. */
START_TEST(nothing_is_told_of_one_that_can_be_asked) {
    use_the_primary_too();
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_ROLE_CHANGED, NULL);
    ck_assert(!is_told("out of recovery", RP_LOG_ERROR));
}
END_TEST

START_TEST(nor_is_its_last_database_held_against_the_primary) {
    use_the_primary_too();
    pair.databases[PAIR_PRIMARY] = 7;
    pair.databases[PAIR_STANDBY] = 8;
    pair_time_passes(&pair, SILENCE_MS);
    reload_with_a_dead_standby();
}
END_TEST

/* While everybody is asked anew a read sees it out of recovery: that is not what is forgotten. */
START_TEST(what_is_seen_during_the_reload_stays) {
    use_the_primary_too();
    pair_start(&pair, 1, 0);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair.standby_is_gone = true;
    pair.calls->answer(pair.cluster, pair.reads_out[1].id, RP_ROLE_CHANGED, NULL, NULL,
                       pair.now_ns);
    pair_time_passes(&pair, SILENCE_MS);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_FAILED);
}
END_TEST

/* However many reloads there have been, as long as some time passes between them. */
START_TEST(everybody_is_asked_at_once) {
    for (int i = 0; i < 20; i++) {
        pair_time_passes(&pair, 1500);
        const uint64_t before = pair_counter(&pair, "cluster.polls");
        pair.calls->forget_history(pair.cluster, pair.now_ns);
        pair_run(&pair);
        ck_assert_uint_ge(pair_counter(&pair, "cluster.polls"), before + 2);
    }
}
END_TEST

START_TEST(a_reload_that_changes_nothing_says_nothing) {
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, SILENCE_MS);
    ck_assert(!is_told("forgotten", RP_LOG_WARN));
}
END_TEST

/* As a host does that reaches it in another way from now on: the old connections go once the new
 * ones were heard. */
static bool is_told_of_an_exchange(const char *name, const char *words, int32_t level) {
    (void)is_told("", RP_LOG_NONE);
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, name, RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, SILENCE_MS);
    bool told = is_told(words, level);
    const int32_t states[] = {RP_SERVER_DRAIN, RP_SERVER_OFF};
    for (int i = 0; i < 2; i++) {
        (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, states[i],
                                     pair.now_ns);
        pair_time_passes(&pair, SILENCE_MS);
        told = is_told(words, level) || told;
    }
    struct rp_server_info info = {.struct_size = sizeof info};
    (void)pair.calls->server(pair.cluster, PAIR_ALIAS, &info);
    ck_assert_int_eq(info.role, RP_ROLE_PRIMARY);
    return told;
}

START_TEST(a_primary_that_is_reached_in_another_way_is_not_out) {
    ck_assert(!is_told_of_an_exchange("a", "is out", RP_LOG_NONE));
}
END_TEST

START_TEST(nor_has_it_come_to_lead) {
    ck_assert(!is_told_of_an_exchange("a", "is the primary", RP_LOG_WARN));
}
END_TEST

START_TEST(a_second_name_is_told) {
    ck_assert(is_told_of_an_exchange("again", "again is out: it is the primary", RP_LOG_NONE));
}
END_TEST

START_TEST(and_that_it_is_the_only_one) {
    ck_assert(is_told_of_an_exchange("again", "again is the primary", RP_LOG_WARN));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_reload");
    TCase *tests = suite_case(suite, "reload", set_up, tear_down, 0);
    tcase_add_test(tests, a_primary_that_is_slow_to_answer_is_not_forgotten);
    tcase_add_test(tests, a_dead_server_may_not_have_been_promoted_for_ever);
    tcase_add_test(tests, nor_one_that_can_tell_nothing_any_more);
    tcase_add_test(tests, nor_has_one_a_timeline_that_it_cannot_confirm);
    tcase_add_test(tests, nothing_is_told_of_one_that_can_be_asked);
    tcase_add_test(tests, nor_is_its_last_database_held_against_the_primary);
    tcase_add_test(tests, what_is_seen_during_the_reload_stays);
    tcase_add_test(tests, everybody_is_asked_at_once);
    tcase_add_test(tests, a_reload_that_changes_nothing_says_nothing);
    tcase_add_test(tests, a_primary_that_is_reached_in_another_way_is_not_out);
    tcase_add_test(tests, nor_has_it_come_to_lead);
    tcase_add_test(tests, a_second_name_is_told);
    tcase_add_test(tests, and_that_it_is_the_only_one);
    return suite_run(suite);
}
