/*
 * test_cluster_replicas.c - which of two replicas a read goes to.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

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

/* One of the two is late, and a read is with it; if it has a floor, at the position of the other
 * one. */
static uint64_t begun_at_the_late_one(const char *keys, uint32_t late, bool floor) {
    open_three(keys);
    pair.inserted += 0x1000;
    pair.flushed = pair.replayed = pair.alias_replayed = pair.inserted;
    *(late == PAIR_STANDBY ? &pair.replayed : &pair.alias_replayed) -= 0x1000;
    pair_time_passes(&pair, 1500);
    uint64_t tag = 0;
    do {
        pair_start(&pair, ++tag, floor ? pair.inserted : 0);
    } while (pair.reads_out[tag].server != late);
    return tag;
}

/* The row that one of them lacks is looked for at once on the one that is further. */
START_TEST(freshest_is_the_one_that_is_furthest) {
    const uint64_t tag =
        begun_at_the_late_one("policy = read_index\nreplica_pick = freshest", (uint32_t)_i, false);
    pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, NULL);
    ck_assert_uint_ne(pair.reads_out[tag].id, 0);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY + PAIR_ALIAS - (uint32_t)_i);
}
END_TEST

static void answer_late(uint64_t tag, int32_t outcome) {
    struct rp_action *read = &pair.reads_out[tag];
    pair_answer(&pair, read, outcome, pair_says(&pair, read->server));
}

static void assert_served_by_the_other(uint64_t tag, uint32_t late) {
    struct rp_action *read = &pair.reads_out[tag];
    ck_assert_uint_ne(read->id, 0);
    ck_assert_uint_eq(read->server, PAIR_STANDBY + PAIR_ALIAS - late);
    pair_answer(&pair, read, RP_FOUND, pair_says(&pair, read->server));
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
}

/* Whatever the policy, and though replica_pick is same. */
static const char *const with_floors[] = {
    "policy = read_index", "policy = read_index\nmax_wait_ms = 0", "policy = replica_only",
    "policy = replica_then_primary", "policy = replica_then_primary\nreplica_retry_max_ms = 0"};
enum { WITH_FLOORS = sizeof with_floors / sizeof *with_floors };

static const int32_t below[] = {RP_FOUND, RP_PARTIAL, RP_MISSING};
enum { BELOW = sizeof below / sizeof *below };

START_TEST(one_below_the_floor_is_left_for_one_that_is_there) {
    const uint32_t late = _i % 2 == 0 ? PAIR_STANDBY : PAIR_ALIAS;
    const uint64_t tag = begun_at_the_late_one(with_floors[_i / 2 / BELOW], late, true);
    answer_late(tag, below[_i / 2 % BELOW]);
    assert_served_by_the_other(tag, late);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.detours"), 0);
    ck_assert_int_eq(pair.counted[tag], RP_COUNTED_NONE);
}
END_TEST

/* A read at a position that nobody has reached yet: who is asked. */
static uint32_t begun_beyond_all(const char *keys) {
    open_three(keys);
    pair_start(&pair, 1, pair.inserted + 0x1000);
    pair.inserted += 0x1000;
    return pair.reads_out[1].server;
}

/* Nobody is there at first; the other one comes there while the policy waits. */
START_TEST(a_retry_goes_where_the_floor_is_reached) {
    const uint32_t asked = begun_beyond_all("policy = replica_then_primary");
    answer_late(1, _i == 0 ? RP_FOUND : RP_MISSING);
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    *(asked == PAIR_STANDBY ? &pair.alias_replayed : &pair.replayed) = pair.inserted;
    pair.calls->prompt(pair.cluster, PAIR_STANDBY + PAIR_ALIAS - asked, pair.now_ns);
    pair_time_passes(&pair, 200);
    assert_served_by_the_other(1, asked);
    ck_assert_int_eq(pair.counted[1], _i == 0 ? RP_COUNTED_NONE : RP_COUNTED_REPLICA_RETRY);
}
END_TEST

