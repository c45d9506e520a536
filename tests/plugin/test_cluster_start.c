/*
 * test_cluster_start.c - what has to be heard before a miss counts.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

static struct scripted_pair pair;

static void tear_down(void) {
    pair_close(&pair);
}

/* The standby answers before the primary does, so that it is to be asked once more: what it has
 * replayed since then may be what this primary has lost. */
static void open_with_a_slow_primary(bool standby_dies) {
    pair_open(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0\n"
                     "on_replica_failure = primary");
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .max_servers = PAIR_MAX_SERVERS,
                                               .max_reads = PAIR_MAX_READS,
                                               .now_ns = pair.now_ns};
    struct rp_action probe = {.struct_size = sizeof probe};
    ck_assert_int_eq(pair.calls->open(pair.section.set, &options, &pair.cluster, NULL, 0), RP_OK);
    for (uint32_t i = PAIR_PRIMARY; i <= PAIR_STANDBY; i++) {
        (void)pair.calls->server_set(pair.cluster, i, "a server", RP_EXPECT_ANY, RP_SERVER_ON,
                                     pair.now_ns);
    }
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &probe, &pair.wake_ns), 1);
    ck_assert_uint_eq(probe.server, PAIR_PRIMARY);
    pair_run(&pair);
    pair.standby_is_gone = standby_dies;
    pair_answer(&pair, &probe, RP_ANSWERED, "rp1 150000 8192 16777216 t t t t f");
}

static bool is_settled(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    return info.settled != 0;
}

START_TEST(a_standby_is_compared_with_the_primary_first) {
    open_with_a_slow_primary(false);
    ck_assert(is_settled());
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

/* The primary is all that is left, and its word counts. */
START_TEST(but_not_waited_for_when_it_dies_before_that) {
    open_with_a_slow_primary(true);
    ck_assert(is_settled());
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_SERVER_GONE, NULL);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NOT_FOUND);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_start");
    TCase *tests = suite_case(suite, "start", NULL, tear_down, 0);
    tcase_add_test(tests, a_standby_is_compared_with_the_primary_first);
    tcase_add_test(tests, but_not_waited_for_when_it_dies_before_that);
    return suite_run(suite);
}
