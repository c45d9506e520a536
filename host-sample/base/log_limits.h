/*
 * log_limits.h - how many lines of each kind may be written. Pure: the time comes in.
 */
#ifndef LOG_LIMITS_H
#define LOG_LIMITS_H

#include "log_entry.h"

/* All zero at first. */
struct log_limits {
    struct {
        uint64_t spent_until_ns; /* a token bucket in one word: when it would be full again */
        uint64_t left_out;       /* since the last summary */
        enum log_level level;    /* of the lines left out */
    } kinds[LOG_KINDS];
    uint64_t summary_ns; /* when to report what was left out; 0: nothing was */
};

/* Whether a line of that kind may be written now; if not, it is counted. */
bool log_limits_admit(struct log_limits *limits, enum log_kind kind, enum log_level level,
                      uint64_t now_ns);

/* How many lines of that kind were left out since the last call. */
uint64_t log_limits_take(struct log_limits *limits, enum log_kind kind);

/* What lines of that kind are about, for people. */
const char *log_limits_name(enum log_kind kind);

#endif
