/*
 * test_cluster_databases.c - servers of one system that are read in different databases: what is
 * missing there proves nothing, and a replica of another one than the primary's is out.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>

enum { ONE = 7, OTHER = 8 };

static struct scripted_pair pair;

static void open_pair(uint32_t primarys, uint32_t standbys) {
    pair_open_level(&pair,
                    "policy = replica_then_primary\nreplica_retry_max_ms = 0\n"
                    "on_replica_failure = primary",
                    0);
    pair.databases[PAIR_PRIMARY] = primarys;
    pair.databases[PAIR_STANDBY] = standbys;
    pair_time_passes(&pair, 2000);
}

static void tear_down(void) {
    pair_close(&pair);
}

START_TEST(the_same_database_is_fine) {
    open_pair(ONE, ONE);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(what_is_not_told_is_held_against_nobody) {
    open_pair(ONE, 0);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(a_replica_of_another_database_is_out) {
    open_pair(ONE, OTHER);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
}
END_TEST

/* It may be the primary's connection that is wrong. */
START_TEST(nor_does_the_primarys_miss_count_then) {
    open_pair(ONE, OTHER);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(what_the_primary_has_is_found) {
    open_pair(ONE, OTHER);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(but_it_keeps_no_floor) {
    open_pair(ONE, OTHER);
    pair_start(&pair, 1, 1);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* It can tell nothing any more, be it right or wrong. */
START_TEST(one_that_has_gone_blind_is_held_against_nobody) {
    open_pair(ONE, OTHER);
    pair.standby_is_blind = true;
    pair_time_passes(&pair, 20000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(all_is_well_once_they_are_the_same) {
    open_pair(ONE, OTHER);
    pair.databases[PAIR_STANDBY] = ONE;
    pair_time_passes(&pair, 2000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(or_the_other_one_is_off) {
    open_pair(ONE, OTHER);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* As when a name has moved, and the standby has yet to replay that, or does not answer. */
START_TEST(but_where_both_have_one_name_the_primarys_miss_counts) {
    open_pair(ONE, ONE);
    pair.names[PAIR_PRIMARY] = pair.names[PAIR_STANDBY] = 1;
    pair_time_passes(&pair, 2000);
    pair.databases[PAIR_PRIMARY] = OTHER;
    pair_time_passes(&pair, 2000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
    pair.names[PAIR_STANDBY] = 2;
    pair_time_passes(&pair, 2000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_FAILED);
}
END_TEST

/* A current read, which is answered before its position is located. */
static void open_current_pair(void) {
    pair_open_level(&pair, "policy = read_index\nwhen = always\non_replica_failure = primary",
                    RP_CLUSTER_KEEPS_ANSWERS);
    pair.databases[PAIR_PRIMARY] = pair.databases[PAIR_STANDBY] = ONE;
    pair_time_passes(&pair, 2000);
    pair.holds_locates = true;
}

/* Whether the standby's MISSING, from a connection to this database, proves the row absent, though
 * its other connections are to the right one. */
static bool proves_absence(uint32_t database) {
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair.databases[PAIR_STANDBY] = database;
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    pair.databases[PAIR_STANDBY] = ONE;
    pair.holds_locates = false;
    if (pair.locate_out.id != 0) {
        pair_time_passes(&pair, 500);
        pair_answer(&pair, &pair.locate_out, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY));
    }
    return pair.verdicts[1] == RP_VERDICT_NOT_FOUND;
}

START_TEST(a_connection_to_the_primarys_database_proves_an_absence) {
    open_current_pair();
    ck_assert(proves_absence(ONE));
}
END_TEST

START_TEST(a_connection_that_stayed_in_another_one_does_not) {
    open_current_pair();
    ck_assert(!proves_absence(OTHER));
}
END_TEST

START_TEST(nor_one_that_does_not_tell) {
    open_current_pair();
    ck_assert(!proves_absence(0));
}
END_TEST

/* Every answer of a connection tells, not only the poll's once a second. */
START_TEST(a_replica_is_out_as_soon_as_a_read_meets_another_one) {
    open_pair(ONE, ONE);
    pair_start(&pair, 1, 1);
    pair.databases[PAIR_STANDBY] = OTHER;
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
}
END_TEST

/* What it says is older news than what is known of the server by then. */
START_TEST(a_late_answer_from_another_one_keeps_no_floor) {
    open_pair(ONE, ONE);
    pair_start(&pair, 1, 1);
    pair_start(&pair, 2, 1);
    pair_answer(&pair, &pair.reads_out[2], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FOUND);
    pair.databases[PAIR_STANDBY] = OTHER;
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

static int redials_within(uint64_t ms) {
    pair.redialled = 0;
    pair_time_passes(&pair, ms);
    return pair.redialled;
}

/* A name that has moved leads to the right one as soon as somebody connects anew. */
START_TEST(it_is_dialled_anew_at_once_and_then_now_and_then) {
    open_pair(ONE, ONE);
    pair.databases[PAIR_STANDBY] = OTHER;
    ck_assert_int_eq(redials_within(2000), 1);
    ck_assert_uint_eq(pair.redialled_last, PAIR_STANDBY);
    ck_assert_int_eq(redials_within(5000), 0);
    ck_assert_int_eq(redials_within(10000), 1);
}
END_TEST

START_TEST(one_that_is_right_and_wrong_by_turns_is_not_dialled_each_time) {
    open_pair(ONE, ONE);
    for (uint32_t turn = 0; turn < 3; turn++) {
        pair.databases[PAIR_STANDBY] = OTHER;
        ck_assert_int_eq(redials_within(1000), turn == 0);
        pair.databases[PAIR_STANDBY] = ONE;
        ck_assert_int_eq(redials_within(1000), 0);
    }
}
END_TEST

/* Sent to the primary, since there is no replica; what it says comes with the answer. */
static void start_at_primary(uint64_t tag) {
    pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                           pair.now_ns);
    pair_start(&pair, tag, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_PRIMARY);
}

/* Another of its sessions has been heard since the read was sent. */
START_TEST(the_primarys_late_miss_in_another_one_does_not_count) {
    open_pair(ONE, ONE);
    start_at_primary(1);
    pair_time_passes(&pair, 2000);
    pair.databases[PAIR_PRIMARY] = OTHER;
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* It is the first that is heard of that one; the next ones are believed. */
START_TEST(nor_does_one_that_moves_it_there) {
    open_pair(ONE, ONE);
    start_at_primary(1);
    pair.databases[PAIR_PRIMARY] = OTHER;
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    pair_time_passes(&pair, 2000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* By another name the primary is read where the name of the database has moved to. */
START_TEST(nor_does_one_of_a_session_that_stayed_behind) {
    open_pair(ONE, ONE);
    pair.names[PAIR_PRIMARY] = pair.names[PAIR_STANDBY] = 1;
    pair_time_passes(&pair, 2000);
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    start_at_primary(1);
    pair.primary_is_gone = true;
    pair.databases[PAIR_PRIMARY] = OTHER;
    pair_time_passes(&pair, 2000);
    pair.databases[PAIR_PRIMARY] = ONE;
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_databases");
    TCase *tests = suite_case(suite, "databases", NULL, tear_down, 0);
    tcase_add_test(tests, the_same_database_is_fine);
    tcase_add_test(tests, what_is_not_told_is_held_against_nobody);
    tcase_add_test(tests, a_replica_of_another_database_is_out);
    tcase_add_test(tests, nor_does_the_primarys_miss_count_then);
    tcase_add_test(tests, what_the_primary_has_is_found);
    tcase_add_test(tests, but_it_keeps_no_floor);
    tcase_add_test(tests, one_that_has_gone_blind_is_held_against_nobody);
    tcase_add_test(tests, all_is_well_once_they_are_the_same);
    tcase_add_test(tests, or_the_other_one_is_off);
    tcase_add_test(tests, but_where_both_have_one_name_the_primarys_miss_counts);
    tcase_add_test(tests, a_connection_to_the_primarys_database_proves_an_absence);
    tcase_add_test(tests, a_connection_that_stayed_in_another_one_does_not);
    tcase_add_test(tests, nor_one_that_does_not_tell);
    tcase_add_test(tests, a_replica_is_out_as_soon_as_a_read_meets_another_one);
    tcase_add_test(tests, a_late_answer_from_another_one_keeps_no_floor);
    tcase_add_test(tests, it_is_dialled_anew_at_once_and_then_now_and_then);
    tcase_add_test(tests, one_that_is_right_and_wrong_by_turns_is_not_dialled_each_time);
    tcase_add_test(tests, the_primarys_late_miss_in_another_one_does_not_count);
    tcase_add_test(tests, nor_does_one_that_moves_it_there);
    tcase_add_test(tests, nor_does_one_of_a_session_that_stayed_behind);
    return suite_run(suite);
}
