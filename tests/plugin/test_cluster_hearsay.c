/*
 * test_cluster_hearsay.c - what another cluster of the same host has found out.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

/* Longer than a question may take. */
#define A_WHILE_MS 2500

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0", 0);
}

static void tear_down(void) {
    pair_close(&pair);
}

static void hear_of(uint64_t system, uint32_t timeline) {
    pair.calls->heard_of(pair.cluster, system, timeline, pair.now_ns);
    pair_time_passes(&pair, A_WHILE_MS);
}

static int32_t primarys_role(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    (void)pair.calls->server(pair.cluster, PAIR_PRIMARY, &info);
    return info.role;
}

static struct rp_cluster_info known(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    return info;
}

/* Somebody else leads by now, who cannot be asked from here. */
START_TEST(a_primary_is_deposed_by_a_newer_timeline) {
    hear_of(PAIR_SYSTEM, pair.timeline + 1);
    ck_assert_int_eq(primarys_role(), RP_ROLE_OUT);
    ck_assert_uint_eq(known().timeline, pair.timeline + 1);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    pair_start(&pair, 2, 0);
    pair_answer(&pair, &pair.reads_out[2], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FOUND);
    pair.timeline++;
    pair_time_passes(&pair, A_WHILE_MS);
    ck_assert_int_eq(primarys_role(), RP_ROLE_PRIMARY); /* it is that one */
}
END_TEST

START_TEST(nothing_else_deposes_it) {
    hear_of(PAIR_SYSTEM, pair.timeline);
    hear_of(PAIR_SYSTEM, pair.timeline - 1);
    hear_of(PAIR_SYSTEM + 1, pair.timeline + 1);
    hear_of(0, pair.timeline + 1);
    pair.calls->heard_of(NULL, PAIR_SYSTEM, pair.timeline + 1, pair.now_ns);
    ck_assert_int_eq(primarys_role(), RP_ROLE_PRIMARY);
    ck_assert_uint_eq(known().timeline, pair.timeline);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Whoever may not see of which system it is remembers its timeline all the same. */
START_TEST(so_is_one_of_an_unknown_system) {
    pair_close(&pair);
    pair_open(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0");
    pair.system_is_unknown = true;
    pair_open_cluster(&pair, 0);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
    hear_of(known().system, pair.timeline + 1);
    ck_assert_int_eq(primarys_role(), RP_ROLE_OUT);
    hear_of(PAIR_SYSTEM, pair.timeline + 2);
    ck_assert_uint_eq(known().timeline, pair.timeline + 1);
}
END_TEST

/* The operator says that it does not count: it is forgotten as what was heard here is. */
START_TEST(a_reload_forgets_it) {
    hear_of(PAIR_SYSTEM, pair.timeline + 1);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, A_WHILE_MS);
    ck_assert_int_eq(primarys_role(), RP_ROLE_PRIMARY);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Others may not have forgotten yet what is being forgotten here. */
START_TEST(so_is_what_is_heard_of_meanwhile) {
    pair.primary_is_silent = true;
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_run(&pair);
    ck_assert_uint_eq(known().forgetting, 1);
    pair.calls->heard_of(pair.cluster, PAIR_SYSTEM, pair.timeline + 1, pair.now_ns);
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 2 * A_WHILE_MS);
    ck_assert_uint_eq(known().forgetting, 0);
    ck_assert_int_eq(primarys_role(), RP_ROLE_PRIMARY);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_hearsay");
    TCase *tests = suite_case(suite, "hearsay", set_up, tear_down, 0);
    tcase_add_test(tests, a_primary_is_deposed_by_a_newer_timeline);
    tcase_add_test(tests, so_is_one_of_an_unknown_system);
    tcase_add_test(tests, nothing_else_deposes_it);
    tcase_add_test(tests, a_reload_forgets_it);
    tcase_add_test(tests, so_is_what_is_heard_of_meanwhile);
    return suite_run(suite);
}
