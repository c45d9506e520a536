/*
 * problems.h - what is wrong, in sentences for people, from what a status says. Pure.
 */
#ifndef PROBLEMS_H
#define PROBLEMS_H

#include "status.h"

/* Fills in status->problems from the rest of it. */
void status_find_problems(struct status *status);

#endif
