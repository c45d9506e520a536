/*
 * test_choice.c - the choice between the lean and the full statement, over many reads.
 */
#include "host-sample/snapshots/choice.h"
#include "tests/lib/suite.h"

#include <check.h>

/* Runs reads of which every `nth` needs the full statement (0: none does) as the worker does: only
 * a lean statement shows whether it was enough. Returns how many were lean. */
static unsigned run(struct statement_choice *choice, unsigned reads, unsigned nth) {
    unsigned lean = 0;
    for (unsigned i = 1; i <= reads; i++) {
        if (statement_choice_is_lean(choice)) {
            lean++;
            statement_choice_learn(choice, nth != 0 && i % nth == 0);
        }
        ck_assert_uint_le(choice->needed_full, STATEMENT_CHOICE_ALWAYS);
    }
    return lean;
}

START_TEST(lean_while_it_is_enough) {
    struct statement_choice choice = {0};
    ck_assert_uint_eq(run(&choice, 10000, 0), 10000);
    ck_assert_uint_eq(choice.needed_full, 0);
}
END_TEST

/* A few are sent lean all the same, to notice when that is enough again. */
START_TEST(full_when_lean_is_never_enough) {
    struct statement_choice choice = {0};
    const unsigned to_learn = run(&choice, 100, 1);
    ck_assert_uint_lt(to_learn, 30);
    const unsigned lean = run(&choice, 6400, 1);
    ck_assert_uint_eq(lean, 100);
    ck_assert_uint_gt(choice.needed_full, STATEMENT_CHOICE_ALWAYS / 2);
}
END_TEST

/* Lean first costs more when above a third of the reads need the full one. */
START_TEST(lean_while_it_pays) {
    struct statement_choice choice = {0};
    ck_assert_uint_gt(run(&choice, 10000, 8), 9900);
    choice = (struct statement_choice){0};
    ck_assert_uint_lt(run(&choice, 10000, 2), 1000);
}
END_TEST

START_TEST(lean_again_when_that_is_enough_again) {
    struct statement_choice choice = {0};
    run(&choice, 10000, 1);
    ck_assert_uint_lt(choice.needed_full, STATEMENT_CHOICE_ALWAYS + 1);
    unsigned reads = 0;
    for (; choice.needed_full > STATEMENT_CHOICE_ALWAYS / 8; reads++) {
        run(&choice, 1, 0);
        ck_assert_uint_lt(reads, 5000);
    }
    ck_assert_uint_gt(reads, 1000); /* a handful of lucky reads is no reason to change back */
    ck_assert_uint_eq(run(&choice, 1000, 0), 1000);
}
END_TEST

/* One read that needs more does not change the choice, whatever was learnt before. */
START_TEST(one_read_is_no_trend) {
    struct statement_choice choice = {0};
    statement_choice_learn(&choice, true);
    ck_assert_uint_gt(choice.needed_full, 0);
    ck_assert(statement_choice_is_lean(&choice));
    ck_assert_uint_eq(choice.turns, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("choice");
    TCase *choices = suite_case(suite, "choice", NULL, NULL, 0);
    tcase_add_test(choices, lean_while_it_is_enough);
    tcase_add_test(choices, full_when_lean_is_never_enough);
    tcase_add_test(choices, lean_while_it_pays);
    tcase_add_test(choices, lean_again_when_that_is_enough_again);
    tcase_add_test(choices, one_read_is_no_trend);
    return suite_run(suite);
}
