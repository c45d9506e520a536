/*
 * test_rates.c - how fast counters grew, from the oldest sample that is kept.
 */
#include "host-sample/base/rates.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)

static struct rates_sample sample_of(uint64_t at_ns, uint64_t value) {
    return (struct rates_sample){.at_ns = at_ns, .values = {[3] = value}};
}

START_TEST(unknown_at_first) {
    struct rates rates = {0};
    struct rates_sample now = sample_of(5 * SECOND_NS, 7);
    ck_assert_double_lt(rates_per_s(&rates, &now, 3), 0);
    rates_add(&rates, &now);
    now = sample_of(5 * SECOND_NS + SECOND_NS / 2 - 1, 9);
    ck_assert_double_lt(rates_per_s(&rates, &now, 3), 0);
    now = sample_of(5 * SECOND_NS + SECOND_NS / 2, 9);
    ck_assert_double_eq_tol(rates_per_s(&rates, &now, 3), 4.0, 1e-9);
    ck_assert_double_eq_tol(rates_per_s(&rates, &now, 2), 0.0, 1e-9);
}
END_TEST

START_TEST(from_the_oldest_that_is_kept) {
    struct rates rates = {0};
    /* 100 a second for a minute, then nothing: after ten seconds it is 0. */
    for (uint64_t second = 1; second <= 60; second++) {
        const struct rates_sample sample = sample_of(second * SECOND_NS, second * 100);
        rates_add(&rates, &sample);
    }
    struct rates_sample now = sample_of(60 * SECOND_NS, 6000);
    ck_assert_double_eq_tol(rates_per_s(&rates, &now, 3), 100.0, 1e-9);
    for (uint64_t second = 61; second <= 70; second++) {
        now = sample_of(second * SECOND_NS, 6000);
        rates_add(&rates, &now);
        ck_assert_double_eq_tol(rates_per_s(&rates, &now, 3), (double)(70 - second) * 10.0, 1e-9);
    }
}
END_TEST

/* A server that is taken out and comes back begins anew. */
START_TEST(a_value_that_falls_is_no_rate) {
    struct rates rates = {0};
    struct rates_sample sample = sample_of(SECOND_NS, 500);
    rates_add(&rates, &sample);
    sample = sample_of(2 * SECOND_NS, 3);
    ck_assert_double_eq_tol(rates_per_s(&rates, &sample, 3), 0.0, 1e-9);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rates");
    TCase *tests = suite_case(suite, "rates", NULL, NULL, 0);
    tcase_add_test(tests, unknown_at_first);
    tcase_add_test(tests, from_the_oldest_that_is_kept);
    tcase_add_test(tests, a_value_that_falls_is_no_rate);
    return suite_run(suite);
}
