/*
 * suite.c - see suite.h.
 */
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef tcase_create

enum { MAX_CASES = 100, MAX_TESTS = 1000, MAX_DESCRIPTORS = 1024 };

/* Check tells nobody what a case is called. */
static struct {
    const TCase *tests;
    const char *name;
} cases[MAX_CASES];
static size_t case_count;

/* What was added, for the list. */
static struct {
    const char *case_name, *name;
} all[MAX_TESTS];
static size_t test_count, chosen_count;

TCase *suite_create_case(const char *name) {
    TCase *tests = tcase_create(name);
    if (case_count == MAX_CASES) {
        fprintf(stderr, "a suite has more than %d cases\n", MAX_CASES);
        exit(EXIT_FAILURE);
    }
    cases[case_count].tests = tests;
    cases[case_count++].name = name;
    return tests;
}

TCase *suite_case(Suite *suite, const char *name, SFun set_up, SFun tear_down, double timeout_s) {
    TCase *tests = suite_create_case(name);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    if (timeout_s > 0) {
        tcase_set_timeout(tests, timeout_s);
    }
    suite_add_tcase(suite, tests);
    return tests;
}

static const char *name_of(const TCase *tests) {
    for (size_t i = 0; i < case_count; i++) {
        if (cases[i].tests == tests) {
            return cases[i].name;
        }
    }
    fputs("a case was created before suite.h was included\n", stderr);
    exit(EXIT_FAILURE);
}

static const char *wanted(void) {
    const char *part = getenv("TEST_CASE");
    return part != NULL ? part : "";
}

void suite_add_test(TCase *tests, const TTest *test, int first, int end) {
    if (test_count == MAX_TESTS) {
        fprintf(stderr, "a suite has more than %d tests\n", MAX_TESTS);
        exit(EXIT_FAILURE);
    }
    all[test_count].case_name = name_of(tests);
    all[test_count].name = test->name;
    char name[256];
    snprintf(name, sizeof(name), "%s.%s", all[test_count].case_name, test->name);
    test_count++;
    if (strstr(name, wanted()) != NULL) {
        tcase_add_loop_test_raise_signal(tests, test, 0, first, end);
        chosen_count++;
    }
}

bool suite_is_wanted(void) {
    return chosen_count > 0;
}

static int run(Suite *suite, enum fork_status fork_status) {
    SRunner *runner = srunner_create(suite);
    if (wanted()[0] != '\0' && !suite_is_wanted()) {
        for (size_t i = 0; i < test_count; i++) {
            printf(SUITE_LISTED "%s.%s\n", all[i].case_name, all[i].name);
        }
        srunner_free(runner);
        return SUITE_NOTHING_CHOSEN;
    }
    if (fork_status == CK_NOFORK) {
        srunner_set_fork_status(runner, CK_NOFORK);
    }
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int suite_run(Suite *suite) {
    return run(suite, CK_FORK_GETENV);
}

int suite_run_in_one_process(Suite *suite) {
    return run(suite, CK_NOFORK);
}

/* Which of the open files is Check's cannot be known. */
void suite_in_forked_process(int kept) {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDERR_FILENO + 1; fd < MAX_DESCRIPTORS; fd++) {
        if (fd != kept && fcntl(fd, F_GETFD) >= 0) {
            (void)dup2(null, fd);
        }
    }
}
