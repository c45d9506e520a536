/*
 * suite.h - how every Check suite here is put together and run.
 *
 * TEST_CASE in the environment (tests/run.py --case, make test K=) chooses tests by a part of their
 * name, which is CASE.FUNCTION: Check itself chooses whole cases only. For that this header stands
 * before Check's own way to create cases and to add tests to them, so a suite is written as always.
 */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <stdbool.h>

/* The exit status of a program of which TEST_CASE chose nothing; its tests are listed then, one a
 * line, behind SUITE_LISTED. */
enum { SUITE_NOTHING_CHOSEN = 78 };
#define SUITE_LISTED "has test: "

/* A case of the suite, with these checked fixtures (NULL: none) and this time limit for each test
 * (0: Check's own). Its name is kept, not copied. */
TCase *suite_case(Suite *suite, const char *name, SFun set_up, SFun tear_down, double timeout_s);

/* What the macros below stand for. */
TCase *suite_create_case(const char *name);
void suite_add_test(TCase *tests, const TTest *test, int first, int end);

/* Whether any test was chosen: what the suite needs is worth setting up. Once all are added. */
bool suite_is_wanted(void);

/* Runs the suite, frees it, and gives the exit status of the program. What is printed follows
 * CK_VERBOSITY. The second runs all tests in this process, which then is the parent of all servers
 * that they start. */
int suite_run(Suite *suite);
int suite_run_in_one_process(Suite *suite);

/* In a process that a test has forked: its failures show by its exit status alone. Check writes
 * each assertion to a file that all processes share, and those of several would mix. Every
 * descriptor but the first three and `kept` (or -1) leads to /dev/null from then on. */
void suite_in_forked_process(int kept);

#undef tcase_add_test
#undef tcase_add_loop_test
#define tcase_create(name)                           suite_create_case(name)
#define tcase_add_test(tests, test)                  suite_add_test(tests, test, 0, 1)
#define tcase_add_loop_test(tests, test, first, end) suite_add_test(tests, test, first, end)

#endif
