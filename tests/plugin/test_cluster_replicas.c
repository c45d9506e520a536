/*
 * test_cluster_replicas.c - which of two replicas a read goes to.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

enum { READS = 20 };

static struct scripted_pair pair;

static void tear_down(void) {
    pair_close(&pair);
}

static void set_other(int32_t state) {
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, state, pair.now_ns);
    pair_run(&pair);
}

/* Both have replayed what the primary has. */
static void open_three(const char *keys) {
    pair_open_level(&pair, keys, 0);
    pair.alias_replayed = pair.replayed;
    set_other(RP_SERVER_ON);
    pair_time_passes(&pair, 1500);
}

/* How many of some reads go to the server. */
static int begun_at(uint32_t server) {
    int reads = 0;
    for (uint64_t tag = 1; tag <= READS; tag++) {
        pair_start(&pair, tag, 0);
        reads += pair.reads_out[tag].server == server;
        pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, NULL);
    }
    return reads;
}

START_TEST(each_has_its_share) {
    open_three("policy = replica_only");
    ck_assert_int_ge(begun_at(PAIR_STANDBY), READS / 4);
    ck_assert_int_ge(begun_at(PAIR_ALIAS), READS / 4);
}
END_TEST

START_TEST(one_that_is_drained_has_none) {
    open_three("policy = replica_only");
    set_other(RP_SERVER_DRAIN);
    ck_assert_int_eq(begun_at(PAIR_STANDBY), READS);
}
END_TEST

/* The read that has seen it die goes on at the other one. */
START_TEST(one_that_backs_off_has_none) {
    open_three("policy = replica_only");
    pair.standby_is_gone = true;
    uint64_t tag = READS;
    do {
        pair_start(&pair, ++tag, 0);
    } while (pair.reads_out[tag].server != PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[tag], RP_SERVER_GONE, NULL);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_ALIAS);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.detours"), 1);
    ck_assert_int_eq(begun_at(PAIR_ALIAS), READS);
}
END_TEST

/* The row that one of them lacks is looked for at once on the one that is further. */
START_TEST(freshest_is_the_one_that_is_furthest) {
    open_three("policy = read_index\nreplica_pick = freshest");
    uint32_t *const late = _i == PAIR_STANDBY ? &pair.replayed : &pair.alias_replayed;
    pair.inserted += 0x1000;
    pair.flushed = pair.inserted;
    pair.replayed = pair.alias_replayed = pair.inserted;
    *late -= 0x1000;
    pair_time_passes(&pair, 1500);
    uint64_t tag = 0;
    do {
        pair_start(&pair, ++tag, 0);
    } while (pair.reads_out[tag].server != (uint32_t)_i);
    pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, NULL);
    ck_assert_uint_ne(pair.reads_out[tag].id, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY + PAIR_ALIAS - (uint32_t)_i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_replicas");
    TCase *tests = suite_case(suite, "replicas", NULL, tear_down, 0);
    tcase_add_test(tests, each_has_its_share);
    tcase_add_test(tests, one_that_is_drained_has_none);
    tcase_add_test(tests, one_that_backs_off_has_none);
    tcase_add_loop_test(tests, freshest_is_the_one_that_is_furthest, PAIR_STANDBY, PAIR_ALIAS + 1);
    return suite_run(suite);
}
