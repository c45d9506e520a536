/*
 * test_cluster_current.c - current reads (when = always): many share a locate, and each goes to the
 * replica beside it.
 */
#include "tests/lib/scripted_pair.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>

static struct scripted_pair pair;

static void open_pair(const char *keys, uint32_t flags) {
    pair_open_level(&pair, keys, flags);
    pair.holds_locates = true;
}

#define ALWAYS "policy = read_index\nwhen = always\nmax_wait_ms = 300"

static void set_up(void) {
    open_pair(ALWAYS, RP_CLUSTER_KEEPS_ANSWERS);
}

static void tear_down(void) {
    pair_close(&pair);
}

static void answer_locate(void) {
    pair_answer(&pair, &pair.locate_out, RP_ANSWERED, pair_says(&pair, PAIR_PRIMARY));
}

static void answer_read(uint64_t tag) {
    pair_answer(&pair, &pair.reads_out[tag], RP_FOUND, pair_says(&pair, PAIR_STANDBY));
}

/* Reads first to last, located by one question that took so long, are with the standby. */
static void bring_out(uint64_t first, uint64_t last, uint64_t took_ns) {
    for (uint64_t tag = first; tag <= last; tag++) {
        pair_start(&pair, tag, 0);
    }
    pair.now_ns += took_ns;
    answer_locate();
    if (first < last) { /* those that came while the first was being located, and have gathered */
        pair.now_ns += PAIR_MS;
        pair_run(&pair);
        pair.now_ns += took_ns;
        answer_locate();
    }
    for (uint64_t tag = first; tag <= last; tag++) {
        ck_assert_uint_ne(pair.reads_out[tag].id, 0);
    }
}

/* Read 0, and while that is located 1 to count, which share a locate; all are answered. */
static void bring_back(uint64_t count) {
    for (uint64_t tag = 0; tag <= count; tag++) {
        pair_start(&pair, tag, 0);
    }
    answer_locate();
    answer_locate();
    pair.now_ns += PAIR_MS / 10;
    for (uint64_t tag = 0; tag <= count; tag++) {
        answer_read(tag);
    }
}

START_TEST(reads_gather_until_they_are_five_times_as_many_as_those_before) {
    bring_out(1, 2, PAIR_MS / 10);
    const int before = pair.locates_seen;
    answer_read(1);
    for (uint64_t tag = 3; tag <= 7; tag++) {
        ck_assert_int_eq(pair.locates_seen, before);
        pair_start(&pair, tag, 0);
    }
    ck_assert_int_eq(pair.locates_seen, before + 1);
}
END_TEST

START_TEST(reads_gather_until_those_before_are_back_and_have_come_again) {
    bring_back(10);
    for (int round = 0; round < 3; round++) {
        const int before = pair.locates_seen;
        for (uint64_t tag = 1; tag <= 10; tag++) {
            ck_assert_int_eq(pair.locates_seen, before);
            pair_start(&pair, tag, 0);
        }
        ck_assert_int_eq(pair.locates_seen, before + 1);
        answer_locate();
        pair.now_ns += PAIR_MS / 10;
        for (uint64_t tag = 1; tag <= 10; tag++) {
            answer_read(tag);
            ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
        }
    }
}
END_TEST

START_TEST(a_client_that_has_come_again_is_expected_once) {
    bring_back(10);
    for (uint64_t tag = 1; tag <= 10; tag++) {
        pair_start(&pair, tag, 0);
    }
    answer_locate();
    const int before = pair.locates_seen;
    for (uint64_t tag = 1; tag <= 10; tag++) {
        answer_read(tag);
        ck_assert_int_eq(pair.locates_seen, before);
        pair_start(&pair, tag, 0);
    }
    ck_assert_int_eq(pair.locates_seen, before + 1);
}
END_TEST

START_TEST(those_that_gather_meanwhile_are_expected_too) {
    bring_out(1, 2, PAIR_MS / 10);
    const int before = pair.locates_seen;
    pair_start(&pair, 3, 0);
    answer_read(1);
    answer_read(2);
    ck_assert_int_eq(pair.locates_seen, before);
    pair_start(&pair, 4, 0);
    ck_assert_int_eq(pair.locates_seen, before + 1);
}
END_TEST

/* Read tag - 1 is out. Whether the read that comes now, when that is answered, waits for company;
 * if so, until a millisecond after the locate before. It is out in the end. */
