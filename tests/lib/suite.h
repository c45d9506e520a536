/*
 * suite.h - how every Check suite here is run.
 */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>

/* Runs the suite, frees it, and gives the exit status of the program. What is printed follows
 * CK_VERBOSITY. */
int suite_run(Suite *suite);

#endif