/* Both are there, and neither says so with its answer. */
START_TEST(two_that_do_not_tell_are_not_asked_by_turns_for_ever) {
    open_three("policy = replica_only");
    pair_start(&pair, 1, pair.replayed);
    int answers = 0;
    while (pair.verdicts[1] == 0 && answers < 10) {
        pair_answer(&pair, &pair.reads_out[1], _i == 0 ? RP_FOUND : RP_MISSING, NULL);
        answers++;
    }
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    ck_assert_int_eq(answers, 3);
}
END_TEST

/* Nobody is there: it is awaited where the read was. */
START_TEST(where_nobody_is_at_the_floor_the_one_that_was_asked_is_awaited) {
    const uint32_t asked = begun_beyond_all("policy = read_index");
    pair_time_passes(&pair, 1000);
    answer_late(1, RP_FOUND);
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    pair.replayed = pair.alias_replayed = pair.inserted;
    for (int i = 0; i < 300 && pair.reads_out[1].id == 0; i++) {
        pair_time_passes(&pair, 1);
        if (pair.watch_out.id != 0) {
            pair_answer_watch(&pair);
        }
    }
    ck_assert_uint_eq(pair.reads_out[1].server, asked);
}
END_TEST

/* In a rehearsal the first hit misses, and the policy hears of it. */
START_TEST(a_rehearsed_miss_is_no_answer_below_the_floor) {
    pair_open_level(&pair, "policy = read_index", RP_CLUSTER_FIRST_MISSES);
    pair.alias_replayed = pair.replayed;
    set_other(RP_SERVER_ON);
    pair_time_passes(&pair, 1500);
    pair_start(&pair, 1, pair.replayed);
    const uint32_t asked = pair.reads_out[1].server;
    answer_late(1, RP_FOUND);
    ck_assert_uint_eq(pair.reads_out[1].server, asked);
    answer_late(1, RP_FOUND);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
    ck_assert_int_eq(pair.counted[1], RP_COUNTED_REPLICA_RETRY);
}
END_TEST

/* It is at the floor, and cannot prove what it missed: the primary has started anew since the
 * locate. Nobody was behind, so that is a miss, and whoever finds it then counts. */
START_TEST(one_at_the_floor_that_cannot_prove_has_missed) {
    open_three("policy = read_index\nwhen = always");
    pair_start(&pair, 1, pair.replayed);
    ck_assert_uint_ne(pair.reads_out[1].server, PAIR_PRIMARY);
    pair.leader = 0xA3;
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    pair_run(&pair);
    answer_late(1, RP_MISSING);
    answer_late(1, RP_FOUND);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
    ck_assert_int_eq(pair.counted[1], RP_COUNTED_REPLICA_RETRY);
}
END_TEST

#define CURRENT "policy = read_index\nwhen = always\nmax_wait_ms = 300"

/* A current read is with the standby, for a position that neither of the two has come to yet. */
static uint64_t begin_current_of(const char *keys) {
    open_three(keys);
    pair.inserted += 0x1000;
    uint64_t tag = 0;
    do {
        pair_start(&pair, ++tag, 0);
    } while (pair.reads_out[tag].server != PAIR_STANDBY);
    return tag;
}

static uint64_t begin_current(void) {
    return begin_current_of(CURRENT);
}

static void standby_dies(uint64_t tag) {
    pair.standby_is_gone = true;
    pair_answer(&pair, &pair.reads_out[tag], RP_SERVER_GONE, NULL);
    pair_answer(&pair, &pair.watch_out, RP_SERVER_GONE, NULL);
}

