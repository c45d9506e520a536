/*
 * setting.h - what the explorer varies besides the reports: what the operator configured, and what
 * the host asked for.
 */
#ifndef SETTING_H
#define SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* POLICY(what it is called here, its name): explorer.c has visit_NAME for each. */
#define EXPLORED_POLICIES(POLICY)                                                                  \
    POLICY(THEN_PRIMARY, replica_then_primary)                                                     \
    POLICY(BACKOFF, replica_backoff)                                                               \
    POLICY(READ_INDEX, read_index)                                                                 \
    POLICY(PRIMARY_ONLY, primary_only)                                                             \
    POLICY(REPLICA_ONLY, replica_only)

#define POLICY_NAME(policy, name) policy,
enum explored_policy { EXPLORED_POLICIES(POLICY_NAME) POLICY_COUNT };
#undef POLICY_NAME

extern const char *const policy_names[POLICY_COUNT];

/* The enum explored_policy of that name, or -1. */
int find_explored(const char *name);

enum explored_pick { SAME, NEXT, FRESHEST, PICK_COUNT };

struct configured {
    enum explored_policy policy;
    uint32_t retry_min_ms;
    uint32_t retry_max_ms;
    uint32_t first_ms;
    uint32_t max_wait_ms;
    bool always;
    enum explored_pick pick;
    uint32_t max_lag_ms;
    bool failover;
    bool blind;            /* the host does not report positions */
    uint32_t budget_per_s; /* 0: none */
    uint32_t budget_burst;
};

/* How the host's clock runs from report to report. */
enum host_clock {
    CLOCK_FREE, /* every boundary in time at every report: now, the end of the wait, deadline, just
                   past it, long past everything, and before the last report */
    CLOCK_PROMPT,  /* waits end when they should, nothing else takes time; or it jumps past all */
    CLOCK_STANDING /* no time passes */
};

/* Times are in ns since the read began. */
struct asked {
    uint32_t replicas;
    bool replicas_out; /* there are replicas, and none may be asked */
    bool in_transaction;
    bool has_deadline;
    int64_t deadline_ns;
    uint64_t position;
    uint64_t entropy;
    uint32_t tokens; /* of the budget's burst that are left when the read begins */
    enum host_clock clock;
    /* There is time for all looks that a replica may be given; else the second comes too late: with
     * everything else that varies they are too many. */
    bool many_looks;
};

struct setting {
    struct configured configured;
    struct asked asked;
};

/* The section's lines in the INI file. */
void write_lines(const struct configured *configured, char *lines, size_t capacity);

/* One line for people. */
void write_setting(const struct setting *setting, char *text, size_t capacity);

/* Whether the read must go to the primary and nowhere else. */
bool is_direct(const struct setting *setting);

/* Whether the policy reads replicas alone. */
bool has_no_primary(const struct setting *setting);

/* Whether the read must begin as if a replica had failed. */
bool begins_out(const struct setting *setting);

/* Whether there is a floor, and no replica can be judged by it. */
bool cannot_judge(const struct setting *setting);

/* The most waits of replica_backoff: of n waits the k-th takes at least half of first_ms * 2^k, so
 * this many use up max_wait_ms. */
uint32_t poll_limit(const struct configured *configured);

/* So often a replica may be looked at while it is on its way to a located position. */
#define MAX_LOOKS 5u

/* The most steps of a read, the done step not counted: I1. */
uint32_t step_limit(const struct setting *setting);

#endif
