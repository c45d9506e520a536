/*
 * test_wake_ups.c - moments to be woken at, on a real event loop and the real clock.
 */
#include "host-sample/base/wake_ups.h"

#include "host-sample/base/monotonic.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <event2/event.h>
#include <stdlib.h>

enum { MANY = 2000 };

#define MS      UINT64_C(1000000)
#define FOREVER UINT64_C(3600000000000)

struct moment {
    struct wake_up wake_up; /* first: a callback casts */
    unsigned times;
    unsigned place; /* among all that were woken */
    uint64_t woken_at_ns;
    void (*then)(struct moment *moment);
    struct moment *other;
};

static struct event_base *base;
static struct wake_ups wake_ups;
static struct moment moments[MANY];
static unsigned woken_count;

static void woken(struct wake_up *wake_up) {
    struct moment *moment = (struct moment *)wake_up;
    ck_assert_ptr_null(wake_up->owner);
    moment->woken_at_ns = monotonic_ns();
    moment->times++;
    moment->place = woken_count++;
    if (moment->then != NULL) {
        moment->then(moment);
    }
}

static void set_up(void) {
    base = event_base_new();
    ck_assert(wake_ups_init(&wake_ups, base));
    woken_count = 0;
    for (unsigned i = 0; i < MANY; i++) {
        moments[i] = (struct moment){.wake_up.woken = woken};
    }
}

static void tear_down(void) {
    wake_ups_free(&wake_ups);
    event_base_free(base);
}

static void set(struct moment *moment, uint64_t at_ns) {
    wake_up_set(&wake_ups, &moment->wake_up, at_ns);
}

