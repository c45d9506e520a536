/*
 * readiness.h - whether lookups can be answered here.
 */
#ifndef READINESS_H
#define READINESS_H

#include <stdbool.h>
#include <stddef.h>

struct worker;
struct policy_needs;

/* False with the reason, for people. [one thread]: the worker's. */
bool host_is_ready(const struct worker *worker, const struct policy_needs *needs, char *why,
                   size_t length);

#endif
