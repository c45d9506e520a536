/*
 * test_busy_poll.c - how the window follows the answers, and turns of a real event loop.
 */
#include "host-sample/base/busy_poll.h"
#include "host-sample/base/monotonic.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define US UINT64_C(1000)
#define S  UINT64_C(1000000000)

/* ---- the window ---- */

static const struct {
    uint64_t limit, window, took;
    enum busy_poll_end end;
    uint64_t then;
} answers[] = {
    {100 * US, 0, 0, BUSY_POLL_CLOSED, 10 * US},
    {100 * US, 0, 100 * US, BUSY_POLL_CLOSED, 10 * US},
    {100 * US, 0, 100 * US + 1, BUSY_POLL_CLOSED, 0},
    {100 * US, 10 * US, 1, BUSY_POLL_SEEN, 10 * US},
    {100 * US, 10 * US, 10 * US, BUSY_POLL_SEEN, 10 * US},
    {100 * US, 10 * US, 10 * US + 1, BUSY_POLL_LATE, 20 * US},
    {100 * US, 10 * US, 100 * US, BUSY_POLL_LATE, 20 * US},
    {100 * US, 80 * US, 81 * US, BUSY_POLL_LATE, 100 * US},
    {100 * US, 80 * US, 101 * US, BUSY_POLL_LATE, 0},
    {100 * US, 100 * US, 100 * US, BUSY_POLL_SEEN, 100 * US},
    {100 * US, 100 * US, S, BUSY_POLL_LATE, 0},
    {5 * US, 0, 1, BUSY_POLL_CLOSED, 5 * US}, /* a limit below the smallest window */
    {5 * US, 5 * US, 6 * US, BUSY_POLL_LATE, 0},
    {0, 0, 0, BUSY_POLL_CLOSED, 0},
    {0, 0, 1, BUSY_POLL_CLOSED, 0},
};

START_TEST(the_window_after_an_answer) {
    struct busy_poll poll = {.limit_ns = answers[_i].limit, .window_ns = answers[_i].window};
    ck_assert_int_eq(busy_poll_adapt(&poll, answers[_i].took), answers[_i].end);
    ck_assert_uint_eq(poll.window_ns, answers[_i].then);
    ck_assert_uint_eq(poll.limit_ns, answers[_i].limit);
}
END_TEST

/* As a reload does: the window that is open now is within the new limit, too. */
START_TEST(the_window_keeps_a_new_limit) {
    struct busy_poll poll = {.limit_ns = 100 * US, .window_ns = 80 * US};
    busy_poll_set_limit(&poll, 90 * US);
    ck_assert_uint_eq(poll.window_ns, 80 * US);
    busy_poll_set_limit(&poll, 20 * US);
    ck_assert_int_eq(busy_poll_adapt(&poll, 20 * US), BUSY_POLL_SEEN);
    ck_assert_int_eq(busy_poll_adapt(&poll, 21 * US), BUSY_POLL_LATE);
    ck_assert_uint_eq(poll.window_ns, 0);
}
END_TEST

/* ---- which way ---- */

/* Answers of a machine on which they take so long, polled for and slept for; returns how many were
 * slept for at once. */
static int answer(struct busy_poll *poll, int count, uint64_t polled_ns, uint64_t slept_ns) {
    int slept = 0;
    for (int i = 0; i < count; i++) {
        const bool sleeps = poll->trial.sleeps;
        const uint64_t took_ns = sleeps ? slept_ns : polled_ns;
        busy_poll_count(poll, 1, took_ns);
        (void)busy_poll_adapt(poll, took_ns);
        ck_assert(!sleeps || !poll->trial.sleeps || poll->window_ns == 0);
        slept += sleeps;
    }
    return slept;
}