static void turn(void) {
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void run_until_woken(unsigned count) {
    while (woken_count < count) {
        turn();
    }
}

/* Their order is that of their moments, and none comes before its own. */
START_TEST(many_at_random) {
    const uint64_t now_ns = monotonic_ns();
    srand((unsigned)_i + 1);
    for (unsigned i = 0; i < MANY; i++) {
        set(&moments[i], now_ns + (uint64_t)(rand() % 30000) * MS / 1000);
        if (i % 3 == 0) { /* and set to another one */
            set(&moments[rand() % (int)(i + 1)], now_ns + (uint64_t)(rand() % 30) * MS);
        }
    }
    run_until_woken(MANY);
    static const struct moment *order[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(moments[i].times, 1);
        ck_assert_uint_ge(moments[i].woken_at_ns, moments[i].wake_up.at_ns);
        order[moments[i].place] = &moments[i];
    }
    for (unsigned i = 1; i < MANY; i++) {
        ck_assert_uint_ge(order[i]->wake_up.at_ns, order[i - 1]->wake_up.at_ns);
    }
}
END_TEST

/* Among hours of others. */
START_TEST(the_earliest_changes) {
    const uint64_t now_ns = monotonic_ns();
    set(&moments[0], now_ns + FOREVER);
    set(&moments[1], now_ns + FOREVER / 2);
    set(&moments[2], now_ns + 20 * MS);
    set(&moments[3], now_ns + 10 * MS);
    set(&moments[4], now_ns + FOREVER); /* the timer stays where it is */
    run_until_woken(2);
    ck_assert_uint_eq(moments[3].place, 0);
    ck_assert_uint_eq(moments[2].place, 1);
    set(&moments[1], monotonic_ns() + MS); /* nearer now */
    run_until_woken(3);
    ck_assert_uint_eq(moments[1].times, 1);
    ck_assert_uint_eq(moments[0].times, 0);
}
END_TEST

START_TEST(a_moment_that_has_passed) {
    set(&moments[0], _i == 0 ? 1 : monotonic_ns());
    ck_assert_uint_eq(woken_count, 0); /* never within the call */
    run_until_woken(1);
}
END_TEST

START_TEST(cleared) {
    const uint64_t now_ns = monotonic_ns();
    wake_up_clear(&moments[0].wake_up); /* not set: harmless */
    for (unsigned i = 0; i < 4; i++) {
        set(&moments[i], now_ns + (i + 1) * MS);
    }
    wake_up_clear(&moments[0].wake_up);
    wake_up_clear(&moments[2].wake_up);
    run_until_woken(2);
    ck_assert_uint_eq(moments[1].times + moments[3].times, 2);
    set(&moments[0], now_ns); /* the timer is set again though all had passed */
    run_until_woken(3);
    ck_assert_uint_eq(moments[0].times, 1);
}
END_TEST

static void clear_other(struct moment *moment) {
    wake_up_clear(&moment->other->wake_up);
}

static void set_itself(struct moment *moment) {
    if (moment->times < 3) {
        set(moment, monotonic_ns() + MS);
    }
}

static void set_other(struct moment *moment) {
    set(moment->other, monotonic_ns() + MS);
}

START_TEST(changed_by_a_callback) {
    const uint64_t at_ns = monotonic_ns() + MS;
    moments[0].then = clear_other; /* both are due */
    moments[0].other = &moments[1];
    set(&moments[0], at_ns);
    set(&moments[1], at_ns + 1);
    moments[2].then = set_itself;
    set(&moments[2], at_ns + 2);
    moments[3].then = set_other;
    moments[3].other = &moments[4];
    set(&moments[3], at_ns + 3);
    run_until_woken(1 + 3 + 1 + 1);
    ck_assert_uint_eq(moments[1].times, 0);
    ck_assert_uint_eq(moments[2].times, 3);
    ck_assert_uint_eq(moments[4].times, 1);
}
END_TEST

static void free_itself(struct moment *moment) {
    free(moment);
}

START_TEST(freed_by_its_callback) {
    for (unsigned i = 0; i < 3; i++) {
        struct moment *moment = calloc(1, sizeof(*moment));
        moment->wake_up.woken = woken;
        moment->then = free_itself;
        set(moment, monotonic_ns());
    }
    run_until_woken(3);
}
END_TEST

START_TEST(freed_while_some_are_set) {
    set(&moments[0], monotonic_ns());
    set(&moments[1], monotonic_ns() + FOREVER);
    wake_ups_free(&wake_ups);
    wake_ups_free(&wake_ups); /* harmless */
    ck_assert_ptr_null(moments[0].wake_up.owner);
    ck_assert_ptr_null(moments[1].wake_up.owner);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
    ck_assert_uint_eq(woken_count, 0);
}
END_TEST

/* One that is always set again for now lets the loop and the others have their turns. */
static void set_for_now(struct moment *moment) {
    set(moment, 0);
}

START_TEST(always_due) {
    moments[0].then = set_for_now;
    set(&moments[0], 0);
    set(&moments[1], monotonic_ns() + MS);
    for (unsigned turns = 0; moments[1].times == 0; turns++) {
        turn();
        ck_assert_uint_le(moments[0].times, turns + 1);
    }
}
END_TEST

/* The minimum of many, since a machine may stall. */
START_TEST(hardly_too_late) {
    uint64_t least_ns = UINT64_MAX;
    for (unsigned i = 0; i < 50; i++) {
        set(&moments[i], monotonic_ns() + MS);
        run_until_woken(i + 1);
        const uint64_t late_ns = moments[i].woken_at_ns - moments[i].wake_up.at_ns;
        least_ns = late_ns < least_ns ? late_ns : least_ns;
    }
    ck_assert_uint_lt(least_ns, MS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("wake_ups");
    TCase *tests = tcase_create("wake_ups");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, many_at_random, 0, 5);
    tcase_add_test(tests, the_earliest_changes);
    tcase_add_loop_test(tests, a_moment_that_has_passed, 0, 2);
    tcase_add_test(tests, cleared);
    tcase_add_test(tests, changed_by_a_callback);
    tcase_add_test(tests, freed_by_its_callback);
    tcase_add_test(tests, freed_while_some_are_set);
    tcase_add_test(tests, always_due);
    tcase_add_test(tests, hardly_too_late);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
