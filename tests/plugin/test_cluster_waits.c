/*
 * test_cluster_waits.c - where a replica can be told to wait for a position, one wait takes the
 * place of many questions, and is no more than they were: it says when to look.
 *
 * A host on a cluster of a primary and a standby. Polls and locates are answered as they come; what
 * goes to the standby beside them is answered by the tests.
 */
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

#define KEYS "policy = read_index\nmax_wait_ms = 60000\non_replica_failure = primary"

enum { PRIMARY, STANDBY, MAX_READS = 4 };

static struct opened_section section;
static const struct rp_cluster_calls *calls;
static struct rp_cluster *cluster;
static uint64_t now_ns;

/* What the primary and the standby say. */
static uint32_t version;
static uint32_t inserted;
static uint32_t flushed;
static uint32_t replayed;

/* What is under way at the standby; id 0: nothing. */
static struct rp_action wait_out;
static struct rp_action watch_out;
static struct rp_action reads_out[MAX_READS];
static int32_t verdicts[MAX_READS];
static int waits_seen;
static int watches_seen;
static int dropped;

/* Read 0 is found when the primary is located, and then this one is forgotten; 0: none. */
static uint64_t forgotten;

static const char *answer_of(uint32_t server, const char *text) {
    static char answer[160];
    const bool full = strstr(text, "pg_last_xact_replay_timestamp") != NULL;
    if (strstr(text, "server_version_num") != NULL) {
        (void)snprintf(answer, sizeof answer, "rp1 %u 8192 16777216 t t t t f", version);
    } else if (server == PRIMARY) {
        (void)snprintf(answer, sizeof answer, "rp1 a1 c p 0/%X 0/%X 00000001%s", inserted, flushed,
                       full ? " 7001 -" : "");
    } else {
        (void)snprintf(answer, sizeof answer, "rp1 b1 c r 0/%X - %s 1%s", replayed,
                       full ? "1" : "-", full ? " 7001 -" : "");
    }
    return answer;
}

static bool is_watch(const struct rp_action *action) {
    return action->server == STANDBY && strstr(action->text, "server_version_num") == NULL &&
           strstr(action->text, "pg_last_xact_replay_timestamp") == NULL;
}

static void ask(const struct rp_action *action) {
    if ((action->flags & RP_ACTION_BLOCKS) != 0) {
        ck_assert_uint_eq(action->server, STANDBY);
        ck_assert_uint_eq(wait_out.id, 0);
        wait_out = *action;
        waits_seen++;
    } else if (is_watch(action)) {
        watch_out = *action;
        watches_seen++;
    } else {
        if (forgotten != 0 && action->server == PRIMARY) {
            calls->answer(cluster, reads_out[0].id, RP_FOUND, NULL, NULL, now_ns);
        }
        calls->answer(cluster, action->id, RP_ANSWERED, answer_of(action->server, action->text),
                      NULL, now_ns);
    }
}

static void run(void) {
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    while (calls->next(cluster, now_ns, &action, &wake_ns)) {
        switch (action.kind) {
        case RP_ACTION_ASK:
            ask(&action);
            break;
        case RP_ACTION_READ:
            reads_out[action.tag] = action;
            break;
        case RP_ACTION_DROP:
            dropped++;
            wait_out.id = action.id == wait_out.id ? 0 : wait_out.id;
            break;
        case RP_ACTION_DONE:
            verdicts[action.tag] = action.verdict;
            calls->forget(cluster, forgotten);
            break;
        default:
            break;
        }
    }
}

/* In steps, as a host with timers does. */
static void time_passes(uint64_t ms) {
    for (uint64_t i = 0; i < ms; i++) {
        now_ns += MS;
        run();
    }
}

static void answer(struct rp_action *out, int32_t outcome, const char *before) {
    const uint64_t id = out->id;
    ck_assert_uint_ne(id, 0);
    out->id = 0;
    calls->answer(cluster, id, outcome, before, NULL, now_ns);
    run();
}

static void answer_watch(void) {
    answer(&watch_out, RP_ANSWERED, answer_of(STANDBY, ""));
}

static uint64_t start_from(uint64_t tag, uint64_t floor) {
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = now_ns,
                                       .deadline_ns = now_ns + 100000 * MS,
                                       .entropy = tag,
                                       .position = floor};
    uint64_t id;
    ck_assert_int_eq(calls->start(cluster, section.policy, &request, tag, &id), RP_OK);
    run();
    return id;
}

