/*
 * test_deadlines.c - deadlines on a real loop: when they pass, in which order, and what a call back
 * may do.
 *
 * The loop ends by itself when no timer is left, so nothing here sleeps.
 */
#include "host-sample/base/deadlines.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

enum { SHORT_MS = 30, LONG_MS = 90, QUEUES = 2, MAX_DEADLINES = 40 };
enum { CLOCK_STEP_MS = 10 }; /* of the coarse clock, at its coarsest */

struct waiter {
    struct deadline deadline; /* first: a call back casts */
    int number;
    int64_t set_ms;
    bool is_allocated;
};

static struct event_base *base;
static struct deadlines deadlines;
static struct deadline_queue queues[QUEUES];
static struct waiter waiters[MAX_DEADLINES];
static int passed[MAX_DEADLINES]; /* their numbers, in the order in which they passed */
static int passed_count;
static void (*then)(struct waiter *waiter); /* within the call back */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_passed(void *context, struct deadline_queue *queue, struct deadline *deadline) {
    struct waiter *waiter = (struct waiter *)deadline;
    ck_assert_ptr_eq(context, &passed_count);
    ck_assert(queue == &queues[0] || queue == &queues[1]);
    ck_assert_ptr_null(deadline->queue); /* it is not set any more */
    ck_assert_int_ge(now_ms() - waiter->set_ms, (int64_t)queue->length_ms - CLOCK_STEP_MS);
    ck_assert_int_lt(passed_count, MAX_DEADLINES);
    passed[passed_count++] = waiter->number;
    if (then != NULL) {
        then(waiter);
    }
}

static void set_up(void) {
    base = event_base_new();
    queues[0].length_ms = LONG_MS;
    queues[1].length_ms = SHORT_MS;
    deadlines_init(&deadlines, base, queues, QUEUES, on_passed, &passed_count);
    for (int i = 0; i < MAX_DEADLINES; i++) {
        waiters[i] = (struct waiter){.number = i};
    }
    passed_count = 0;
    then = NULL;
}

static void tear_down(void) {
    deadlines_free(&deadlines);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(base);
}

static void set(int number, int queue) {
    waiters[number].set_ms = now_ms();
    deadline_set(&waiters[number].deadline, &queues[queue]);
}

static int place_of(int number) {
    int place = 0;
    while (place < passed_count && passed[place] != number) {
        place++;
    }
    return place;
}

static void assert_passed(const int *numbers, int count) {
    ck_assert_int_eq(passed_count, count);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(passed[i], numbers[i]);
    }
}
#define PASSED(...)                                                                                \
    assert_passed((const int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))

START_TEST(in_the_order_of_a_queue) {
    for (int i = 0; i < MAX_DEADLINES; i++) {
        set(i, 1);
    }
    ck_assert_ptr_eq(deadline_first(&queues[1]), &waiters[0].deadline);
    ck_assert_ptr_null(deadline_first(&queues[0]));
    int turns = 0;
    for (; deadline_first(&queues[1]) != NULL; turns++) {
        event_base_loop(base, EVLOOP_ONCE);
    }
    ck_assert_int_lt(turns, SHORT_MS * 2 / 3); /* slept, and did not poll */
    ck_assert_int_eq(passed_count, MAX_DEADLINES);
    for (int i = 0; i < MAX_DEADLINES; i++) {
        ck_assert_int_eq(passed[i], i);
    }
    ck_assert_ptr_null(deadline_first(&queues[1]));
}
END_TEST

/* One that is set later and is due earlier does not wait for the timer that is running. */
START_TEST(a_shorter_one_is_not_kept_waiting) {
    queues[0].length_ms = 1000 * 1000; /* far beyond the time that a test may take */
    set(0, 0);
    set(1, 1);
    while (passed_count == 0) {
        event_base_loop(base, EVLOOP_ONCE);
    }
    PASSED(1);
    ck_assert_ptr_eq(deadline_first(&queues[0]), &waiters[0].deadline);
}
END_TEST