/* Of ways that take alike, too, the usual one is kept, and the other tried ever more seldom. */
START_TEST(where_polling_pays) {
    static const uint64_t slept_ns[] = {80 * US, 50 * US, 47 * US, S};
    struct busy_poll poll = {.limit_ns = 100 * US};
    const int rounds = 3 + 1 + 7 + 1 + 15 + 1 + 31 + 1;
    ck_assert_int_eq(answer(&poll, rounds * BUSY_POLL_ROUND, 50 * US, slept_ns[_i]),
                     4 * BUSY_POLL_ROUND);
    ck_assert(!poll.trial.sleeps);
    const int next = 63 + 1 + 127 + 1, most = BUSY_POLL_MOST_ROUNDS + 1;
    ck_assert_int_eq(answer(&poll, next * BUSY_POLL_ROUND, 50 * US, slept_ns[_i]),
                     2 * BUSY_POLL_ROUND);
    ck_assert_int_eq(answer(&poll, 10 * most * BUSY_POLL_ROUND, 50 * US, slept_ns[_i]),
                     10 * BUSY_POLL_ROUND);
    (void)answer(&poll, 4, 50 * US, slept_ns[_i]);
    ck_assert_uint_eq(poll.window_ns, 80 * US);
}
END_TEST

START_TEST(where_sleeping_pays) {
    struct busy_poll poll = {.limit_ns = 100 * US};
    const int tried = 3 * BUSY_POLL_ROUND;
    const int rounds = BUSY_POLL_LEAST_ROUNDS + 1;
    ck_assert_int_eq(answer(&poll, tried, 50 * US, 46 * US), 0);
    ck_assert_int_eq(answer(&poll, rounds * BUSY_POLL_ROUND, 50 * US, 46 * US),
                     rounds * BUSY_POLL_ROUND);
    ck_assert_int_eq(answer(&poll, BUSY_POLL_ROUND, 50 * US, 46 * US), 0); /* in vain */
    ck_assert(poll.trial.sleeps);
    ck_assert_int_eq(busy_poll_adapt(&poll, 46 * US), BUSY_POLL_CLOSED);
    ck_assert_uint_eq(poll.window_ns, 0);
}
END_TEST

/* By what was done about it: the answer that a trial begins with was still polled for, and the last
 * one of a trial still slept for. */
START_TEST(how_an_answer_at_a_turn_of_the_way_came) {
    struct busy_poll poll = {.limit_ns = 100 * US};
    (void)answer(&poll, 3 * BUSY_POLL_ROUND - 1, 50 * US, 80 * US);
    busy_poll_count(&poll, 1, 50 * US);
    ck_assert_int_eq(busy_poll_adapt(&poll, 50 * US), BUSY_POLL_SEEN);
    ck_assert(poll.trial.sleeps);
    (void)answer(&poll, BUSY_POLL_ROUND - 1, 50 * US, 80 * US);
    busy_poll_count(&poll, 1, 80 * US);
    ck_assert_int_eq(busy_poll_adapt(&poll, 80 * US), BUSY_POLL_CLOSED);
    ck_assert(!poll.trial.sleeps);
}
END_TEST

/* As a reload does, also one that keeps the limit. */
START_TEST(a_new_limit_begins_anew) {
    struct busy_poll poll = {.limit_ns = 100 * US};
    (void)answer(&poll, 5 * BUSY_POLL_ROUND + 7, 50 * US, 40 * US);
    busy_poll_set_limit(&poll, 100 * US);
    ck_assert(poll.trial.sleeps);
    ck_assert_uint_eq(poll.trial.answers, 7);
    busy_poll_set_limit(&poll, 200 * US);
    ck_assert_int_eq(answer(&poll, 3 * BUSY_POLL_ROUND, 50 * US, 80 * US), 0);
    ck_assert_int_eq(answer(&poll, 8 * BUSY_POLL_ROUND, 50 * US, 80 * US), BUSY_POLL_ROUND);
}
END_TEST

/* Several answers of a turn have come in the time of one. */
START_TEST(where_more_come_at_once) {
    struct busy_poll poll = {.limit_ns = 100 * US};
    while (!poll.trial.sleeps) {
        busy_poll_count(&poll, 1, 50 * US);
    }
    for (int turn = 0; turn < BUSY_POLL_ROUND / 16; turn++) {
        ck_assert(poll.trial.under_way);
        busy_poll_count(&poll, 16, 390 * US);
    }
    ck_assert(!poll.trial.under_way);
    ck_assert(poll.trial.sleeps);
    busy_poll_count(&poll, UINT16_MAX, 390 * US); /* all of them settle */
    busy_poll_count(&poll, UINT16_MAX, 390 * US);
    ck_assert_uint_eq(poll.trial.usually_ns, 390 * US / UINT16_MAX);
}
END_TEST