static bool waits_in_vain(uint64_t tag) {
    const int before = pair.locates_seen;
    pair_start(&pair, tag, 0);
    pair.now_ns += PAIR_MS / 10;
    answer_read(tag - 1);
    const bool waits = pair.locates_seen == before;
    if (waits) {
        ck_assert_uint_eq(pair.wake_ns, pair.now_ns + PAIR_MS - PAIR_MS / 10);
        pair.now_ns = pair.wake_ns;
        pair_run(&pair);
    }
    ck_assert_int_eq(pair.locates_seen, before + 1);
    answer_locate();
    return waits;
}

START_TEST(clients_that_do_not_come_again_are_soon_not_waited_for) {
    bring_out(1, 1, 0);
    for (uint64_t tag = 2; tag <= 16; tag++) {
        ck_assert_int_eq(waits_in_vain(tag), tag == 2 || tag == 4 || tag == 8 || tag == 16);
    }
}
END_TEST

START_TEST(a_lone_client_waits_for_nobody) {
    for (uint64_t tag = 1; tag <= 9; tag++) {
        pair_start(&pair, tag, 0);
        answer_locate();
        pair.now_ns += PAIR_MS / 10;
        answer_read(tag);
        ck_assert_int_eq(pair.locates_seen, (int)tag);
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
    }
}
END_TEST

/* However long those before take, and their locate took. */
START_TEST(reads_gather_for_a_short_time) {
    static const uint64_t took_ns[] = {PAIR_MS / 10, 50 * PAIR_MS};
    bring_out(1, 2, took_ns[_i]);
    const int before = pair.locates_seen;
    pair_start(&pair, 3, 0);
    ck_assert_uint_eq(pair.wake_ns, pair.now_ns + PAIR_MS);
    pair.now_ns = pair.wake_ns - 1;
    pair_run(&pair);
    ck_assert_int_eq(pair.locates_seen, before);
    pair.now_ns++;
    pair_run(&pair);
    ck_assert_int_eq(pair.locates_seen, before + 1);
}
END_TEST

/* Read 1 stays out; read 2 has gathered for it. */
START_TEST(a_read_that_takes_long_is_waited_for_once) {
    bring_out(1, 2, PAIR_MS / 10);
    answer_read(2);
    for (uint64_t tag = 3; tag <= 6; tag++) {
        const int before = pair.locates_seen;
        pair_start(&pair, tag, 0);
        ck_assert_int_eq(pair.locates_seen, before + 1);
        answer_locate();
        answer_read(tag);
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
    }
}
END_TEST

/* Nobody gathers for reads that are none of theirs: one that has missed, for instance. */
START_TEST(a_read_is_located_at_once_where_no_current_one_is_out) {
    bring_out(1, 1, PAIR_MS / 10);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, NULL);
    answer_locate();
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    const int before = pair.locates_seen;
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(pair.locates_seen, before + 1);
}
END_TEST

static void primary_writes(void) {
    pair.inserted += 0x100;
    pair.flushed = pair.inserted;
}