/* It is not read as it is: where it stands is asked for before. */
static void assert_current_at_the_other(uint64_t tag) {
    const struct rp_action *read = &pair.reads_out[tag];
    for (int i = 0; i < 300 && read->id == 0; i++) {
        pair.alias_replayed = i == 10 ? pair.inserted : pair.alias_replayed;
        pair_time_passes(&pair, 1);
    }
    ck_assert_ptr_nonnull(read->text);
    ck_assert_uint_eq(pair.alias_replayed, pair.inserted);
    assert_served_by_the_other(tag, PAIR_STANDBY);
}

START_TEST(a_current_read_whose_replica_dies_awaits_the_other_one) {
    const uint64_t tag = begin_current();
    standby_dies(tag);
    assert_current_at_the_other(tag);
}
END_TEST

START_TEST(a_current_read_whose_replica_is_taken_out_awaits_the_other_one) {
    const uint64_t tag = begin_current();
    answer_late(tag, RP_FOUND);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
    assert_current_at_the_other(tag);
}
END_TEST

/* Where there is no other one. It may answer again at once, over another connection, and be no
 * further: what it has by then counts for nothing. */
START_TEST(a_current_read_whose_only_replica_dies_fails) {
    const uint64_t tag = begin_current();
    set_other(RP_SERVER_OFF);
    standby_dies(tag);
    ck_assert_uint_eq(pair.reads_out[tag].id, 0);
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
}
END_TEST

START_TEST(a_current_read_whose_only_replica_dies_is_the_primarys_where_that_may_be) {
    const uint64_t tag = begin_current_of(CURRENT "\non_replica_failure = primary");
    set_other(RP_SERVER_OFF);
    standby_dies(tag);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
}
END_TEST

/* A question that was cancelled says nothing of where it is: it is asked again, but not at once. */
START_TEST(a_current_read_goes_on_awaiting_where_a_question_fails) {
    const uint64_t tag = begin_current();
    set_other(_i == 0 ? RP_SERVER_OFF : RP_SERVER_ON);
    pair_answer(&pair, &pair.reads_out[tag], RP_FAILED, NULL);
    for (int i = 0; i < 3; i++) {
        const int before = pair.watches_seen;
        pair_answer(&pair, &pair.watch_out, RP_FAILED, NULL);
        ck_assert_uint_eq(pair.reads_out[tag].id, 0);
        ck_assert_int_eq(pair.watches_seen, before);
        pair_time_passes(&pair, 5);
        ck_assert_int_eq(pair.watches_seen, before + 1);
    }
    pair.replayed = pair.inserted;
    pair_answer_watch(&pair);
    ck_assert_ptr_nonnull(pair.reads_out[tag].text);
    pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
}
END_TEST

/* As long as it may: then the replica is read as it is. */
START_TEST(a_question_that_always_fails_is_awaited_for_max_wait_ms) {
    const uint64_t tag = begin_current();
    set_other(RP_SERVER_OFF);
    pair_answer(&pair, &pair.reads_out[tag], RP_FAILED, NULL);
    for (int passed_ms = 0; passed_ms < 300; passed_ms += 5) {
        ck_assert_uint_eq(pair.reads_out[tag].id, 0);
        pair_answer(&pair, &pair.watch_out, RP_FAILED, NULL);
        pair_time_passes(&pair, 5);
    }
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY);
    ck_assert_ptr_null(pair.reads_out[tag].text);
}
END_TEST

/* Nor is one awaited that does not tell. */
START_TEST(a_current_read_of_a_replica_that_does_not_tell_its_position) {
    const uint64_t tag = begin_current();
    set_other(RP_SERVER_OFF);
    pair_answer(&pair, &pair.reads_out[tag], RP_FAILED, NULL);
    pair.replayed = 0;
    pair_answer_watch(&pair);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_STANDBY);
    ck_assert_ptr_null(pair.reads_out[tag].text);
}
END_TEST

/* It has a shorter time than positions are awaited for, and the replica has not answered for most
 * of that: it is not read as it is in what is left. */