/* It is found out again. */
START_TEST(where_it_changes) {
    struct busy_poll poll = {.limit_ns = 100 * US};
    (void)answer(&poll, 1000 * BUSY_POLL_ROUND, 50 * US, 80 * US);
    (void)answer(&poll, 300 * BUSY_POLL_ROUND, 80 * US, 50 * US);
    ck_assert(poll.trial.sleeps);
    (void)answer(&poll, 300 * BUSY_POLL_ROUND, 50 * US, 80 * US);
    ck_assert(!poll.trial.sleeps);
}
END_TEST

/* As where the machine stops for a second: that says nothing of the way. Nor do the first answers
 * of a round. */
START_TEST(what_happens_once_does_not_count) {
    struct busy_poll poll = {.limit_ns = 100 * US};
    (void)answer(&poll, 4 * BUSY_POLL_ROUND - 1, 50 * US, 49 * US);
    ck_assert(poll.trial.sleeps);
    poll.trial.under_way = poll.trial.sleeps = false;
    poll.trial.answers = poll.trial.counted = 0;
    poll.trial.took_ns = 0;
    busy_poll_count(&poll, 1, S);
    ck_assert_uint_eq(poll.trial.took_ns, 0);
    (void)answer(&poll, BUSY_POLL_SETTLING, 50 * US, 49 * US);
    busy_poll_count(&poll, 1, S);
    ck_assert_uint_eq(poll.trial.took_ns, (50 + 400) * US);
    ck_assert_uint_eq(poll.trial.counted, 2);
}
END_TEST

/* ---- turns ---- */

static struct event_base *base;
static struct event *ready, *timer;
static int descriptor, told, rung;
static struct busy_poll poll;
static enum busy_poll_end end;

static void on_ready(evutil_socket_t fd, short what, void *context) {
    uint64_t count;
    (void)what;
    (void)context;
    ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
    told++;
    busy_poll_answered(&poll, monotonic_ns());
}

static void on_timer(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    (void)context;
    rung++;
}

static void tell(void) {
    const uint64_t one = 1;
    ck_assert_int_eq(write(descriptor, &one, sizeof one), sizeof one);
}

static void ring_in(long us) {
    const struct timeval timeout = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    ck_assert_int_eq(event_add(timer, &timeout), 0);
}

static void set_up(void) {
    told = rung = 0;
    poll = (struct busy_poll){.limit_ns = 60 * S, .window_ns = 60 * S};
    descriptor = eventfd(0, EFD_NONBLOCK);
    base = event_base_new();
    ready = event_new(base, descriptor, EV_READ | EV_PERSIST, on_ready, NULL);
    timer = evtimer_new(base, on_timer, NULL);
    ck_assert_int_eq(event_add(ready, NULL), 0);
}

static void tear_down(void) {
    event_free(ready);
    event_free(timer);
    event_base_free(base);
    (void)close(descriptor);
}

