/*
 * test_cluster_reload.c - what is still known while everybody is asked anew.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

/* Longer than a question may take. */
#define SILENCE_MS 2500

static struct scripted_pair pair;

static void set_up(void) {
    pair_open_level(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0", 0);
}

static void tear_down(void) {
    pair_close(&pair);
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

int main(void) {
    Suite *suite = suite_create("cluster_reload");
    TCase *tests = suite_case(suite, "reload", set_up, tear_down, 0);
    tcase_add_test(tests, a_primary_that_is_slow_to_answer_is_not_forgotten);
    return suite_run(suite);
}
