/*
 * bare_calls.h - a table of two functions that do nothing, in a separate shared object.
 *
 * The least that a call through a dlopen'ed table can cost: the yardstick for a policy's decision.
 */
#ifndef BARE_CALLS_H
#define BARE_CALLS_H

#include "plugin/read_policy.h"

#define BARE_CALLS_SYMBOL "bare_calls"

/* The same types as in rp_plugin; both return the same done step. */
struct bare_calls {
    const struct rp_step *(*begin)(const struct rp_policy *policy, const struct rp_request *request,
                                   struct rp_read *read);
    const struct rp_step *(*next)(struct rp_read *read, const struct rp_report *report);
};

typedef const struct bare_calls *(*bare_calls_function)(void);

#endif
