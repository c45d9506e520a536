/*
 * ending.h - what a lookup that is over is answered with: the rows that were read last, or why
 * there are none.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef LOOKUP_ENDING_H
#define LOOKUP_ENDING_H

#include "lookup_state.h"
#include "plugin/read_policy.h"

#include <stdint.h>

/* Its texts lie in it, in the action that it was decided by, or are constants. */
struct ending {
    int32_t verdict;     /* enum rp_verdict */
    int32_t served_by;   /* enum rp_served_by */
    int32_t log_level;   /* enum rp_log_level */
    const char *message; /* the log line's */
    const char *error;   /* the body's; NULL: the rows, which are in the scratch buffer */
    char headers[96];
    char text[192];
};

/* Of the answer that is handled, if the read goes on after it: it may be what is answered yet. */
void ending_keep_answer(struct lookup *lookup, int32_t outcome);

/* Decides by the read's last action. What a server said of a failure, or nobody did, stands in
 * lookup->error afterwards. */
void ending_decide(struct ending *ending, struct lookup *lookup, const struct rp_action *done);

/* The lookup is not looked at any more; nothing may have used the scratch buffer since. */
void ending_send(const struct ending *ending, struct answers *answers,
                 struct http_exchange *exchange);

#endif
