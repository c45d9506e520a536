/*
 * test_held.c - lookups that have come too early, on a real event loop and the real clock.
 */
#include "host-sample/lookups/held.h"

#include "host-sample/base/monotonic.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <event2/event.h>

enum { MANY = 8 };

#define MS      UINT64_C(1000000)
#define FOREVER UINT64_C(3600000000000)

struct early {
    struct held_lookup held; /* first: a callback casts */
    struct early *removes;   /* when it begins */
    unsigned place;          /* among all that have begun, from 1; 0: it has not */
    uint64_t begun_at_ns;
};

static struct event_base *base;
static struct wake_ups wake_ups;
static struct held_lookups held;
static struct early all[MANY];
static unsigned begun;

static void begin(struct held_lookup *lookup) {
    struct early *early = (struct early *)lookup;
    ck_assert(!lookup->held);
    ck_assert_uint_eq(early->place, 0);
    early->place = ++begun;
    early->begun_at_ns = monotonic_ns();
    if (early->removes != NULL) {
        held_remove(&held, &early->removes->held);
    }
}

static void set_up(void) {
    base = event_base_new();
    ck_assert(wake_ups_init(&wake_ups, base));
    held = (struct held_lookups){0};
    held_init(&held, &wake_ups, begin);
    begun = 0;
    for (unsigned i = 0; i < MANY; i++) {
        all[i] = (struct early){0};
    }
}

static void tear_down(void) {
    wake_ups_free(&wake_ups);
    event_base_free(base);
}

static void add(unsigned i, uint64_t until_ns) {
    held_add(&held, &all[i].held, until_ns);
    ck_assert(all[i].held.held);
}

static void run_until_begun(unsigned count) {
    while (begun < count) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
}

START_TEST(each_begins_when_its_time_has_come) {
    const uint64_t now_ns = monotonic_ns();
    for (unsigned i = 0; i < 4; i++) {
        add(i, now_ns + (i + 1) * 5 * MS);
    }
    ck_assert_uint_eq(begun, 0); /* never within the call */
    run_until_begun(4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(all[i].place, i + 1);
        ck_assert_uint_ge(all[i].begun_at_ns, all[i].held.until_ns);
    }
    ck_assert(!held.going);
}
END_TEST

/* A reload may have given those that come later less time. */
START_TEST(one_that_comes_later_may_be_due_earlier) {
    const uint64_t now_ns = monotonic_ns();
    add(0, now_ns + FOREVER);
    add(1, now_ns + 10 * MS);
    add(2, now_ns + 5 * MS);
    add(3, now_ns + 10 * MS); /* behind the other of its time */
    run_until_begun(3);
    ck_assert_uint_eq(all[2].place, 1);
    ck_assert_uint_eq(all[1].place, 2);
    ck_assert_uint_eq(all[3].place, 3);
    ck_assert_uint_eq(all[0].place, 0);
}
END_TEST

START_TEST(all_begin_when_they_may) {
    for (unsigned i = 0; i < MANY; i++) {
        add(i, monotonic_ns() + FOREVER + i);
    }
    held_go(&held);
    ck_assert(held.going);
    ck_assert_uint_eq(begun, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(all[i].place, i + 1);
    }
    held_go(&held); /* harmless */
    ck_assert_uint_eq(begun, MANY);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0); /* and nobody is woken for them */
    ck_assert_uint_eq(begun, MANY);
}
END_TEST

START_TEST(one_that_was_removed_never_begins) {
    const uint64_t now_ns = monotonic_ns();
    add(0, now_ns + MS);
    add(1, now_ns + 2 * MS);
    held_remove(&held, &all[0].held);
    held_remove(&held, &all[0].held); /* harmless */
    run_until_begun(1);
    ck_assert_uint_eq(all[1].place, 1);
    add(0, now_ns); /* and may come again */
    run_until_begun(2);
    ck_assert_uint_eq(all[0].place, 2);
}
END_TEST

START_TEST(one_removes_the_next_as_it_begins) {
    for (unsigned i = 0; i < 3; i++) {
        add(i, monotonic_ns());
    }
    all[0].removes = &all[1];
    run_until_begun(2);
    ck_assert_uint_eq(all[0].place, 1);
    ck_assert_uint_eq(all[1].place, 0);
    ck_assert_uint_eq(all[2].place, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("held");
    TCase *tests = tcase_create("held");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, each_begins_when_its_time_has_come);
    tcase_add_test(tests, one_that_comes_later_may_be_due_earlier);
    tcase_add_test(tests, all_begin_when_they_may);
    tcase_add_test(tests, one_that_was_removed_never_begins);
    tcase_add_test(tests, one_removes_the_next_as_it_begins);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
