/*
 * test_cluster_systems.c - a primary of another system beside the one that counts: who is expected
 * to be the primary decides, but not as long as the system that is remembered is led.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

enum { OTHER_SYSTEM = PAIR_SYSTEM + 1 };

static struct scripted_pair pair;

/* Primary and standby, and a second name of the primary, which is moved to another one. */
static void open_and_move_alias(int32_t primary, int32_t alias) {
    pair_open_level(&pair,
                    "policy = replica_then_primary\nreplica_retry_max_ms = 0\n"
                    "on_replica_failure = primary",
                    0);
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", primary, RP_SERVER_ON,
                                 pair.now_ns);
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", alias, RP_SERVER_ON, pair.now_ns);
    pair_time_passes(&pair, 2000);
    pair.alias_system = OTHER_SYSTEM;
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    pair_close(&pair);
}

static struct rp_cluster_info cluster_info(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    return info;
}

static void take_out(uint32_t server) {
    (void)pair.calls->server_set(pair.cluster, server, "a", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
}

static void expect_alias_is_out(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_ALIAS, &info), RP_OK);
    ck_assert_int_eq(info.role, RP_ROLE_OUT);
    ck_assert_uint_eq(info.system, OTHER_SYSTEM);
    ck_assert_str_eq(info.why, "it belongs to another system than the primary");
}

/* How many notices say that the system that counts is another one by now. */
static int exchanges_told(void) {
    struct rp_notice notice = {.struct_size = sizeof notice};
    int count = 0;
    while (pair.calls->notice(pair.cluster, &notice)) {
        count += strstr(notice.text, "the primary is of another system than before") != NULL &&
                 notice.level == RP_LOG_WARN;
    }
    return count;
}

START_TEST(the_expected_primary_of_another_one_is_out_while_ours_is_led) {
    open_and_move_alias(RP_EXPECT_ANY, RP_EXPECT_PRIMARY);
    expect_alias_is_out();
    ck_assert_uint_eq(cluster_info().system, PAIR_SYSTEM);
    ck_assert_uint_eq(cluster_info().primary, PAIR_PRIMARY);
    ck_assert_uint_eq(cluster_info().split, 0);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
    ck_assert_int_eq(exchanges_told(), 0);
}
END_TEST

/* The one that leads ours is taken out, or dies; there is a standby of ours still. */
START_TEST(it_counts_once_nobody_leads_ours) {
    open_and_move_alias(RP_EXPECT_ANY, RP_EXPECT_PRIMARY);
    if (_i == 0) {
        take_out(PAIR_PRIMARY);
    } else {
        pair.primary_is_gone = true;
    }
    pair_time_passes(&pair, 2000);
    ck_assert_uint_eq(cluster_info().system, OTHER_SYSTEM);
    ck_assert_uint_eq(cluster_info().primary, PAIR_ALIAS);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    ck_assert_int_eq(exchanges_told(), 1);
}
END_TEST

/* Nobody says which one is meant. */
START_TEST(two_of_whom_nothing_is_expected_are_a_split) {
    open_and_move_alias(RP_EXPECT_ANY, RP_EXPECT_ANY);
    expect_alias_is_out();
    ck_assert_uint_eq(cluster_info().system, PAIR_SYSTEM);
    ck_assert_uint_eq(cluster_info().split, 1);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    take_out(PAIR_ALIAS);
    ck_assert_uint_eq(cluster_info().split, 0);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(but_not_where_it_is_said_what_one_of_them_is) {
    if (_i == 0) {
        open_and_move_alias(RP_EXPECT_ANY, RP_EXPECT_REPLICA);
    } else {
        open_and_move_alias(RP_EXPECT_PRIMARY, RP_EXPECT_ANY);
    }
    expect_alias_is_out();
    ck_assert_uint_eq(cluster_info().split, 0);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* A read with a floor that goes to that server, from `tag` on. */
static struct rp_action *read_at(uint32_t server, uint64_t tag) {
    do {
        pair_start(&pair, ++tag, 1);
    } while (pair.reads_out[tag].server != server);
    return &pair.reads_out[tag];
}

/* Two names lead to a standby of ours, and now and then to a server which has told its system by
 * neither of them. What the standby has told in the meantime is not that one's. */
START_TEST(one_whose_system_was_not_told_proves_nothing_by_any_name) {
    const char *const leads = "rp1 c1 c p 0/5000 0/5000 00000001";
    pair_open_level(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0", 0);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair.primary_is_standby = true;
    pair_time_passes(&pair, 2000);
    pair_answer(&pair, read_at(PAIR_PRIMARY, 1), RP_FOUND, "rp1 c1 c r 0/5000 - - 1");
    pair_time_passes(&pair, 2000);
    pair.calls->answer(pair.cluster, read_at(PAIR_STANDBY, 20)->id, RP_FOUND, leads, NULL,
                       pair.now_ns);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, leads);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_systems");
    TCase *tests = suite_case(suite, "systems", NULL, tear_down, 0);
    tcase_add_test(tests, the_expected_primary_of_another_one_is_out_while_ours_is_led);
    tcase_add_loop_test(tests, it_counts_once_nobody_leads_ours, 0, 2);
    tcase_add_test(tests, two_of_whom_nothing_is_expected_are_a_split);
    tcase_add_test(tests, one_whose_system_was_not_told_proves_nothing_by_any_name);
    tcase_add_loop_test(tests, but_not_where_it_is_said_what_one_of_them_is, 0, 2);
    return suite_run(suite);
}