static void take_standby_out(void) {
    (void)pair.calls->server_set(pair.cluster, PAIR_STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
    pair_run(&pair);
}

/* Read 1 is sent while the standby is not known to be where the primary is. */
static void bring_out_early(void) {
    primary_writes();
    bring_out(1, 1, PAIR_MS / 10);
}

/* The position is awaited, and the read is sent again when it is reached. */
static void is_awaited_and_found(uint64_t tag) {
    ck_assert_uint_eq(pair.reads_out[tag].id, 0);
    pair.replayed = pair.inserted;
    pair_answer_watch(&pair);
    answer_read(tag);
    ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
}

/* It says itself, before its snapshot, that the position was reached. */
START_TEST(a_read_goes_early) {
    bring_out_early();
    ck_assert_int_eq(pair.watches_seen, 0);
    pair.replayed = pair.inserted;
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* Too early: what it found does not count, and the position is awaited before it is read again. */
START_TEST(a_read_that_went_too_early_awaits_the_position) {
    bring_out_early();
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    ck_assert_int_eq(pair.watches_seen, 1);
    is_awaited_and_found(1);
}
END_TEST

START_TEST(an_absence_is_proven_early) {
    bring_out_early();
    pair.replayed = pair.inserted;
    pair_answer(&pair, &pair.reads_out[1], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NOT_FOUND);
}
END_TEST

/* The policy hears nothing of a read that went early and came to nothing. */
START_TEST(an_early_read_that_fails_awaits_the_position) {
    static const int32_t outcomes[] = {RP_FAILED, RP_CONFLICT, RP_SERVER_GONE, RP_NOT_SENT};
    bring_out_early();
    pair_answer(&pair, &pair.reads_out[1], outcomes[_i], NULL);
    is_awaited_and_found(1);
}
END_TEST

/* As where the position is awaited in vain: the replica is read as it is. */
START_TEST(an_early_read_may_take_as_long_as_a_position_is_awaited) {
    bring_out_early();
    const uint64_t early = pair.reads_out[1].id;
    pair_time_passes(&pair, 301);
    ck_assert_int_eq(pair.dropped, 1);
    ck_assert_uint_ne(pair.reads_out[1].id, early);
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(an_early_read_of_a_server_that_is_taken_out) {
    bring_out_early();
    take_standby_out();
    ck_assert_int_eq(pair.dropped, 1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* Where a read beside its locate was too early, the next one goes after it, and then the next three
 * do; where that was too early, too, the next ones await the position first. */
START_TEST(reads_go_early_less_often_where_it_is_in_vain) {
    enum { BESIDE, AFTER, AWAITED };
    static const int goes[] = {BESIDE, AFTER, BESIDE, AWAITED, AFTER, AWAITED, BESIDE};
    for (uint64_t tag = 0; tag < sizeof goes / sizeof goes[0]; tag++) {
        primary_writes();
        pair.watches_seen = 0;
        pair_start(&pair, tag, 0);
        ck_assert_int_eq(pair.reads_out[tag].id != 0, goes[tag] == BESIDE);
        answer_locate();
        ck_assert_int_eq(pair.watches_seen, goes[tag] == AWAITED ? 1 : 0);
        if (goes[tag] != AWAITED) {
            answer_read(tag);
        }
        is_awaited_and_found(tag);
    }
}
END_TEST

/* ---- beside the locate ----------------------------------------------------------------------- */

/* Read 1 and its locate are out. */
static void bring_out_beside(void) {
    pair_start(&pair, 1, 0);
    ck_assert_uint_ne(pair.locate_out.id, 0);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    ck_assert_ptr_nonnull(pair.reads_out[1].text);
}

/* Its answer is there first, and is kept until it is known what was located. */
START_TEST(a_read_is_answered_before_its_locate) {
    static const int32_t outcomes[] = {RP_FOUND, RP_MISSING};
    static const int32_t verdicts[] = {RP_VERDICT_FOUND, RP_VERDICT_NOT_FOUND};
    bring_out_beside();
    pair_answer(&pair, &pair.reads_out[1], outcomes[_i], pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    answer_locate();
    ck_assert_int_eq(pair.verdicts[1], verdicts[_i]);
    ck_assert_int_eq(pair.dropped, 0);
}
END_TEST

START_TEST(an_answer_from_before_the_position_is_not_kept) {
    primary_writes();
    bring_out_beside();
    answer_read(1);
    answer_locate();
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
    ck_assert_int_eq(pair.watches_seen, 1);
    is_awaited_and_found(1);
}
END_TEST

START_TEST(a_read_beside_its_locate_fails) {
    static const int32_t outcomes[] = {RP_FAILED, RP_CONFLICT};
    bring_out_beside();
    pair_answer(&pair, &pair.reads_out[1], outcomes[_i], NULL);
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    answer_locate();
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* Then the replica is read as it is, by a read that claims no more; out or answered, what went
 * beside is of no use. */
START_TEST(the_locate_fails) {
    bring_out_beside();
    const uint64_t beside = pair.reads_out[1].id;
    if (_i == 1) {
        answer_read(1);
    }
    pair_answer(&pair, &pair.locate_out, RP_SERVER_GONE, NULL);
    ck_assert_int_eq(pair.dropped, _i == 1 ? 0 : 1);
    ck_assert_uint_ne(pair.reads_out[1].id, 0);
    ck_assert_uint_ne(pair.reads_out[1].id, beside);
    ck_assert_ptr_null(pair.reads_out[1].text);
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

START_TEST(a_read_is_forgotten_beside_its_locate) {
    const uint64_t id = pair_start(&pair, 1, 0);
    pair.calls->forget(pair.cluster, id);
    pair_run(&pair);
    ck_assert_int_eq(pair.dropped, 1);
    answer_locate();
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
}
END_TEST

/* The primary is asked by its first name, and then by its second one. What it says at last to the
 * first question is too old for who began after that: a row may have been committed since. */
START_TEST(an_answer_that_nobody_waits_for_any_more_locates_nobody) {
    char before[160];
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_run(&pair);
    pair.primary_is_silent = true;
    pair.calls->prompt(pair.cluster, PAIR_PRIMARY, pair.now_ns);
    pair_time_passes(&pair, 900);
    pair.calls->forget(pair.cluster, pair_start(&pair, 1, 0));
    struct rp_action late = pair.locate_out;
    ck_assert_uint_eq(late.server, PAIR_PRIMARY);
    (void)snprintf(before, sizeof before, "%s", pair_says(&pair, PAIR_PRIMARY));
    pair_time_passes(&pair, 200);
    primary_writes();
    pair_start(&pair, 2, 0);
    ck_assert_uint_eq(pair.locate_out.server, PAIR_ALIAS);
    pair_answer(&pair, &late, _i == 0 ? RP_ANSWERED : RP_SERVER_GONE, before);
    pair_answer(&pair, &pair.reads_out[2], RP_MISSING, pair_says(&pair, PAIR_STANDBY));
    ck_assert_int_eq(pair.verdicts[2], RP_VERDICT_NONE);
    answer_locate();
    is_awaited_and_found(2);
}
END_TEST

/* It is the primary by another name, too, which is asked then; nobody reads a replica as it is.
 * What went beside the first question is not sent once more. */
START_TEST(the_primary_is_located_by_its_other_name) {
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_run(&pair);
    bring_out_beside();
    const uint64_t beside = pair.reads_out[1].id;
    if (_i == 0) {
        (void)pair.calls->server_set(pair.cluster, PAIR_PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_OFF,
                                     pair.now_ns);
        pair_run(&pair);
    } else {
        pair_answer(&pair, &pair.locate_out, RP_SERVER_GONE, NULL);
    }
    ck_assert_uint_eq(pair.locate_out.server, PAIR_ALIAS);
    answer_locate();
    ck_assert_uint_eq(pair.reads_out[1].id, beside);
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

static struct rp_action next_action(void) {
    struct rp_action action = {.struct_size = sizeof action};
    ck_assert_int_eq(pair.calls->next(pair.cluster, pair.now_ns, &action, &pair.wake_ns), 1);
    return action;
}

static void take_out(uint32_t server) {
    (void)pair.calls->server_set(pair.cluster, server, "a", RP_EXPECT_ANY, RP_SERVER_OFF,
                                 pair.now_ns);
}

/* It was to be located by the other name, which goes as well: what is with the replica for it is
 * dropped before it is done. */
START_TEST(no_name_of_the_primary_is_left) {
    pair_close(&pair);
    open_pair("policy = read_index\nmax_wait_ms = 300", RP_CLUSTER_KEEPS_ANSWERS);
    (void)pair.calls->server_set(pair.cluster, PAIR_ALIAS, "c", RP_EXPECT_ANY, RP_SERVER_ON,
                                 pair.now_ns);
    pair_run(&pair);
    for (uint64_t tag = 1; tag <= 2; tag++) {
        primary_writes();
        pair_start(&pair, tag, 0);
        pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, NULL);
        if (tag == 1) { /* locates take long */
            pair.now_ns += 2 * PAIR_MS;
            answer_locate();
            answer_read(tag);
        }
    }
    const uint64_t beside = pair.reads_out[2].id;
    ck_assert_uint_ne(beside, 0);
    take_out(PAIR_PRIMARY);
    take_out(PAIR_ALIAS);
    struct rp_action action = next_action();
    while (action.kind == RP_ACTION_DROP && action.id != beside) {
        action = next_action();
    }
    ck_assert_int_eq(action.kind, RP_ACTION_DROP);
    action = next_action();
    ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    ck_assert_int_eq(action.verdict, RP_VERDICT_FAILED);
}
END_TEST

START_TEST(a_server_is_taken_out_beside_a_locate) {
    bring_out_beside();
    take_standby_out();
    ck_assert_int_eq(pair.dropped, 1);
    answer_locate();
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FAILED);
}
END_TEST

/* A host that has not said that it keeps answers gets one read after the other. */
START_TEST(a_host_that_keeps_no_answer) {
    pair_close(&pair);
    open_pair(ALWAYS, 0);
    pair_start(&pair, 1, 0);
    ck_assert_uint_eq(pair.reads_out[1].id, 0);
    answer_locate();
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* Its reads go early, where the replica keeps up: they wait for no question of where it is. */
START_TEST(a_read_of_such_a_host_goes_early) {
    pair_close(&pair);
    open_pair(ALWAYS, 0);
    bring_out_early();
    ck_assert_int_eq(pair.watches_seen, 0);
    if (_i == 0) {
        pair.replayed = pair.inserted;
        answer_read(1);
        ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
    } else {
        answer_read(1);
        ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_NONE);
        is_awaited_and_found(1);
    }
}
END_TEST

/* A hit that is called a miss proves no absence. */
START_TEST(a_rehearsed_miss_proves_nothing) {
    pair_close(&pair);
    open_pair(ALWAYS, RP_CLUSTER_KEEPS_ANSWERS | RP_CLUSTER_FIRST_MISSES);
    bring_out_beside();
    if (_i == 0) {
        answer_read(1);
        answer_locate();
    } else {
        answer_locate();
        answer_read(1);
    }
    answer_locate();
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* Whether or not the position is located by then, and whatever the read is by then. */
START_TEST(the_limit_that_a_read_went_with_holds) {
    static const char *const keys[] = {ALWAYS,
                                       "policy = read_index\nwhen = always\nmax_wait_ms = 900"};
    pair_close(&pair);
    open_pair(keys[_i], RP_CLUSTER_KEEPS_ANSWERS);
    primary_writes();
    pair_start_within(&pair, 1, 800);
    ck_assert_uint_eq(pair.reads_out[1].limit_ns, pair.now_ns + 600 * PAIR_MS);
    const struct rp_action beside = pair.reads_out[1];
    if (_i == 1) {
        pair.now_ns += 100 * PAIR_MS;
        answer_locate();
    }
    pair.now_ns = beside.limit_ns - 1;
    pair_run(&pair);
    ck_assert_int_eq(pair.dropped, 0);
    ck_assert_uint_eq(pair.wake_ns, beside.limit_ns);
    pair.now_ns++;
    pair_run(&pair);
    ck_assert_int_eq(pair.dropped, 1);
}
END_TEST

/* However a read beside its locate ends, nobody gathers for it afterwards. */
START_TEST(nobody_gathers_for_a_read_that_has_ended) {
    const uint64_t id = pair_start_within(&pair, 1, 100);
    switch (_i) {
    case 0:
        pair.calls->forget(pair.cluster, id);
        break;
    case 1:
        pair_answer(&pair, &pair.reads_out[1], RP_FAILED, NULL);
        break;
    case 2:
        answer_read(1);
        break;
    default:
        pair.now_ns += 100 * PAIR_MS;
        break;
    }
    pair_run(&pair);
    pair.now_ns += PAIR_MS / 10;
    answer_locate();
    if (_i == 1) {
        pair_answer(&pair, &pair.reads_out[1], RP_FAILED, NULL);
    }
    const int before = pair.locates_seen;
    pair_start(&pair, 2, 0);
    ck_assert_int_eq(pair.locates_seen, before + 1);
}
END_TEST

/* ---- as the primary -------------------------------------------------------------------------- */

/* A name may lead to a standby, too. What that has found is not known to be current, be it the
 * first server that is read or the second one, and it counts where it need not be. */
START_TEST(a_standby_that_is_asked_as_the_primary_is_not_current) {
    static const char *const keys[] = {ALWAYS, ALWAYS, "policy = read_index"};
    pair_close(&pair);
    open_pair(keys[_i], 0);
    if (_i == 0) {
        bring_out(1, 1, 0);
        pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    } else {
        take_standby_out();
        pair_start(&pair, 1, 0);
    }
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    answer_read(1);
    ck_assert_int_eq(pair.verdicts[1], _i < 2 ? RP_VERDICT_FAILED : RP_VERDICT_FOUND);
}
END_TEST

START_TEST(the_primary_is_current) {
    pair_close(&pair);
    open_pair(ALWAYS, 0);
    bring_out(1, 1, 0);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, NULL);
    ck_assert_uint_eq(pair.reads_out[1].server, PAIR_PRIMARY);
    pair_answer(&pair, &pair.reads_out[1], RP_FOUND, pair_says(&pair, PAIR_PRIMARY));
    ck_assert_int_eq(pair.verdicts[1], RP_VERDICT_FOUND);
}
END_TEST

/* After a miss, only where a locate takes long; what is found then counts, wherever the replica is.
 */
START_TEST(a_miss_is_looked_after_beside_a_slow_locate) {
    static const uint64_t took_ns[] = {PAIR_MS / 10, 2 * PAIR_MS};
    const bool beside = took_ns[_i] > PAIR_MS;
    pair_close(&pair);
    open_pair("policy = read_index\nmax_wait_ms = 300", RP_CLUSTER_KEEPS_ANSWERS);
    for (uint64_t tag = 1; tag <= 2; tag++) {
        primary_writes();
        pair_start(&pair, tag, 0);
        pair_answer(&pair, &pair.reads_out[tag], RP_MISSING, NULL);
        ck_assert_int_eq(pair.reads_out[tag].id != 0, beside && tag == 2);
        pair.now_ns += took_ns[_i];
        answer_locate();
        ck_assert_uint_ne(pair.reads_out[tag].id, 0);
        answer_read(tag);
        ck_assert_int_eq(pair.verdicts[tag], RP_VERDICT_FOUND);
    }
    ck_assert_int_eq(pair.dropped, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_current");
    TCase *tests = suite_case(suite, "current", set_up, tear_down, 0);
    tcase_add_test(tests, a_read_that_takes_long_is_waited_for_once);
    tcase_add_test(tests, reads_gather_until_those_before_are_back_and_have_come_again);
    tcase_add_test(tests, a_client_that_has_come_again_is_expected_once);
    tcase_add_test(tests, those_that_gather_meanwhile_are_expected_too);
    tcase_add_test(tests, reads_gather_until_they_are_five_times_as_many_as_those_before);
    tcase_add_test(tests, clients_that_do_not_come_again_are_soon_not_waited_for);
    tcase_add_test(tests, a_lone_client_waits_for_nobody);
    tcase_add_loop_test(tests, reads_gather_for_a_short_time, 0, 2);
    tcase_add_test(tests, a_read_is_located_at_once_where_no_current_one_is_out);
    tcase_add_test(tests, a_read_goes_early);
    tcase_add_test(tests, a_read_that_went_too_early_awaits_the_position);
    tcase_add_test(tests, an_absence_is_proven_early);
    tcase_add_loop_test(tests, an_early_read_that_fails_awaits_the_position, 0, 4);
    tcase_add_test(tests, an_early_read_may_take_as_long_as_a_position_is_awaited);
    tcase_add_test(tests, an_early_read_of_a_server_that_is_taken_out);
    tcase_add_test(tests, reads_go_early_less_often_where_it_is_in_vain);
    tcase_add_loop_test(tests, a_read_is_answered_before_its_locate, 0, 2);
    tcase_add_test(tests, an_answer_from_before_the_position_is_not_kept);
    tcase_add_loop_test(tests, a_read_beside_its_locate_fails, 0, 2);
    tcase_add_loop_test(tests, the_locate_fails, 0, 2);
    tcase_add_test(tests, a_read_is_forgotten_beside_its_locate);
    tcase_add_loop_test(tests, an_answer_that_nobody_waits_for_any_more_locates_nobody, 0, 2);
    tcase_add_loop_test(tests, the_primary_is_located_by_its_other_name, 0, 2);
    tcase_add_test(tests, no_name_of_the_primary_is_left);
    tcase_add_test(tests, a_server_is_taken_out_beside_a_locate);
    tcase_add_test(tests, a_host_that_keeps_no_answer);
    tcase_add_loop_test(tests, a_read_of_such_a_host_goes_early, 0, 2);
    tcase_add_loop_test(tests, a_rehearsed_miss_proves_nothing, 0, 2);
    tcase_add_loop_test(tests, the_limit_that_a_read_went_with_holds, 0, 2);
    tcase_add_loop_test(tests, nobody_gathers_for_a_read_that_has_ended, 0, 4);
    tcase_add_loop_test(tests, a_standby_that_is_asked_as_the_primary_is_not_current, 0, 3);
    tcase_add_test(tests, the_primary_is_current);
    tcase_add_loop_test(tests, a_miss_is_looked_after_beside_a_slow_locate, 0, 2);
    return suite_run(suite);
}