START_TEST(a_current_read_that_is_in_a_hurry_is_never_read_as_it_is) {
    open_three(CURRENT "\non_replica_failure = primary");
    pair.inserted += 0x1000;
    pair_start_within(&pair, 1, 200);
    ck_assert_ptr_nonnull(pair.reads_out[1].text);
    pair_time_passes(&pair, 150);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    ck_assert_int_eq(pair.reads_out[1].target, RP_TARGET_PRIMARY);
}
END_TEST

/* A read in a transaction of the host's own goes to the primary. */
static void start_in_transaction(uint64_t tag, uint64_t floor) {
    const struct rp_request request = {.struct_size = sizeof request,
                                       .flags = RP_IN_TRANSACTION,
                                       .now_ns = pair.now_ns,
                                       .position = floor};
    uint64_t id;
    ck_assert_int_eq(pair.calls->start(pair.cluster, pair.section.policy, &request, tag, &id),
                     RP_OK);
    pair_run(&pair);
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_PRIMARY);
}

/* The transaction may have taken its only snapshot before what the floor stands for was committed.
 */
START_TEST(a_floor_in_a_repeatable_read_transaction) {
    static const struct {
        bool floor;
        bool repeatable;
        int32_t verdict;
    } cases[] = {{true, true, RP_VERDICT_FAILED},
                 {true, false, RP_VERDICT_FOUND},
                 {false, true, RP_VERDICT_FOUND}};
    char before[160];
    open_three("policy = replica_then_primary");
    start_in_transaction(1, cases[_i].floor ? pair.inserted : 0);
    (void)snprintf(before, sizeof before, "%s", pair_says(&pair, PAIR_PRIMARY));
    if (cases[_i].repeatable) {
        char *isolation = strstr(before, " c ");
        ck_assert_ptr_nonnull(isolation);
        isolation[1] = 'x';
    }
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, before);
    ck_assert_int_eq(pair.verdicts[1], cases[_i].verdict);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_replicas");
    TCase *tests = suite_case(suite, "replicas", NULL, tear_down, 0);
    tcase_add_test(tests, each_has_its_share);
    tcase_add_test(tests, one_that_is_drained_has_none);
    tcase_add_test(tests, one_that_backs_off_has_none);
    tcase_add_loop_test(tests, freshest_is_the_one_that_is_furthest, PAIR_STANDBY, PAIR_ALIAS + 1);
    tcase_add_loop_test(tests, one_below_the_floor_is_left_for_one_that_is_there, 0,
                        2 * BELOW * WITH_FLOORS);
    tcase_add_loop_test(tests, a_retry_goes_where_the_floor_is_reached, 0, 2);
    tcase_add_loop_test(tests, two_that_do_not_tell_are_not_asked_by_turns_for_ever, 0, 2);
    tcase_add_test(tests, where_nobody_is_at_the_floor_the_one_that_was_asked_is_awaited);
    tcase_add_test(tests, a_rehearsed_miss_is_no_answer_below_the_floor);
    tcase_add_test(tests, one_at_the_floor_that_cannot_prove_has_missed);
    tcase_add_test(tests, a_current_read_whose_replica_dies_awaits_the_other_one);
    tcase_add_test(tests, a_current_read_whose_replica_is_taken_out_awaits_the_other_one);
    tcase_add_test(tests, a_current_read_whose_only_replica_dies_fails);
    tcase_add_test(tests, a_current_read_whose_only_replica_dies_is_the_primarys_where_that_may_be);
    tcase_add_loop_test(tests, a_current_read_goes_on_awaiting_where_a_question_fails, 0, 2);
    tcase_add_test(tests, a_question_that_always_fails_is_awaited_for_max_wait_ms);
    tcase_add_test(tests, a_current_read_of_a_replica_that_does_not_tell_its_position);
    tcase_add_test(tests, a_current_read_that_is_in_a_hurry_is_never_read_as_it_is);
    tcase_add_loop_test(tests, a_floor_in_a_repeatable_read_transaction, 0, 3);
    return suite_run(suite);
}