/* How often the thread has gone to sleep so far. */
static long sleeps(void) {
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

START_TEST(what_is_there_is_handled) {
    tell();
    ck_assert(busy_poll_turn(&poll, base, &end));
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(end, BUSY_POLL_SEEN);
}
END_TEST

/* It has not come at the first poll, and the loop does not sleep until it does. Another test shows
 * that a sleep would be counted; several turns, because a page that has to be fetched is one too.
 */
START_TEST(what_comes_within_the_window_is_not_slept_for) {
    int turns = 0;
    long slept = 1;
    while (slept > 0 && turns < 5) {
        ring_in(20000);
        const long before = sleeps();
        ck_assert(busy_poll_turn(&poll, base, &end));
        slept = sleeps() - before;
        ck_assert_int_eq(rung, ++turns);
    }
    ck_assert_int_eq(slept, 0);
}
END_TEST

START_TEST(what_comes_later_is_slept_for) {
    poll.window_ns = _i == 0 ? 0 : 10 * US;
    const long before = sleeps();
    ring_in(20000);
    ck_assert(busy_poll_turn(&poll, base, &end));
    ck_assert_int_eq(rung, 1);
    ck_assert_int_gt(sleeps(), before);
}
END_TEST

/* The answer that the loop has slept for sets the next window. A turn without one, as here of a
 * timer, says nothing of it. */
START_TEST(the_window_follows_the_turns_with_an_answer) {
    poll = (struct busy_poll){.limit_ns = 60 * S};
    ring_in(1000);
    ck_assert(busy_poll_turn(&poll, base, &end));
    ck_assert_int_eq(end, BUSY_POLL_ENDS);
    ck_assert_uint_eq(poll.window_ns, 0);
    tell();
    ck_assert(busy_poll_turn(&poll, base, &end));
    ck_assert_int_eq(end, BUSY_POLL_CLOSED);
    ck_assert_uint_eq(poll.window_ns, 10 * US);
}
END_TEST

/* Of a server that hangs, say, while other things happen. */
START_TEST(a_window_that_is_in_vain_closes) {
    int turns = 0;
    poll.window_ns = 10 * US;
    for (int turn = 1; turn < BUSY_POLL_PATIENCE; turn++) {
        ring_in(1000);
        ck_assert(busy_poll_turn(&poll, base, &end));
    }
    tell(); /* it begins anew */
    ck_assert(busy_poll_turn(&poll, base, &end));
    while (poll.window_ns > 0 && turns < 10 * BUSY_POLL_PATIENCE) {
        ring_in(1000);
        ck_assert(busy_poll_turn(&poll, base, &end));
        ck_assert_int_eq(end, BUSY_POLL_ENDS);
        turns++;
    }
    ck_assert_uint_eq(poll.window_ns, 0);
    ck_assert_int_ge(turns, BUSY_POLL_PATIENCE);
}
END_TEST

/* As an allocation that fails may leave it. */
START_TEST(what_was_made_active_is_handled) {
    event_active(timer, EV_TIMEOUT, 1);
    ck_assert(busy_poll_turn(&poll, base, &end));
    ck_assert_int_eq(rung, 1);
}
END_TEST

/* A loop without any event ends at once; a turn of it is no answer. */
START_TEST(a_loop_that_fails) {
    poll.window_ns = _i == 0 ? 0 : S;
    ck_assert_int_eq(event_del(ready), 0);
    ck_assert(!busy_poll_turn(&poll, base, &end));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("busy_poll");
    TCase *window = tcase_create("window");
    tcase_add_loop_test(window, the_window_after_an_answer, 0, COUNT(answers));
    tcase_add_test(window, the_window_keeps_a_new_limit);
    suite_add_tcase(suite, window);

    TCase *way = tcase_create("way");
    tcase_add_loop_test(way, where_polling_pays, 0, 4);
    tcase_add_test(way, where_sleeping_pays);
    tcase_add_test(way, how_an_answer_at_a_turn_of_the_way_came);
    tcase_add_test(way, a_new_limit_begins_anew);
    tcase_add_test(way, where_more_come_at_once);
    tcase_add_test(way, where_it_changes);
    tcase_add_test(way, what_happens_once_does_not_count);
    suite_add_tcase(suite, way);

    TCase *turns = tcase_create("turns");
    tcase_add_checked_fixture(turns, set_up, tear_down);
    tcase_add_test(turns, what_is_there_is_handled);
    tcase_add_test(turns, what_comes_within_the_window_is_not_slept_for);
    tcase_add_loop_test(turns, what_comes_later_is_slept_for, 0, 2);
    tcase_add_test(turns, the_window_follows_the_turns_with_an_answer);
    tcase_add_test(turns, a_window_that_is_in_vain_closes);
    tcase_add_test(turns, what_was_made_active_is_handled);
    tcase_add_loop_test(turns, a_loop_that_fails, 0, 2);
    suite_add_tcase(suite, turns);

    return suite_run(suite);
}
