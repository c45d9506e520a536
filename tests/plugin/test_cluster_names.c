/*
 * test_cluster_names.c - one name of two primaries: what another one than before says counts when
 * it has been asked once more.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

enum { ONE = 0xA1, OTHER = 0xA2, THIRD = 0xA3 };

static struct scripted_pair pair;

static void open_pair(const char *keys) {
    pair_open(&pair, keys);
    pair.version = 150000;
    pair.leader = ONE;
    pair.replayed = pair.inserted;
    pair_open_cluster(&pair, 0);
}

static void set_up(void) {
    open_pair("policy = primary_only");
    /* With a standby the primary would be asked for the comparison as well. */
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
}

static void tear_down(void) {
    pair_close(&pair);
}

/* The verdict on the read of that number, which `leader` answers; polls are led to `polled`. */
static int32_t verdict_on(uint64_t tag, uint32_t leader, int32_t outcome, uint32_t polled) {
    pair.leader = leader;
    const char *says = pair_says(&pair, PAIR_PRIMARY);
    pair.leader = polled;
    ck_assert_uint_eq(pair.reads_out[tag].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[tag], outcome, says);
    return pair.verdicts[tag];
}

/* Of reads 1 and 2, which the other answers. */
static void both_misses_fail(void) {
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    ck_assert_int_eq(verdict_on(2, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}

static void prompt_primary(void) {
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    pair_run(&pair);
}

/* As a standby, before it led: so that its system is known. */
static void has_answered(uint32_t instance) {
    const uint32_t follower = pair.follower;
    pair.follower = instance;
    pair.primary_is_standby = true;
    prompt_primary();
    pair.follower = follower;
    pair.primary_is_standby = false;
    prompt_primary();
}

START_TEST(the_first_miss_of_another_primary_proves_nothing) {
    has_answered(OTHER);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

START_TEST(what_another_primary_has_is_found) {
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_FOUND, OTHER), RP_VERDICT_FOUND);
}
END_TEST

/* That nobody has more only the primary can say. */
START_TEST(what_a_standby_has_in_part_may_not_be_all) {
    for (uint64_t tag = 1; tag <= 4; tag++) {
        pair_start(&pair, tag, 0);
    }
    pair.primary_is_silent = true;
    pair_answer(&pair, &pair.reads_out[1], RP_PARTIAL, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
    pair_answer(&pair, &pair.reads_out[2], RP_PARTIAL, NULL);
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_FOUND);
    pair_answer(&pair, &pair.reads_out[3], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[3], RP_VERDICT_FOUND);
    pair_answer(&pair, &pair.reads_out[4], RP_PARTIAL, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[4], RP_VERDICT_FAILED);
}
END_TEST

/* All that was sent before may have been led there by the same mistake. */
START_TEST(nor_does_a_miss_that_was_sent_before_it_was_heard) {
    has_answered(OTHER);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    both_misses_fail();
}
END_TEST

/* Who has said so since the reload is not forgotten by it. */
START_TEST(nor_right_after_a_reload) {
    has_answered(OTHER);
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_run(&pair);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    both_misses_fail();
}
END_TEST

/* A connection that was lost meanwhile confirms nothing. */
START_TEST(nor_when_the_question_in_between_is_lost) {
    has_answered(OTHER);
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    pair.primary_is_gone = true;
    both_misses_fail();
    pair.primary_is_gone = false;
    pair_time_passes(&pair, 1500);
    pair_start(&pair, 3, 0);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Nor has it led once more where a standby behind the same name has answered. */
START_TEST(nor_when_a_standby_answers_in_between) {
    has_answered(OTHER);
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    pair.primary_is_standby = true;
    both_misses_fail();
}
END_TEST

START_TEST(nor_when_a_standby_has_answered_before_it) {
    has_answered(OTHER);
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair_start(&pair, 1, 0);
    pair.primary_is_silent = true;
    pair_answer(&pair, &poll, RP_ANSWERED, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* As after a restart, or when the name is the new primary's: it is asked at once. */
START_TEST(asked_once_more_the_other_primary_counts) {
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    ck_assert_int_eq(verdict_on(2, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(where_the_one_answers_then_neither_counts) {
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, ONE), RP_VERDICT_FAILED);
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(verdict_on(2, ONE, RP_MISSING, ONE), RP_VERDICT_FAILED);
    pair_start(&pair, 3, 0);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* An old connection leads to the one still: what was sent there before the last question was is as
 * much a second primary's word as what is sent after it. */
START_TEST(a_miss_of_the_one_before_that_comes_late_does_not_count) {
    pair.leader = OTHER;
    pair_time_passes(&pair, 3000);
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    prompt_primary();
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
    ck_assert_int_eq(verdict_on(2, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* Once, in that timeline, which proves nothing; reads 2 and 3 are out behind it. */
static void the_other_has_missed(uint32_t timeline) {
    has_answered(OTHER);
    pair.primary_is_silent = true;
    pair.timeline = timeline;
    pair_start(&pair, 1, 0);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair_start(&pair, 2, 0);
    pair_start(&pair, 3, 0);
}

/* Its answer is late, and it was asked after the other had been heard to lead: so both do. It may
 * come at once, or some time after the last one. */
START_TEST(an_overtaken_answer_of_the_one_before_is_a_split) {
    the_other_has_missed(1);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
    pair_time_passes(&pair, (uint64_t)_i);
    ck_assert_int_eq(verdict_on(2, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair_start(&pair, 4, 0);
    ck_assert_int_eq(verdict_on(4, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* The machine was suspended before that answer came. */
START_TEST(which_lasts_a_minute_though_nobody_was_asked_for_an_hour) {
    the_other_has_missed(1);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
    pair.now_ns += 3600000 * PAIR_MS;
    pair.calls->answer(pair.cluster, pair.reads_out[2].id, RP_MISSING, "rp1 a1 c p 0/5000 - 1",
                       NULL, pair.now_ns);
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 55000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 4), RP_VERDICT_FAILED);
    pair_time_passes(&pair, 10000);
    ck_assert_int_eq(pair_verdict_on_a_miss(&pair, 5), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* The same, where it has not been overtaken. */
static void answer_poll(const struct rp_action *poll, uint32_t leader) {
    pair.leader = leader;
    pair.calls->answer(pair.cluster, poll->id, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY), NULL,
                       pair.now_ns);
}

static struct rp_action next_poll(void) {
    struct rp_action poll = {.struct_size = sizeof poll};
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &poll, &pair.wake_ns), 1);
    ck_assert_int_eq(poll.kind, RP_ACTION_ASK);
    return poll;
}

/* Answers to what was asked before the other one was heard do not tell who of them leads now, and
 * do not hide what tells it: that the first one was asked since then, and leads still. */
START_TEST(answers_from_before_do_not_hide_one_from_since_then) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    has_answered(OTHER);
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    answer_poll(&poll, OTHER);
    poll = next_poll();
    pair.primary_is_silent = true;
    ck_assert_int_eq(verdict_on(1, ONE, RP_MISSING, ONE), RP_VERDICT_FAILED);
    ck_assert_int_eq(verdict_on(2, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair_start(&pair, 3, 0);
    answer_poll(&poll, ONE);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair_start(&pair, 4, 0);
    ck_assert_int_eq(verdict_on(4, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_int_eq(info.split, 1);
}
END_TEST

/* Nor do they make a split of a primary that has been exchanged. */
START_TEST(nor_are_they_a_split_themselves) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    has_answered(OTHER);
    const struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    answer_poll(&poll, OTHER);
    ck_assert_int_eq(verdict_on(2, ONE, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_int_eq(info.split, 0);
    pair_start(&pair, 3, 0);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
}
END_TEST

START_TEST(nor_need_it_be_asked_after_the_others_last_answer) {
    the_other_has_missed(1);
    ck_assert_int_eq(verdict_on(2, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
    ck_assert_int_eq(verdict_on(3, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair_start(&pair, 4, 0);
    ck_assert_int_eq(verdict_on(4, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* What is older is not led to there any more. */
START_TEST(but_one_of_an_older_timeline_is_none) {
    the_other_has_missed(2);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
    pair.timeline = 1;
    ck_assert_int_eq(verdict_on(2, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair.timeline = 2;
    pair_start(&pair, 4, 0);
    ck_assert_int_eq(verdict_on(4, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* It was sent before the other was heard, as in every failover. Its own miss does not count. */
START_TEST(an_answer_from_before_that_is_none) {
    has_answered(OTHER);
    pair.primary_is_silent = true;
    for (uint64_t tag = 1; tag <= 3; tag++) {
        pair_start(&pair, tag, 0);
    }
    ck_assert_int_eq(verdict_on(2, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    ck_assert_int_eq(verdict_on(1, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    for (uint64_t tag = 4; tag <= 5; tag++) {
        pair_start(&pair, tag, 0);
        ck_assert_int_eq(verdict_on(tag, OTHER, RP_MISSING, OTHER), RP_VERDICT_NOT_FOUND);
    }
    ck_assert_int_eq(verdict_on(3, ONE, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* The standby may be the other one's, whose timeline has the same number. */
START_TEST(beside_another_primary_no_replica_keeps_a_floor) {
    pair_close(&pair);
    open_pair("policy = read_index");
    pair.holds_locates = true;
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, pair.replayed);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    pair.leader = OTHER;
    pair_answer(&pair, &pair.locate_out, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_uint_eq(pair.reads_out[2].server, PAIR_STANDBY);
    pair_answer(&pair, &pair.reads_out[2], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_NONE);
}
END_TEST

/* It has claimed a newer timeline once, and is gone: it is asked no more often than before. */
START_TEST(whose_claim_is_not_confirmed_is_not_asked_without_end) {
    pair_start(&pair, 1, 0);
    pair.primary_is_gone = true;
    pair.timeline = 2;
    ck_assert_int_eq(verdict_on(1, ONE, RP_MISSING, ONE), RP_VERDICT_FAILED);
    const uint64_t before = pair_counter(&pair, "cluster.polls");
    pair_time_passes(&pair, 1500);
    ck_assert_uint_le(pair_counter(&pair, "cluster.polls") - before,
                      7); /* no leader answers: four times a second */
    pair.primary_is_gone = false;
    pair_time_passes(&pair, 1500);
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(verdict_on(2, ONE, RP_MISSING, ONE), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* As behind a balancer: polls are led to another one, so that reads have to hear it. */
START_TEST(one_that_only_reads_meet_is_asked_for_its_system) {
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    ck_assert_ptr_null(strstr(pair.reads_out[1].text, "pg_control_system"));
    ck_assert_int_eq(verdict_on(1, OTHER, RP_MISSING, OTHER), RP_VERDICT_FAILED);
    pair_start(&pair, 2, 0);
    ck_assert_ptr_nonnull(strstr(pair.reads_out[2].text, "pg_control_system"));
}
END_TEST

/* Each of them has to be asked once more, and is not who answers. */
START_TEST(two_that_answer_by_turns_are_not_asked_without_end) {
    pair.rival = OTHER;
    pair_time_passes(&pair, 1500);
    const uint64_t before = pair_counter(&pair, "cluster.polls");
    pair_time_passes(&pair, 5000);
    ck_assert_uint_gt(pair_counter(&pair, "cluster.polls"), before);
    ck_assert_uint_lt(pair_counter(&pair, "cluster.polls") - before, 100);
}
END_TEST

static void set_server(uint32_t index, int32_t expect) {
    static const char *const names[] = {"a", "b", "c"};
    (void)pair.calls->server_set(pair.cluster, index, names[index], expect, RP_SERVER_ON,
                                 pair.now_ns);
    pair_time_passes(&pair, 1500);
}

static void expect_redials(int redials, uint32_t within_ms) {
    pair.redialled = 0;
    pair_time_passes(&pair, within_ms);
    ck_assert_int_eq(pair.redialled, redials);
}

/* What it says first may be of before the other one; but that one is asked after it, and then it
 * leads again. */
START_TEST(whose_first_word_came_late_takes_turns_all_the_same) {
    has_answered(OTHER);
    has_answered(THIRD);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(verdict_on(1, OTHER, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    ck_assert_int_eq(verdict_on(2, THIRD, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    pair_start(&pair, 3, 0);
    ck_assert_int_eq(verdict_on(3, OTHER, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    pair_start(&pair, 4, 0);
    ck_assert_int_eq(verdict_on(4, THIRD, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    pair_start(&pair, 5, 0);
    ck_assert_int_eq(verdict_on(5, THIRD, RP_MISSING, OTHER), RP_VERDICT_FAILED);
}
END_TEST

/* What was asked before its first word does not show that it led before that, so that one which
 * leads from now on has not taken turns. */
START_TEST(nor_by_an_answer_from_before_its_first_word) {
    has_answered(OTHER);
    has_answered(THIRD);
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    pair_start(&pair, 2, 0);
    answer_poll(&poll, OTHER);
    ck_assert_int_eq(verdict_on(1, THIRD, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    ck_assert_int_eq(verdict_on(2, OTHER, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    for (uint64_t tag = 3; tag <= 4; tag++) {
        pair_start(&pair, tag, 0);
        ck_assert_int_eq(verdict_on(tag, THIRD, RP_FOUND, THIRD), RP_VERDICT_FOUND);
    }
    pair_start(&pair, 5, 0);
    ck_assert_int_eq(verdict_on(5, THIRD, RP_MISSING, THIRD), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* Nor by one before a reload, whoever spoke for it then. */
START_TEST(nor_by_its_first_word_where_that_was_before_a_reload) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    has_answered(OTHER);
    has_answered(THIRD);
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    answer_poll(&poll, OTHER);
    ck_assert_int_eq(verdict_on(1, THIRD, RP_FOUND, OTHER), RP_VERDICT_FOUND);
    set_server(PAIR_ALIAS, RP_EXPECT_ANY); /* which leads to the other one */
    pair.calls->forget_history(pair.cluster, pair.now_ns);
    pair_time_passes(&pair, 2500);
    ck_assert_int_eq(pair.calls->info(pair.cluster, &info), RP_OK);
    ck_assert_int_eq(info.forgetting, 0);
    pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_OFF,
                           pair.now_ns);
    pair.primary_is_silent = false;
    pair_time_passes(&pair, 2500);
    pair.leader = THIRD;
    pair_time_passes(&pair, 2500);
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(verdict_on(2, THIRD, RP_MISSING, THIRD), RP_VERDICT_NOT_FOUND);
}
END_TEST

/* What it has told by one name is known by any, also that it is of another system. */
START_TEST(one_known_to_be_of_another_system_is_so_by_any_name) {
    pair.alias_system = PAIR_SYSTEM + 1;
    set_server(PAIR_STANDBY, RP_EXPECT_ANY); /* or none of ours would be left */
    set_server(PAIR_ALIAS, RP_EXPECT_REPLICA);
    pair.primary_is_silent = true;
    for (uint64_t tag = 1; tag <= 3; tag++) {
        pair_start(&pair, tag, 0);
        if (pair.reads_out[tag].id != 0) {
            ck_assert_int_eq(verdict_on(tag, 0xC1, RP_MISSING, 0xC1), RP_VERDICT_FAILED);
        }
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
    }
}
END_TEST

/* However many others are heard too late to lead there. */
START_TEST(whose_words_count_is_not_forgotten_for_others) {
    enum { OTHERS = 6 };
    struct rp_server_info info = {.struct_size = sizeof info};
    for (uint64_t tag = 1; tag <= OTHERS; tag++) {
        pair_start(&pair, tag, 0);
    }
    prompt_primary();
    pair.primary_is_silent = true;
    for (uint64_t tag = 1; tag <= OTHERS; tag++) {
        (void)verdict_on(tag, THIRD + (uint32_t)tag, RP_MISSING, ONE);
        ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_PRIMARY, &info), RP_OK);
        ck_assert_uint_eq(info.instance, ONE);
        ck_assert_uint_eq(info.system, PAIR_SYSTEM);
    }
}
END_TEST

/* For longer than any doubt lasts. */
static void one_is_polled_again(void) {
    pair.leader = ONE;
    pair.timeline = 1;
    pair_time_passes(&pair, 90000);
}

static void expect_one_is_out(uint64_t tag) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_PRIMARY, &info), RP_OK);
    ck_assert_int_eq(info.role, RP_ROLE_OUT);
    pair_start(&pair, tag, 0);
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FAILED);
}

/* Nobody can ask it to say that again, since the name leads elsewhere by then. */
START_TEST(one_answer_is_enough_to_depose_who_answers_next) {
    struct rp_action poll = pair_next_poll(&pair, PAIR_PRIMARY);
    pair_answer(&pair, &poll, RP_ANSWERED, "rp1 a2 c p 0/5000 0/5000 00000002 7001 -");
    one_is_polled_again();
    expect_one_is_out(1);
}
END_TEST

/* A read's question does not ask for the system; but it has been asked as a standby, by another
 * name. */
static void one_known_by_another_name_leads_once(void) {
    const uint32_t other = pair.follower + 1;
    pair.alias_replayed = pair.replayed;
    set_server(PAIR_ALIAS, RP_EXPECT_ANY);
    pair.primary_is_silent = true;
    pair_start(&pair, 1, 0);
    pair.timeline = 2;
    ck_assert_int_eq(verdict_on(1, other, RP_FOUND, other), RP_VERDICT_FOUND);
    pair.primary_is_silent = false;
    one_is_polled_again();
}

START_TEST(also_where_its_system_is_known_by_another_name) {
    one_known_by_another_name_leads_once();
    expect_one_is_out(2);
}
END_TEST

/* The role that it has there may not see it. */
START_TEST(but_not_where_that_name_could_not_tell_it) {
    struct rp_server_info info = {.struct_size = sizeof info};
    pair.systems[1] = 0;
    one_known_by_another_name_leads_once();
    ck_assert_int_eq(pair.calls->server(pair.cluster, PAIR_PRIMARY, &info), RP_OK);
    ck_assert_int_eq(info.role, RP_ROLE_PRIMARY);
}
END_TEST

/* Connections that were made before the name moved lead to the deposed one for as long as it lives,
 * however often the other one answers in between. */
START_TEST(one_that_is_out_by_turns_is_dialled_anew) {
    pair.rival = OTHER;
    expect_redials(1, 15000);
}
END_TEST

/* As a name of several hosts does when the first is away for a moment. Nobody leads then, but the
 * standby, which never did, keeps its connections. */
START_TEST(one_that_has_led_and_leads_to_a_standby_is_dialled_anew) {
    set_server(PAIR_STANDBY, RP_EXPECT_ANY);
    pair.primary_is_standby = true;
    expect_redials(1, 15000);
    pair.primary_is_standby = false; /* at least by new connections: those of before go, too */
    pair_time_passes(&pair, 15000);
    expect_redials(0, 15000);
}
END_TEST

/* A standby that has led once may be full: it would be lost, and all that it has. */
START_TEST(one_that_alone_serves_keeps_its_connections) {
    set_server(PAIR_STANDBY, RP_EXPECT_ANY);
    pair.primary_is_standby = true;
    pair.standby_is_gone = true;
    expect_redials(0, 30000);
    pair.standby_is_gone = false;
    expect_redials(1, 5000);
}
END_TEST

START_TEST(the_only_name_is_dialled_anew) {
    pair.primary_is_standby = true;
    expect_redials(1, 15000);
}
END_TEST

START_TEST(one_that_is_no_primarys_name_is_not_dialled_anew) {
    set_server(PAIR_STANDBY, RP_EXPECT_ANY);
    pair.primary_is_standby = true;
    pair_time_passes(&pair, 1500);
    set_server(PAIR_PRIMARY, RP_EXPECT_REPLICA);
    expect_redials(0, 30000);
}
END_TEST

/* That the one before is back has to be seen first. */
START_TEST(two_that_have_led_are_dialled_anew_one_after_the_other) {
    set_server(PAIR_ALIAS, RP_EXPECT_ANY);
    pair.primary_is_standby = true;
    pair.redialled = 0;
    uint64_t last_ns = 0;
    for (int ms = 0; ms < 60000; ms++) {
        pair_time_passes(&pair, 1);
        if (pair.redialled > 0) {
            ck_assert_int_eq(pair.redialled, 1);
            ck_assert(last_ns == 0 || pair.now_ns - last_ns >= 2500 * PAIR_MS);
            last_ns = pair.now_ns;
            pair.redialled = 0;
        }
    }
    ck_assert_uint_ne(last_ns, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_names");
    TCase *tests = suite_case(suite, "names", set_up, tear_down, 0);
    tcase_add_test(tests, the_first_miss_of_another_primary_proves_nothing);
    tcase_add_test(tests, what_another_primary_has_is_found);
    tcase_add_test(tests, what_a_standby_has_in_part_may_not_be_all);
    tcase_add_test(tests, nor_does_a_miss_that_was_sent_before_it_was_heard);
    tcase_add_test(tests, nor_right_after_a_reload);
    tcase_add_test(tests, nor_when_the_question_in_between_is_lost);
    tcase_add_test(tests, nor_when_a_standby_answers_in_between);
    tcase_add_test(tests, nor_when_a_standby_has_answered_before_it);
    tcase_add_test(tests, asked_once_more_the_other_primary_counts);
    tcase_add_test(tests, where_the_one_answers_then_neither_counts);
    tcase_add_test(tests, a_miss_of_the_one_before_that_comes_late_does_not_count);
    tcase_add_loop_test(tests, an_overtaken_answer_of_the_one_before_is_a_split, 0, 2);
    tcase_add_test(tests, which_lasts_a_minute_though_nobody_was_asked_for_an_hour);
    tcase_add_test(tests, answers_from_before_do_not_hide_one_from_since_then);
    tcase_add_test(tests, nor_are_they_a_split_themselves);
    tcase_add_test(tests, nor_need_it_be_asked_after_the_others_last_answer);
    tcase_add_test(tests, but_one_of_an_older_timeline_is_none);
    tcase_add_test(tests, an_answer_from_before_that_is_none);
    tcase_add_test(tests, beside_another_primary_no_replica_keeps_a_floor);
    tcase_add_test(tests, whose_claim_is_not_confirmed_is_not_asked_without_end);
    tcase_add_test(tests, one_that_only_reads_meet_is_asked_for_its_system);
    tcase_add_test(tests, two_that_answer_by_turns_are_not_asked_without_end);
    tcase_add_test(tests, whose_first_word_came_late_takes_turns_all_the_same);
    tcase_add_test(tests, nor_by_an_answer_from_before_its_first_word);
    tcase_add_test(tests, nor_by_its_first_word_where_that_was_before_a_reload);
    tcase_add_test(tests, one_known_to_be_of_another_system_is_so_by_any_name);
    tcase_add_test(tests, whose_words_count_is_not_forgotten_for_others);
    tcase_add_test(tests, one_answer_is_enough_to_depose_who_answers_next);
    tcase_add_test(tests, also_where_its_system_is_known_by_another_name);
    tcase_add_test(tests, but_not_where_that_name_could_not_tell_it);
    tcase_add_test(tests, one_that_is_out_by_turns_is_dialled_anew);
    tcase_add_test(tests, one_that_has_led_and_leads_to_a_standby_is_dialled_anew);
    tcase_add_test(tests, one_that_alone_serves_keeps_its_connections);
    tcase_add_test(tests, the_only_name_is_dialled_anew);
    tcase_add_test(tests, one_that_is_no_primarys_name_is_not_dialled_anew);
    tcase_add_test(tests, two_that_have_led_are_dialled_anew_one_after_the_other);
    return suite_run(suite);
}