START_TEST(one_that_is_cleared_does_not_pass) {
    set(0, 1);
    set(1, 1);
    set(2, 1);
    deadline_clear(&waiters[0].deadline);
    deadline_clear(&waiters[2].deadline);
    deadline_clear(&waiters[2].deadline); /* is not set: nothing to do */
    ck_assert_ptr_eq(deadline_first(&queues[1]), &waiters[1].deadline);
    event_base_dispatch(base);
    PASSED(1);
}
END_TEST

START_TEST(cleared_alone_the_timer_fires_for_nothing_and_ends) {
    set(0, 1);
    deadline_clear(&waiters[0].deadline);
    event_base_dispatch(base);
    ck_assert_int_eq(passed_count, 0);
    set(0, 1); /* and it is armed again */
    event_base_dispatch(base);
    PASSED(0);
}
END_TEST

/* Whatever queue it was in before. */
START_TEST(one_that_is_set_again_begins_anew) {
    set(0, 1);
    set(1, 1);
    set(0, 1);
    set(2, 1);
    set(2, 0);
    ck_assert_ptr_eq(deadline_first(&queues[1]), &waiters[1].deadline);
    ck_assert_ptr_eq(deadline_first(&queues[0]), &waiters[2].deadline);
    event_base_dispatch(base);
    ck_assert_int_eq(passed_count, 3);
    ck_assert_int_lt(place_of(1), place_of(0));
    ck_assert_int_lt(place_of(2), 3); /* of another queue, whose order is another */
}
END_TEST

static void clear_the_next_and_set_another(struct waiter *waiter) {
    if (waiter->number == 0) {
        deadline_clear(&waiters[1].deadline);
        set(3, 1);
    }
}

START_TEST(a_call_back_sets_and_clears_others) {
    then = clear_the_next_and_set_another;
    set(0, 1);
    set(1, 1);
    set(2, 1);
    event_base_dispatch(base);
    PASSED(0, 2, 3);
}
END_TEST

static void set_itself_again(struct waiter *waiter) {
    if (passed_count < 3) {
        set(waiter->number, 1);
    }
}

START_TEST(a_call_back_sets_its_own_again) {
    then = set_itself_again;
    set(5, 1);
    event_base_dispatch(base);
    PASSED(5, 5, 5);
}
END_TEST

static void free_it(struct waiter *waiter) {
    if (waiter->is_allocated) {
        free(waiter);
    }
}

START_TEST(a_call_back_frees_its_own) {
    then = free_it;
    for (int i = 0; i < 3; i++) {
        struct waiter *waiter = calloc(1, sizeof(*waiter));
        ck_assert_ptr_nonnull(waiter);
        *waiter = (struct waiter){.number = i, .set_ms = now_ms(), .is_allocated = true};
        deadline_set(&waiter->deadline, &queues[1]);
    }
    event_base_dispatch(base);
    PASSED(0, 1, 2);
}
END_TEST

START_TEST(freed_they_are_forgotten) {
    set(0, 0);
    set(1, 1);
    deadlines_free(&deadlines);
    ck_assert_ptr_null(waiters[0].deadline.queue);
    ck_assert_ptr_null(waiters[1].deadline.queue);
    event_base_dispatch(base);
    ck_assert_int_eq(passed_count, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("deadlines");
    TCase *tests = suite_case(suite, "deadlines", set_up, tear_down, 0);
    tcase_add_test(tests, in_the_order_of_a_queue);
    tcase_add_test(tests, a_shorter_one_is_not_kept_waiting);
    tcase_add_test(tests, one_that_is_cleared_does_not_pass);
    tcase_add_test(tests, cleared_alone_the_timer_fires_for_nothing_and_ends);
    tcase_add_test(tests, one_that_is_set_again_begins_anew);
    tcase_add_test(tests, a_call_back_sets_and_clears_others);
    tcase_add_test(tests, a_call_back_sets_its_own_again);
    tcase_add_test(tests, a_call_back_frees_its_own);
    tcase_add_test(tests, freed_they_are_forgotten);
    return suite_run(suite);
}
