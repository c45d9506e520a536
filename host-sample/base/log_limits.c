/*
 * log_limits.c - a token bucket for each kind of line.
 */
#include "log_limits.h"

#define SECOND_NS   UINT64_C(1000000000)
#define INTERVAL_NS (SECOND_NS / LOG_PER_S)

bool log_limits_admit(struct log_limits *limits, enum log_kind kind, enum log_level level,
                      uint64_t now_ns) {
    uint64_t *until = &limits->kinds[kind].spent_until_ns;
    if (*until < now_ns) {
        *until = now_ns;
    }
    if (*until - now_ns <= (LOG_BURST - 1) * INTERVAL_NS) {
        *until += INTERVAL_NS;
        return true;
    }
    limits->kinds[kind].left_out++;
    limits->kinds[kind].level = level;
    if (limits->summary_ns == 0) {
        limits->summary_ns = now_ns + SECOND_NS;
    }
    return false;
}

uint64_t log_limits_take(struct log_limits *limits, enum log_kind kind) {
    const uint64_t left_out = limits->kinds[kind].left_out;
    limits->kinds[kind].left_out = 0;
    return left_out;
}

const char *log_limits_name(enum log_kind kind) {
    static const char *const names[LOG_KINDS] = {[LOG_NOT_FOUND] = "not found",
                                                 [LOG_FAILED] = "failed",
                                                 [LOG_PRIMARY_SERVED] =
                                                     "served by the primary after a miss",
                                                 [LOG_LINKS] = "about links",
                                                 [LOG_SERVER] = "about a server",
                                                 [LOG_CONNECTIONS] = "about connections"};
    return names[kind];
}
