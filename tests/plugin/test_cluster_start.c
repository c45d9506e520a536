/*
 * test_cluster_start.c - what has to be heard before a miss counts.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

static struct scripted_pair pair;

static void tear_down(void) {
    pair_close(&pair);
}

#define PROBE_PASSES "rp1 150000 8192 16777216 t t t t f"

/* Nobody has been asked yet. */
static void open_cluster(int32_t primary, int32_t standby) {
    pair_open(&pair, "policy = replica_then_primary\nreplica_retry_max_ms = 0\n"
                     "on_replica_failure = primary");
    pair_add_cluster(&pair, 0, primary, standby);
}

/* The standby answers before the primary does, so that it is to be asked once more: what it has
 * replayed since then may be what this primary has lost. */
static void open_with_a_slow_primary(bool standby_dies) {
    struct rp_action probe = {.struct_size = sizeof probe};
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &probe, &pair.wake_ns), 1);
    ck_assert_uint_eq(probe.server, PAIR_PRIMARY);
    pair_run(&pair);
    pair.standby_is_gone = standby_dies;
    pair_answer(&pair, &probe, RP_ANSWERED, PROBE_PASSES);
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

static void set_both(int32_t state) {
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, state,
                                 pair.now_ns);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, state,
                                 pair.now_ns);
}

static void take_probe(struct rp_action *probe, uint32_t server) {
    *probe = (struct rp_action){.struct_size = sizeof *probe};
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, probe, &pair.wake_ns), 1);
    ck_assert_int_eq(probe->kind, RP_ACTION_ASK);
    ck_assert_uint_eq(probe->server, server);
}

