/*
 * test_busy_poll.c - how the window follows the waits, and turns of a real event loop.
 */
#include "../host-sample/busy_poll.h"

#include <check.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define US UINT64_C(1000)
#define S  UINT64_C(1000000000)

/* ---- the window ---- */

static const struct {
    uint64_t limit, window, waited, then;
} waits[] = {
    {100 * US, 0, 0, 0},
    {100 * US, 0, 1, 10 * US},
    {100 * US, 0, 100 * US, 10 * US},
    {100 * US, 0, 100 * US + 1, 0},
    {100 * US, 10 * US, 10 * US, 10 * US}, /* seen just in time */
    {100 * US, 10 * US, 10 * US + 1, 20 * US},
    {100 * US, 10 * US, 99 * US, 20 * US},
    {100 * US, 80 * US, 81 * US, 100 * US},
    {100 * US, 80 * US, 101 * US, 0},
    {100 * US, 100 * US, 100 * US, 100 * US},
    {100 * US, 100 * US, S, 0},
    {5 * US, 0, 1, 5 * US}, /* a limit below the smallest window */
    {5 * US, 5 * US, 6 * US, 0},
    {0, 0, 0, 0},
    {0, 0, 1, 0},
};

START_TEST(the_window_after_a_wait) {
    struct busy_poll poll = {.limit_ns = waits[_i].limit, .window_ns = waits[_i].window};
    busy_poll_learn(&poll, waits[_i].waited);
    ck_assert_uint_eq(poll.window_ns, waits[_i].then);
    ck_assert_uint_eq(poll.limit_ns, waits[_i].limit);
}
END_TEST

/* ---- turns ---- */

static struct event_base *base;
static struct event *ready, *timer;
static int descriptor, told, rung;

static void on_ready(evutil_socket_t fd, short what, void *context) {
    uint64_t count;
    (void)what;
    (void)context;
    ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
    told++;
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

START_TEST(what_is_there_is_seen) {
    struct busy_poll poll = {.limit_ns = 60 * S, .window_ns = 60 * S};
    tell();
    ck_assert_int_eq(busy_poll_turn(&poll, base), BUSY_POLL_SAW);
    ck_assert_int_eq(told, 1);
    ck_assert_uint_eq(poll.window_ns, 60 * S);
}
END_TEST

/* It is not there at the first look, and the loop does not sleep for it. */
START_TEST(what_comes_within_the_window_is_seen) {
    struct busy_poll poll = {.limit_ns = 60 * S, .window_ns = 60 * S};
    ring_in(20000);
    ck_assert_int_eq(busy_poll_turn(&poll, base), BUSY_POLL_SAW);
    ck_assert_int_eq(rung, 1);
}
END_TEST

START_TEST(what_comes_later_is_slept_for) {
    struct busy_poll poll = {.limit_ns = 10 * US, .window_ns = 10 * US};
    ring_in(20000);
    ck_assert_int_eq(busy_poll_turn(&poll, base), BUSY_POLL_IN_VAIN);
    ck_assert_int_eq(rung, 1);
    ck_assert_uint_eq(poll.window_ns, 0); /* twenty milliseconds are more than the limit */
    ring_in(1);
    ck_assert_int_eq(busy_poll_turn(&poll, base), BUSY_POLL_SLEPT);
    ck_assert_int_eq(rung, 2);
}
END_TEST

START_TEST(a_closed_window_opens) {
    struct busy_poll poll = {.limit_ns = 60 * S, .window_ns = 0};
    tell();
    ck_assert_int_eq(busy_poll_turn(&poll, base), BUSY_POLL_SLEPT);
    ck_assert_int_eq(told, 1);
    ck_assert_uint_eq(poll.window_ns, 10 * US);
}
END_TEST

/* A loop without any event ends at once; a turn of it is no answer. */
START_TEST(a_loop_that_fails) {
    struct busy_poll poll = {.limit_ns = 10 * US, .window_ns = 10 * US};
    ck_assert_int_eq(event_del(ready), 0);
    ck_assert_int_eq(busy_poll_turn(&poll, base), BUSY_POLL_FAILED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("busy_poll");
    TCase *window = tcase_create("window");
    tcase_add_loop_test(window, the_window_after_a_wait, 0, COUNT(waits));
    suite_add_tcase(suite, window);

    TCase *turns = tcase_create("turns");
    tcase_add_checked_fixture(turns, set_up, tear_down);
    tcase_add_test(turns, what_is_there_is_seen);
    tcase_add_test(turns, what_comes_within_the_window_is_seen);
    tcase_add_test(turns, what_comes_later_is_slept_for);
    tcase_add_test(turns, a_closed_window_opens);
    tcase_add_test(turns, a_loop_that_fails);
    suite_add_tcase(suite, turns);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