/* A read that has missed on the standby, and awaits what the primary had flushed then. */
static uint64_t start_and_miss(uint64_t tag) {
    const uint64_t id = start_from(tag, 0);
    ck_assert_uint_eq(reads_out[tag].server, STANDBY);
    answer(&reads_out[tag], RP_MISSING, answer_of(STANDBY, ""));
    ck_assert_uint_eq(reads_out[tag].id, 0);
    return id;
}

static bool is_read_again(uint64_t tag) {
    return reads_out[tag].id != 0 && reads_out[tag].server == STANDBY &&
           reads_out[tag].target == RP_TARGET_REPLICA;
}

static int32_t standbys_role(void) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(calls->server(cluster, STANDBY, &info), RP_OK);
    return info.role;
}

static void open_cluster(uint32_t flags) {
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .flags = flags,
                                               .max_servers = 2,
                                               .max_reads = MAX_READS,
                                               .now_ns = now_ns,
                                               .seed = 1};
    char err[256];
    ck_assert_int_eq(calls->open(section.set, &options, &cluster, err, sizeof err), RP_OK);
    (void)calls->server_set(cluster, PRIMARY, "a", RP_EXPECT_ANY, RP_SERVER_ON, now_ns);
    (void)calls->server_set(cluster, STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_ON, now_ns);
    run();
    time_passes(5);
    ck_assert_int_eq(standbys_role(), RP_ROLE_REPLICA);
}

static void set_up(void) {
    section_open(&section, "%s", KEYS);
    calls = section.plugin.table->cluster;
    now_ns = 1000 * MS;
    version = 190000;
    inserted = 0x5000;
    flushed = 0x4000;
    replayed = 0x3000;
    wait_out = watch_out = (struct rp_action){0};
    memset(reads_out, 0, sizeof reads_out);
    memset(verdicts, 0, sizeof verdicts);
    waits_seen = watches_seen = dropped = 0;
    forgotten = 0;
}

static void tear_down(void) {
    (void)calls->close(cluster);
    section_close(&section);
}

START_TEST(one_wait_takes_the_place_of_questions) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    ck_assert_str_eq(wait_out.text, "WAIT FOR LSN '0/4000' WITH (TIMEOUT 200, NO_THROW)");
    ck_assert_uint_eq(wait_out.limit_ns, now_ns + 1200 * MS);
    time_passes(400);
    ck_assert(!is_read_again(1));
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    ck_assert_ptr_nonnull(reads_out[1].text); /* it has a question of its own */
    ck_assert_int_eq(waits_seen, 1);
    ck_assert_int_eq(watches_seen, 0);
}
END_TEST

/* Even then the read's own answer says what it proves: here, that the standby was not there. */
START_TEST(a_wait_proves_nothing) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    flushed = inserted;
    start_and_miss(1);
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    answer(&reads_out[1], RP_MISSING, answer_of(STANDBY, ""));
    ck_assert_int_eq(verdicts[1], RP_VERDICT_NONE);
    ck_assert_uint_eq(reads_out[1].server, PRIMARY);
}
END_TEST

START_TEST(servers_and_hosts_that_cannot_are_asked) {
    version = _i == 0 ? 180006 : 190000;
    open_cluster(_i == 0 ? RP_CLUSTER_CAN_BLOCK : 0);
    start_and_miss(1);
    ck_assert_int_eq(waits_seen, 0);
    replayed = flushed;
    answer_watch();
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_nearer_position_does_not_wait_behind_a_farther_one) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    start_from(2, 0x3800);
    answer(&reads_out[2], RP_FOUND, answer_of(STANDBY, "")); /* below its floor */
    ck_assert_uint_ne(watch_out.id, 0);
    answer_watch();
    ck_assert_uint_eq(reads_out[2].id, 0);
    time_passes(1);
    replayed = 0x3900;
    answer_watch();
    ck_assert(is_read_again(2));
    ck_assert(!is_read_again(1));
    /* Nobody is left who needs to be quicker than the wait. */
    time_passes(100);
    ck_assert_uint_eq(watch_out.id, 0);
    ck_assert_int_eq(dropped, 0);
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_farther_position_has_its_turn_next) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    flushed = 0x8000;
    inserted = 0x9000;
    start_and_miss(2);
    ck_assert_int_eq(waits_seen + watches_seen, 1);
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    ck_assert(!is_read_again(2));
    ck_assert_str_eq(wait_out.text, "WAIT FOR LSN '0/8000' WITH (TIMEOUT 200, NO_THROW)");
    ck_assert_int_eq(waits_seen, 2);
}
END_TEST