/* The first that is heard may be a deposed primary, as when the host starts. */
START_TEST(where_all_servers_are_exchanged_everybody_is_heard_first) {
    struct rp_action first, other;
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    pair_time_passes(&pair, 1000);
    ck_assert(is_settled());
    set_both(RP_SERVER_OFF);
    ck_assert(!is_settled());
    pair_run(&pair);
    set_both(RP_SERVER_ON);
    take_probe(&first, PAIR_PRIMARY);
    take_probe(&other, PAIR_STANDBY);
    pair_answer(&pair, &first, RP_ANSWERED, PROBE_PASSES);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    pair_answer(&pair, &other, RP_SERVER_GONE, NULL);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* A standby stays, and knows no more of who leads now than if it were new. */
START_TEST(so_it_is_where_the_primary_is_exchanged_for_two) {
    struct rp_action first, other;
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    pair_time_passes(&pair, 1000);
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
    ck_assert(is_settled());
    (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "d", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    take_probe(&first, PAIR_PRIMARY);
    take_probe(&other, PAIR_ALIAS);
    pair_answer(&pair, &first, RP_ANSWERED, PROBE_PASSES);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_FAILED);
    pair_answer(&pair, &other, RP_SERVER_GONE, NULL);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 2), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(where_one_stays_it_goes_on) {
    struct rp_action other;
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    pair_time_passes(&pair, 1000);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    take_probe(&other, PAIR_STANDBY);
    ck_assert(is_settled());
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* An answer to what it was asked before is none to what it is asked now. */
START_TEST(who_is_taken_out_and_comes_back_is_asked_by_another_id) {
    struct rp_action probes[4];
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    for (int i = 0; i < 4; i++) {
        take_probe(&probes[i], PAIR_PRIMARY);
        for (int k = 0; k < i; k++) {
            ck_assert_uint_ne(probes[k].id, probes[i].id);
        }
        set_both(RP_SERVER_OFF);
        pair_run(&pair);
        set_both(RP_SERVER_ON);
    }
}
END_TEST

/* The policy shifts no load to the primary: not while nobody has heard the replica yet, */
START_TEST(at_the_start_a_replicas_reads_are_not_the_primarys) {
    struct rp_action first, other;
    pair_open(&pair, "policy = replica_then_primary");
    pair_add_cluster(&pair, 0, RP_EXPECT_ANY, RP_EXPECT_ANY);
    take_probe(&first, PAIR_PRIMARY);
    take_probe(&other, PAIR_STANDBY);
    pair_answer(&pair, &first, RP_ANSWERED, PROBE_PASSES);
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* but where there was none, one that was just added is none yet either. */
START_TEST(but_those_are_who_has_no_other) {
    struct rp_action other;
    pair_open(&pair, "policy = replica_then_primary");
    pair_add_cluster(&pair, 0, RP_EXPECT_ANY, RP_EXPECT_ANY);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_time_passes(&pair, 1000);
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    take_probe(&other, PAIR_STANDBY);
    pair_start(&pair, 1, 0);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
}
END_TEST

/* What the role may do, as the probe tells it (all questions; the system; the control file; the
 * receiver; from 19 on the recovery), and what it is told to be granted. */
static const struct {
    const char *probe;
    const char *told; /* NULL: nothing */
} rights[] = {
    {"rp1 150000 8192 16777216 t t t t f", NULL},
    {"rp1 190000 8192 16777216 t t f t t", NULL},
    {"rp1 150000 8192 16777216 f t t t f", "role needs EXECUTE on"},
    {"rp1 150000 8192 16777216 t f t t f", "may not see the control file"},
    {"rp1 150000 8192 16777216 t t f t f", "may not see the control file"},
    {"rp1 150000 8192 16777216 t t t f f", "may not see the WAL receiver's timeline"},
    {"rp1 150000 8192 16777216 t f f f f", "may not see timelines and the system"},
};

START_TEST(a_right_that_is_lacking_is_told_of_at_once) {
    struct rp_action probe;
    struct rp_notice notice = {.struct_size = sizeof notice};
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    take_probe(&probe, PAIR_PRIMARY);
    pair.calls->answer(pair.cluster, probe.id, RP_ANSWERED, rights[_i].probe, NULL, pair.now_ns);
    if (rights[_i].told == NULL) {
        ck_assert_int_eq(pair.calls->notice(pair.cluster, &notice), 0);
        return;
    }
    ck_assert_int_eq(pair.calls->notice(pair.cluster, &notice), 1);
    ck_assert_ptr_nonnull(strstr(notice.text, rights[_i].told));
    ck_assert_int_eq(notice.level, RP_LOG_WARN);
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

static void fall_silent_once_known(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    pair.primary_is_silent = info.primary == PAIR_PRIMARY;
}

/* A timeline is remembered when it was claimed twice. Who falls silent in between holds up nobody's
 * reads of a replica. */
START_TEST(nor_is_a_claim_whose_server_falls_silent) {
    open_cluster(RP_EXPECT_ANY, RP_EXPECT_ANY);
    pair.looks = fall_silent_once_known;
    pair_run(&pair);
    ck_assert(pair.primary_is_silent);
    ck_assert(!is_settled());
    pair_time_passes(&pair, 1100);
    ck_assert(is_settled());
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

static void open_where_questions_fail(void) {
    open_cluster(RP_EXPECT_PRIMARY, RP_EXPECT_REPLICA);
    pair.questions_fail = true;
    pair_time_passes(&pair, 3000);
}

/* Of another make of server, which has the functions, and they fail. */
START_TEST(servers_whose_questions_fail_are_what_they_are_expected_to_be) {
    open_where_questions_fail();
    ck_assert(is_settled());
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* The probe passes each time, and the next question may fail with the read behind it. */
START_TEST(their_reads_go_without_a_question) {
    struct rp_action probe = {.struct_size = sizeof probe};
    open_where_questions_fail();
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &probe, &pair.wake_ns), 1);
    ck_assert_ptr_nonnull(strstr(probe.text, "server_version_num"));
    pair.questions_fail = false;
    pair.primary_is_silent = true;
    pair_answer(&pair, &probe, RP_ANSWERED, PROBE_PASSES);
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    ck_assert_ptr_null(pair.reads_out[1].text);
}
END_TEST

/* Roles change before they leave: the primary is none by its own words, and theirs all the same. */
START_TEST(such_a_primarys_reads_leave_for_it) {
    open_where_questions_fail();
    for (uint64_t tag = 1; tag <= 2; tag++) {
        pair_start(&pair, tag, 0);
    }
    for (uint64_t tag = 1; tag <= 2; tag++) {
        pair.calls->answer(pair.cluster, pair.reads_out[tag].id, RP_MISSING, NULL, NULL,
                           pair.now_ns);
    }
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_REPLICA, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
    for (uint64_t tag = 1; tag <= 2; tag++) {
        ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_PRIMARY);
    }
}
END_TEST

START_TEST(what_such_a_primary_misses_is_no_proof) {
    open_where_questions_fail();
    pair_start(&pair, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
    ck_assert_uint_eq(pair_counter(&pair, "cluster.uncounted_misses"), 1);
}
END_TEST

START_TEST(one_whose_questions_fail_now_and_then_is_heard_all_the_same) {
    pair_open_level(&pair, "policy = replica_only", 0);
    for (int i = 0; i < 4; i++) {
        pair.questions_fail = true;
        pair_time_passes(&pair, 1000);
        ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
        pair.questions_fail = false;
        pair_time_passes(&pair, 3000);
    }
}
END_TEST

/* Once they tell of themselves all is as it should be. */
START_TEST(and_tell_of_themselves_when_they_can) {
    open_where_questions_fail();
    pair.questions_fail = false;
    pair_time_passes(&pair, 1500);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 1), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* By its last words it is of another system, and a question that fails does not take that back. */
START_TEST(one_that_was_out_is_not_read_when_its_questions_fail) {
    open_cluster(RP_EXPECT_PRIMARY, RP_EXPECT_REPLICA);
    pair.systems[PAIR_STANDBY] = PAIR_SYSTEM + 1;
    pair_time_passes(&pair, 1000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_OUT);
    pair.standby_is_blind = true;
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_UNKNOWN);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 2000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

START_TEST(until_it_says_that_it_is_well) {
    open_cluster(RP_EXPECT_PRIMARY, RP_EXPECT_REPLICA);
    pair.systems[PAIR_STANDBY] = PAIR_SYSTEM + 1;
    pair_time_passes(&pair, 1000);
    pair.standby_is_blind = true;
    pair_time_passes(&pair, 5000);
    pair.standby_is_blind = false;
    pair.systems[PAIR_STANDBY] = PAIR_SYSTEM;
    pair.follower++;
    pair_time_passes(&pair, 2000);
    pair.standby_is_blind = true;
    pair_time_passes(&pair, 5000);
    ck_assert_int_eq(pair_standbys_role(&pair), RP_ROLE_REPLICA);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_start");
    TCase *tests = suite_case(suite, "start", NULL, tear_down, 0);
    tcase_add_test(tests, a_standby_is_compared_with_the_primary_first);
    tcase_add_test(tests, but_not_waited_for_when_it_dies_before_that);
    tcase_add_test(tests, nor_is_a_claim_whose_server_falls_silent);
    tcase_add_test(tests, where_all_servers_are_exchanged_everybody_is_heard_first);
    tcase_add_test(tests, so_it_is_where_the_primary_is_exchanged_for_two);
    tcase_add_test(tests, where_one_stays_it_goes_on);
    tcase_add_test(tests, servers_whose_questions_fail_are_what_they_are_expected_to_be);
    tcase_add_test(tests, their_reads_go_without_a_question);
    tcase_add_test(tests, such_a_primarys_reads_leave_for_it);
    tcase_add_test(tests, what_such_a_primary_misses_is_no_proof);
    tcase_add_test(tests, one_whose_questions_fail_now_and_then_is_heard_all_the_same);
    tcase_add_test(tests, and_tell_of_themselves_when_they_can);
    tcase_add_test(tests, one_that_was_out_is_not_read_when_its_questions_fail);
    tcase_add_test(tests, until_it_says_that_it_is_well);
    tcase_add_test(tests, who_is_taken_out_and_comes_back_is_asked_by_another_id);
    tcase_add_test(tests, at_the_start_a_replicas_reads_are_not_the_primarys);
    tcase_add_test(tests, but_those_are_who_has_no_other);
    tcase_add_loop_test(tests, a_right_that_is_lacking_is_told_of_at_once, 0,
                        sizeof rights / sizeof rights[0]);
    return suite_run(suite);
}
