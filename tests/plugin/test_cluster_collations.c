/*
 * test_cluster_collations.c - a standby that sorts text otherwise than its primary has indexes that
 * may hide rows: what it has is found, and nothing else that it says is believed.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

enum { ONE = 5, OTHER = 6 };

static struct scripted_pair pair;
static bool system_is_unknown;

static void open_pair(const char *keys, uint32_t primarys, uint32_t standbys) {
    pair_open(&pair, keys);
    pair.system_is_unknown = system_is_unknown;
    pair.version = 150000;
    pair.flushed = pair.inserted;
    pair.replayed = pair.inserted;
    pair_open_cluster(&pair, 0);
    pair.databases[PAIR_PRIMARY] = pair.databases[PAIR_STANDBY] = 1;
    pair.collations[PAIR_PRIMARY] = primarys;
    pair.collations[PAIR_STANDBY] = standbys;
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    system_is_unknown = false;
    pair_close(&pair);
}

static void answer_standby(uint64_t tag, int32_t outcome) {
    ck_assert_uint_ne(pair.reads_out[tag].id, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[tag], outcome, pair_says(&pair, PAIR_STANDBY));
}

/* Who has the last word on a row that nobody has. */
static const struct {
    uint32_t primarys, standbys;
    bool proven;
} versions[] = {
    {ONE, ONE, true}, {ONE, OTHER, false},
    {0, 0, true}, /* before PostgreSQL 15, and where text is compared byte by byte */
    {0, OTHER, true}, {ONE, 0, true},
};

START_TEST(an_absence) {
    open_pair("policy = read_index", versions[_i].primarys, versions[_i].standbys);
    pair_start(&pair, 1, 0);
    for (int reads = 0; reads < 8 && pair.reads_out[1].server == PAIR_STANDBY &&
                        pair.verdicts[1] == RP_VERDICT_NONE;
         reads++) {
        answer_standby(1, RP_MISSING);
        pair_time_passes(&pair, 10);
    }
    if (versions[_i].proven) {
        ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NOT_FOUND);
        return;
    }
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* It may have hidden a row that the position is of; whether or not its system can be seen. */
START_TEST(a_floor) {
    system_is_unknown = _i == 2;
    open_pair("policy = replica_then_primary", ONE, _i == 0 ? ONE : OTHER);
    pair_start(&pair, 1, 1);
    answer_standby(1, RP_FOUND);
    if (_i == 0) {
        ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
        return;
    }
    pair_time_passes(&pair, 300);
    if (pair.reads_out[1].server == PAIR_STANDBY) {
        answer_standby(1, RP_FOUND);
    }
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
}
END_TEST

/* What it has told by one name is known by any. */
START_TEST(a_floor_of_one_that_another_name_leads_to) {
    open_pair("policy = replica_then_primary", ONE, OTHER);
    pair.tells_replayed = true;
    pair.alias_replayed = pair.replayed;
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 65000); /* rights are looked at again */
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_DRAIN,
                                 pair.now_ns);
    pair_start(&pair, 1, 1);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_ALIAS));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
}
END_TEST

START_TEST(what_it_has_is_found) {
    open_pair("policy = read_index", ONE, OTHER);
    pair_start(&pair, 1, 0);
    answer_standby(1, RP_FOUND);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(it_is_said_once) {
    struct rp_notice notice = {.struct_size = sizeof notice};
    int said = 0;
    open_pair("policy = read_index", ONE, OTHER);
    pair_time_passes(&pair, 20000);
    while (pair.calls->notice(pair.cluster, &notice) != 0) {
        if (notice.level == RP_LOG_WARN) {
            ck_assert_ptr_nonnull(strstr(notice.text, "sorts text by another version"));
            ck_assert_ptr_nonnull(strstr(notice.text, "the same libraries"));
            said++;
        }
    }
    ck_assert_int_eq(said, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_collations");
    TCase *tests = suite_case(suite, "collations", NULL, tear_down, 0);
    tcase_add_loop_test(tests, an_absence, 0, sizeof versions / sizeof versions[0]);
    tcase_add_loop_test(tests, a_floor, 0, 3);
    tcase_add_test(tests, a_floor_of_one_that_another_name_leads_to);
    tcase_add_test(tests, what_it_has_is_found);
    tcase_add_test(tests, it_is_said_once);
    return suite_run(suite);
}