START_TEST(reads_that_await_the_same_share_a_wait) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    start_and_miss(2);
    ck_assert_int_eq(waits_seen, 1);
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
    ck_assert(is_read_again(2));
    ck_assert_int_eq(waits_seen, 1);
}
END_TEST

START_TEST(nobody_waits_for_nobody) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    calls->forget(cluster, start_and_miss(1));
    run();
    ck_assert_int_eq(dropped, 0); /* it ends by itself */
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert_int_eq(waits_seen, 1);
    start_and_miss(2);
    ck_assert_int_eq(waits_seen, 2);
}
END_TEST

START_TEST(who_is_forgotten_before_the_wait_goes_out_is_not_waited_for) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_from(0, 0);
    forgotten = start_from(1, 0);
    answer(&reads_out[1], RP_MISSING, answer_of(STANDBY, ""));
    ck_assert_int_eq(verdicts[0], RP_VERDICT_FOUND);
    ck_assert_int_eq(waits_seen, 0);
    start_and_miss(2);
    ck_assert_int_eq(waits_seen, 1);
}
END_TEST

/* What is known of the server stays as it is, and no read fails: the position is asked for, and a
 * second later a wait is tried again. */
START_TEST(a_wait_that_fails_gives_way_to_questions) {
    static const struct {
        int32_t outcome;
        const char *answer;
    } failures[] = {{RP_FAILED, NULL},        {RP_SERVER_GONE, NULL},
                    {RP_NOT_SENT, NULL},      {RP_ANSWERED, "maybe"},
                    {RP_ANSWERED, "timeout"}, {RP_ANSWERED, "not in recovery"},
                    {RP_ANSWERED, NULL}};
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    answer(&wait_out, failures[_i].outcome, failures[_i].answer);
    ck_assert_int_eq(standbys_role(), RP_ROLE_REPLICA);
    for (int i = 0; i < 900; i++) {
        time_passes(1);
        if (watch_out.id != 0) {
            answer_watch();
        }
    }
    ck_assert_int_gt(watches_seen, 100);
    ck_assert_int_eq(waits_seen, 1);
    for (int i = 0; i < 200 && waits_seen == 1; i++) {
        time_passes(1);
        if (watch_out.id != 0) {
            answer_watch();
        }
    }
    ck_assert_int_eq(waits_seen, 2);
    ck_assert_uint_eq(reads_out[1].id, 0);
    answer(&wait_out, RP_ANSWERED, "success");
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_wait_that_is_never_answered_is_dropped) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    const uint64_t late = wait_out.id;
    time_passes(1501);
    ck_assert_int_eq(dropped, 1);
    ck_assert_uint_ne(watch_out.id, 0);
    ck_assert_int_eq(standbys_role(), RP_ROLE_REPLICA);
    calls->answer(cluster, late, RP_ANSWERED, "success", NULL, now_ns);
    run();
    ck_assert(!is_read_again(1));
    replayed = flushed;
    answer_watch();
    ck_assert(is_read_again(1));
}
END_TEST

START_TEST(a_server_that_is_taken_out_is_waited_for_no_more) {
    open_cluster(RP_CLUSTER_CAN_BLOCK);
    start_and_miss(1);
    (void)calls->server_set(cluster, STANDBY, "b", RP_EXPECT_ANY, RP_SERVER_OFF, now_ns);
    run();
    ck_assert_int_eq(dropped, 1);
    ck_assert_uint_eq(reads_out[1].server, PRIMARY);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_waits");
    TCase *tests = suite_case(suite, "waits", set_up, tear_down, 0);
    tcase_add_test(tests, one_wait_takes_the_place_of_questions);
    tcase_add_test(tests, a_wait_proves_nothing);
    tcase_add_loop_test(tests, servers_and_hosts_that_cannot_are_asked, 0, 2);
    tcase_add_test(tests, a_nearer_position_does_not_wait_behind_a_farther_one);
    tcase_add_test(tests, a_farther_position_has_its_turn_next);
    tcase_add_test(tests, reads_that_await_the_same_share_a_wait);
    tcase_add_test(tests, nobody_waits_for_nobody);
    tcase_add_test(tests, who_is_forgotten_before_the_wait_goes_out_is_not_waited_for);
    tcase_add_loop_test(tests, a_wait_that_fails_gives_way_to_questions, 0, 5);
    tcase_add_test(tests, a_wait_that_is_never_answered_is_dropped);
    tcase_add_test(tests, a_server_that_is_taken_out_is_waited_for_no_more);
    return suite_run(suite);
}
