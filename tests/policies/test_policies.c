/*
 * test_policies.c - the tables of the policies, row by row, through the built shared object.
 *
 * A row is a read: the options, what the host asked for, what it reported, and which steps,
 * verdict, log level and counters must come of it.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

struct row {
    const char *policy;
    const char *options; /* further lines of the section; NULL: none */
    const char *reports;
    const char *steps;
    const char *end;
    uint64_t position;
    uint32_t deadline_ms; /* after the beginning; 0: none */
    bool no_replica;
    bool replicas_out;
    bool in_transaction;
    bool blind;        /* the host does not report positions */
    bool budget_empty; /* drained before the read begins */
};

/* The end of the read, and after it what else is not as usual. */
#define ROW(policy_, options_, reports_, steps_, ...)                                              \
    {.policy = (policy_),                                                                          \
     .options = (options_),                                                                        \
     .reports = (reports_),                                                                        \
     .steps = (steps_),                                                                            \
     .end = __VA_ARGS__}

#define THEN_PRIMARY "replica_then_primary"
#define INDEX        "read_index"
#define BACKOFF      "replica_backoff"

#define NO_RETRY "replica_retry_min_ms = 0\nreplica_retry_max_ms = 0\n"
#define FAILOVER "on_replica_failure = primary\n"
#define BUDGET   "primary_budget_per_s = 1\nprimary_budget_burst = 1\n"
#define ALWAYS   "when = always\n"
#define ONE_POLL "first_ms = 1000\nmax_wait_ms = 100\n"

#define BY_REPLICA     "found by replica quiet"
#define BY_RETRY       "found by replica_retry quiet counts replica_retry"
#define BY_PRIMARY     "found by primary warn counts primary"
#define NOWHERE        "not_found by primary error during primary_fallback"
#define PRIMARY_FAILED "failed error during primary_fallback"
#define RETRY_FAILED   "failed error during replica_retry"
#define REPLICA_FAILED "failed error"
#define SHED           "shed error during primary_budget counts primary_shed"
#define DIRECT         "found by primary quiet"
#define DIRECT_MISSING "not_found by primary error"
#define DIRECT_FAILED  "failed error"
#define ABSENT_RETRY   "not_found by replica_retry error during replica_retry counts proven_absent"
#define ABSENT_FIRST   "not_found by replica error counts proven_absent"

/* ---- no replica, or a transaction: every policy alike ---- */

static const struct {
    const char *name;
    bool has_budget;
} all_policies[] = {{THEN_PRIMARY, true},
                    {INDEX, true},
                    {BACKOFF, true},
                    {"primary_only", false},
                    {"replica_only", false}};

static const struct row direct_rows[] = {
    {.reports = "found", .steps = "primary", .end = DIRECT},
    {.reports = "partial", .steps = "primary", .end = DIRECT},
    {.reports = "missing", .steps = "primary", .end = DIRECT_MISSING},
    {.reports = "failed", .steps = "primary", .end = DIRECT_FAILED},
};

/* ---- all replicas out: as if the first read had failed ---- */

#define OUT(policy_, options_, ...) ROW(policy_, options_, __VA_ARGS__, .replicas_out = true)

static const struct row out_rows[] = {
    OUT(THEN_PRIMARY, NULL, "", "", REPLICA_FAILED),
    OUT(INDEX, NULL, "", "", REPLICA_FAILED),
    OUT(INDEX, ALWAYS, "", "", REPLICA_FAILED),
    OUT(BACKOFF, NULL, "", "", REPLICA_FAILED),
    OUT("replica_only", FAILOVER, "", "", REPLICA_FAILED),
    OUT("primary_only", NULL, "found", "primary", DIRECT),
    OUT(THEN_PRIMARY, FAILOVER, "found", "primary", DIRECT),
    OUT(INDEX, ALWAYS FAILOVER, "partial", "primary", DIRECT),
    OUT(BACKOFF, FAILOVER, "missing", "primary", NOWHERE),
    OUT(INDEX, FAILOVER, "failed", "primary", PRIMARY_FAILED),
    OUT(THEN_PRIMARY, FAILOVER BUDGET, "", "", SHED, .budget_empty = true),
    OUT(INDEX, FAILOVER BUDGET, "", "", SHED, .budget_empty = true),
    OUT(THEN_PRIMARY, BUDGET, "found", "primary", DIRECT, .in_transaction = true,
        .budget_empty = true),
};

/* ---- primary_only, replica_only ---- */

static const struct row single_read_rows[] = {
    ROW("primary_only", NULL, "found", "primary", DIRECT),
    ROW("primary_only", NULL, "partial", "primary", DIRECT),
    ROW("primary_only", NULL, "missing", "primary", DIRECT_MISSING),
    ROW("primary_only", NULL, "failed", "primary", DIRECT_FAILED),
    ROW("replica_only", NULL, "found", "replica", BY_REPLICA),
    ROW("replica_only", NULL, "partial", "replica", BY_REPLICA),
    ROW("replica_only", NULL, "missing", "replica", "not_found by replica error"),
    ROW("replica_only", NULL, "failed", "replica", REPLICA_FAILED),
    ROW("replica_only", FAILOVER, "failed", "replica", REPLICA_FAILED),
};

/* ---- replica_then_primary ---- */

static const struct row then_primary_rows[] = {
    ROW(THEN_PRIMARY, NULL, "found", "replica", BY_REPLICA),
    ROW(THEN_PRIMARY, NULL, "failed", "replica", REPLICA_FAILED),
    ROW(THEN_PRIMARY, NULL, "missing waited found", "replica wait replica", BY_RETRY),
    ROW(THEN_PRIMARY, NULL, "partial waited found", "replica wait replica", BY_RETRY),
    ROW(THEN_PRIMARY, NULL, "missing waited failed", "replica wait replica", RETRY_FAILED),
    ROW(THEN_PRIMARY, NULL, "missing waited missing found", "replica wait replica primary",
        BY_PRIMARY),
    ROW(THEN_PRIMARY, NULL, "missing waited partial found", "replica wait replica primary",
        BY_PRIMARY),
    ROW(THEN_PRIMARY, NULL, "partial waited partial partial", "replica wait replica primary",
        BY_PRIMARY),
    ROW(THEN_PRIMARY, NULL, "missing waited missing missing", "replica wait replica primary",
        NOWHERE),
    ROW(THEN_PRIMARY, NULL, "missing waited missing failed", "replica wait replica primary",
        PRIMARY_FAILED),
    ROW(THEN_PRIMARY, NO_RETRY, "missing found", "replica primary", BY_PRIMARY),
    ROW(THEN_PRIMARY, NO_RETRY, "partial found", "replica primary", BY_PRIMARY),
    ROW(THEN_PRIMARY, NO_RETRY, "missing missing", "replica primary", NOWHERE),
    ROW(THEN_PRIMARY, NO_RETRY, "missing failed", "replica primary", PRIMARY_FAILED),
    ROW(THEN_PRIMARY, "replica_retry_max_ms = 0\n", "missing found", "replica primary", BY_PRIMARY),
    ROW(THEN_PRIMARY, FAILOVER, "failed found", "replica primary", DIRECT),
    ROW(THEN_PRIMARY, FAILOVER, "failed partial", "replica primary", DIRECT),
    ROW(THEN_PRIMARY, FAILOVER, "failed missing", "replica primary", NOWHERE),
    ROW(THEN_PRIMARY, FAILOVER, "failed failed", "replica primary", PRIMARY_FAILED),
    ROW(THEN_PRIMARY, FAILOVER, "missing waited failed found", "replica wait replica primary",
        BY_PRIMARY),
    ROW(THEN_PRIMARY, FAILOVER, "missing waited failed missing", "replica wait replica primary",
        NOWHERE),
    ROW(THEN_PRIMARY, BUDGET, "missing waited missing found", "replica wait replica primary",
        BY_PRIMARY),
    ROW(THEN_PRIMARY, BUDGET, "missing waited missing", "replica wait replica", SHED,
        .budget_empty = true),
    ROW(THEN_PRIMARY, NO_RETRY BUDGET, "missing", "replica", SHED, .budget_empty = true),
    ROW(THEN_PRIMARY, FAILOVER BUDGET, "failed", "replica", SHED, .budget_empty = true),
    ROW(THEN_PRIMARY, FAILOVER BUDGET, "missing waited failed", "replica wait replica", SHED,
        .budget_empty = true),
    ROW(THEN_PRIMARY, BUDGET, "failed", "replica", REPLICA_FAILED, .budget_empty = true),
    ROW(THEN_PRIMARY, BUDGET, "missing waited found", "replica wait replica", BY_RETRY,
        .budget_empty = true),
    ROW(THEN_PRIMARY, BUDGET, "found", "primary", DIRECT, .budget_empty = true, .no_replica = true),
    ROW(THEN_PRIMARY, BUDGET, "found", "primary", DIRECT, .budget_empty = true,
        .in_transaction = true),
    ROW(THEN_PRIMARY, NULL, "missing found", "replica primary", BY_PRIMARY, .deadline_ms = 49),
    ROW(THEN_PRIMARY, NULL, "missing waited found", "replica wait replica", BY_RETRY,
        .deadline_ms = 200),
    ROW(THEN_PRIMARY, NULL, "+151 missing found", "replica primary", BY_PRIMARY,
        .deadline_ms = 200),
    ROW(THEN_PRIMARY, NULL, "+500 missing found", "replica primary", BY_PRIMARY,
        .deadline_ms = 200),
};

/* ---- replica_backoff; ONE_POLL: the one wait that fits into max_wait_ms ---- */

static const struct row backoff_rows[] = {
    ROW(BACKOFF, NULL, "found", "replica", BY_REPLICA),
    ROW(BACKOFF, NULL, "failed", "replica", REPLICA_FAILED),
    ROW(BACKOFF, NULL, "missing waited found", "replica wait replica", BY_RETRY),
    ROW(BACKOFF, NULL, "missing waited missing waited found", "replica wait replica wait replica",
        BY_RETRY),
    ROW(BACKOFF, NULL, "missing waited partial waited missing waited found",
        "replica wait replica wait replica wait replica", BY_RETRY),
    ROW(BACKOFF, NULL, "missing waited failed", "replica wait replica", RETRY_FAILED),
    ROW(BACKOFF, ONE_POLL, "missing waited missing found", "replica wait replica primary",
        BY_PRIMARY),
    ROW(BACKOFF, ONE_POLL, "partial waited partial partial", "replica wait replica primary",
        BY_PRIMARY),
    ROW(BACKOFF, ONE_POLL, "missing waited missing missing", "replica wait replica primary",
        NOWHERE),
    ROW(BACKOFF, ONE_POLL, "missing waited missing failed", "replica wait replica primary",
        PRIMARY_FAILED),
    ROW(BACKOFF, "max_wait_ms = 0\n", "missing found", "replica primary", BY_PRIMARY),
    ROW(BACKOFF, FAILOVER, "failed found", "replica primary", DIRECT),
    ROW(BACKOFF, FAILOVER, "failed missing", "replica primary", NOWHERE),
    ROW(BACKOFF, FAILOVER, "missing waited failed found", "replica wait replica primary",
        BY_PRIMARY),
    ROW(BACKOFF, ONE_POLL BUDGET, "missing waited missing", "replica wait replica", SHED,
        .budget_empty = true),
    ROW(BACKOFF, FAILOVER BUDGET, "failed", "replica", SHED, .budget_empty = true),
    ROW(BACKOFF, FAILOVER BUDGET, "missing waited failed", "replica wait replica", SHED,
        .budget_empty = true),
    ROW(BACKOFF, "first_ms = 10\n", "missing found", "replica primary", BY_PRIMARY,
        .deadline_ms = 4),
    ROW(BACKOFF, NULL, "+500 missing found", "replica primary", BY_PRIMARY, .deadline_ms = 200),
    ROW(BACKOFF, "first_ms = 100\n", "missing +200 waited missing found",
        "replica wait replica primary", BY_PRIMARY),
};

/* ---- read_index, when = miss ---- */

static const struct row index_rows[] = {
    ROW(INDEX, NULL, "found", "replica", BY_REPLICA),
    ROW(INDEX, NULL, "failed", "replica", REPLICA_FAILED),
    ROW(INDEX, NULL, "missing located@100 reached@100 found@100",
        "replica locate await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "partial located@100 reached@120 found@120",
        "replica locate await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 reached@100 found", "replica locate await@100 replica@",
        BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 reached@100 missing@100",
        "replica locate await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100 reached@100 missing@101",
        "replica locate await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100 reached@100 partial@100",
        "replica locate await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 reached@100 failed", "replica locate await@100 replica@",
        RETRY_FAILED),
    /* A miss whose own position is unknown or behind proves nothing. */
    ROW(INDEX, NULL, "missing located@100 reached@100 missing found",
        "replica locate await@100 replica@ primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 reached@100 missing@99 missing",
        "replica locate await@100 replica@ primary", NOWHERE),
    ROW(INDEX, NULL, "missing located@100 reached@100 partial@99 found",
        "replica locate await@100 replica@ primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 reached@100 partial partial",
        "replica locate await@100 replica@ primary", BY_PRIMARY),
    /* What cannot be located or reached is the primary's to answer. */
    ROW(INDEX, NULL, "missing failed found", "replica locate primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing failed missing", "replica locate primary", NOWHERE),
    ROW(INDEX, NULL, "missing failed failed", "replica locate primary", PRIMARY_FAILED),
    ROW(INDEX, NULL, "missing located found", "replica locate primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 +300 not_reached found",
        "replica locate await@100 primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 failed found", "replica locate await@100 primary",
        BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 reached found", "replica locate await@100 primary",
        BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 reached@99 found", "replica locate await@100 primary",
        BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 +300 not_reached missing",
        "replica locate await@100 primary", NOWHERE),
    ROW(INDEX, NULL, "missing located@100 +300 not_reached failed",
        "replica locate await@100 primary", PRIMARY_FAILED),
    ROW(INDEX, "max_wait_ms = 0\n", "missing located@100 found", "replica locate primary",
        BY_PRIMARY),
    ROW(INDEX, NULL, "missing +50 located@100 found", "replica locate primary", BY_PRIMARY,
        .deadline_ms = 50),
    ROW(INDEX, NULL, "missing +49 located@100 +1 not_reached found",
        "replica locate await@100 primary", BY_PRIMARY, .deadline_ms = 50),
    /* Until it is reached, the replica is looked at: at once, then after waits that double. A look
     * that finds counts, and one whose own position proves. */
    ROW(INDEX, NULL, "missing located@100 not_reached found@50",
        "replica locate await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 not_reached found", "replica locate await@100 replica@",
        BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 not_reached missing@100",
        "replica locate await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100 not_reached partial@100",
        "replica locate await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 not_reached failed", "replica locate await@100 replica@",
        RETRY_FAILED),
    ROW(INDEX, NULL, "missing located@100 not_reached missing reached@100 found@100",
        "replica locate await@100 replica@ await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 not_reached partial@99 +1 not_reached found",
        "replica locate await@100 replica@ await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100 not_reached missing@99 failed found",
        "replica locate await@100 replica@ await@100 primary", BY_PRIMARY),
    ROW(INDEX, NULL,
        "missing located@100 not_reached missing@1 +1 not_reached missing@2 +2 not_reached "
        "missing@3 +4 not_reached missing@4 +8 not_reached missing@5 +285 not_reached found",
        "replica locate await@100 replica@ await@100 replica@ await@100 replica@ await@100 "
        "replica@ await@100 replica@ await@100 primary",
        BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 not_reached +300 missing@99 found",
        "replica locate await@100 replica@ primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100 not_reached +50 missing@99 found",
        "replica locate await@100 replica@ primary", BY_PRIMARY, .deadline_ms = 50),
    /* Failures and the budget. */
    ROW(INDEX, FAILOVER, "failed found", "replica primary", DIRECT),
    ROW(INDEX, FAILOVER, "failed missing", "replica primary", NOWHERE),
    ROW(INDEX, FAILOVER, "missing located@100 reached@100 failed found",
        "replica locate await@100 replica@ primary", BY_PRIMARY),
    ROW(INDEX, BUDGET, "missing failed", "replica locate", SHED, .budget_empty = true),
    ROW(INDEX, BUDGET, "missing located", "replica locate", SHED, .budget_empty = true),
    ROW(INDEX, BUDGET, "missing located@100 +300 not_reached", "replica locate await@100", SHED,
        .budget_empty = true),
    ROW(INDEX, BUDGET, "missing located@100 reached@100 missing",
        "replica locate await@100 replica@", SHED, .budget_empty = true),
    ROW(INDEX, BUDGET, "missing located@100 reached@100 missing@100",
        "replica locate await@100 replica@", ABSENT_RETRY, .budget_empty = true),
    ROW(INDEX, FAILOVER BUDGET, "failed", "replica", SHED, .budget_empty = true),
    ROW(INDEX, FAILOVER BUDGET, "missing located@100 reached@100 failed",
        "replica locate await@100 replica@", SHED, .budget_empty = true),
};

/* ---- read_index, two positions: located@INSERTED~FLUSHED ---- */

static const struct row flushed_rows[] = {
    ROW(INDEX, NULL, "missing located@100~80 reached@80 found@80",
        "replica locate await@80 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing@80 reached@100 found@100",
        "replica locate await@80 replica@ await@100 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing@80 reached@100 missing@100",
        "replica locate await@80 replica@ await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 reached@80 partial@99 reached@100 partial@100",
        "replica locate await@80 replica@ await@100 replica@", BY_RETRY),
    /* What has gone further than it was awaited proves at once. */
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing@100",
        "replica locate await@80 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 reached@100 partial@120",
        "replica locate await@80 replica@", BY_RETRY),
    /* So does a look; one that has gone as far as was flushed goes on to the other position. */
    ROW(INDEX, NULL, "missing located@100~80 not_reached missing@100",
        "replica locate await@80 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 not_reached missing@79 reached@80 found@80",
        "replica locate await@80 replica@ await@80 replica@", BY_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 not_reached missing@80 reached@100 missing@100",
        "replica locate await@80 replica@ await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100~80 not_reached missing@80 not_reached found",
        "replica locate await@80 replica@ await@100 primary", BY_PRIMARY),
    /* What cannot be proven is the primary's. */
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing found",
        "replica locate await@80 replica@ primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100~80 +300 not_reached found",
        "replica locate await@80 primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing@80 not_reached found",
        "replica locate await@80 replica@ await@100 primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing@80 reached@100 missing@99 missing",
        "replica locate await@80 replica@ await@100 replica@ primary", NOWHERE),
    ROW(INDEX, NULL, "missing located@100~80 reached@80 missing@80 reached@100 failed",
        "replica locate await@80 replica@ await@100 replica@", RETRY_FAILED),
    ROW(INDEX, BUDGET, "missing located@100~80 reached@80 missing@80 not_reached",
        "replica locate await@80 replica@ await@100", SHED, .budget_empty = true),
    /* One max_wait_ms for both awaits. */
    ROW(INDEX, NULL, "missing located@100~80 +299 reached@80 missing@80 not_reached found",
        "replica locate await@80 replica@ await@100 primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@100~80 +300 reached@80 missing@80 found",
        "replica locate await@80 replica@ primary", BY_PRIMARY),
    /* Flushed as far as inserted, or unknown, or not what it can be: one stage. */
    ROW(INDEX, NULL, "missing located@100~100 reached@100 missing@100",
        "replica locate await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100~120 reached@100 missing@100",
        "replica locate await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, NULL, "missing located@100 reached@100 missing@99 found",
        "replica locate await@100 replica@ primary", BY_PRIMARY),
    ROW(INDEX, NULL, "missing located@0~80 found", "replica locate primary", BY_PRIMARY),
    /* Under always the first read awaits all of it. */
    ROW(INDEX, ALWAYS, "located@100~80 reached@100 missing@100", "locate await@100 replica@",
        ABSENT_FIRST),
    ROW(INDEX, ALWAYS,
        "located@100~80 reached@100 missing@99 located@110~90 reached@90 found@90 reached@110 "
        "found@110",
        "locate await@100 replica@ locate await@90 replica@ await@110 replica@", BY_RETRY),
    ROW(INDEX, ALWAYS,
        "located@100~80 reached@100 missing@99 located@110~90 reached@90 found@90 reached@110 "
        "found@109 found",
        "locate await@100 replica@ locate await@90 replica@ await@110 replica@ primary",
        BY_PRIMARY),
};

/* ---- the caller's own position: a floor ---- */

#define AT_FLOOR     "found by replica_retry quiet"
#define FOR_FLOOR    "found by primary quiet"
#define FLOOR_FAILED "failed error"

#define FLOOR(policy_, options_, reports_, steps_, ...)                                            \
    ROW(policy_, options_, reports_, steps_, __VA_ARGS__, .position = 70)

static const struct row floor_rows[] = {
    /* Found counts only where the floor is reached; a miss counts as ever. */
    FLOOR(THEN_PRIMARY, NULL, "found@70", "replica@", BY_REPLICA),
    FLOOR(THEN_PRIMARY, NULL, "found@69 waited found@70", "replica@ wait replica@", AT_FLOOR),
    FLOOR(THEN_PRIMARY, NULL, "found waited found found", "replica@ wait replica@ primary",
          FOR_FLOOR),
    FLOOR(THEN_PRIMARY, NULL, "found waited found missing", "replica@ wait replica@ primary",
          NOWHERE),
    FLOOR(THEN_PRIMARY, NULL, "found waited missing found", "replica@ wait replica@ primary",
          BY_PRIMARY),
    FLOOR(THEN_PRIMARY, NULL, "missing waited found@71", "replica@ wait replica@", BY_RETRY),
    FLOOR(THEN_PRIMARY, NULL, "missing waited found@69 found", "replica@ wait replica@ primary",
          BY_PRIMARY),
    FLOOR(THEN_PRIMARY, NULL, "partial@70 waited found@69 found", "replica@ wait replica@ primary",
          BY_PRIMARY),
    FLOOR(THEN_PRIMARY, NULL, "partial@69 waited found@69 found", "replica@ wait replica@ primary",
          FOR_FLOOR),
    FLOOR(THEN_PRIMARY, NO_RETRY, "found@69 found", "replica@ primary", FOR_FLOOR),
    FLOOR(THEN_PRIMARY, NO_RETRY BUDGET, "found@69", "replica@", SHED, .budget_empty = true),
    FLOOR(THEN_PRIMARY, NULL, "found waited failed", "replica@ wait replica@", RETRY_FAILED),
    FLOOR(THEN_PRIMARY, NULL, "failed", "replica@", REPLICA_FAILED),
    FLOOR(THEN_PRIMARY, FAILOVER, "failed found", "replica@ primary", DIRECT),
    FLOOR("replica_only", NULL, "found@70", "replica@", BY_REPLICA),
    FLOOR("replica_only", NULL, "partial@70", "replica@", BY_REPLICA),
    FLOOR("replica_only", NULL, "found@69", "replica@", FLOOR_FAILED),
    FLOOR("replica_only", NULL, "partial", "replica@", FLOOR_FAILED),
    FLOOR("replica_only", NULL, "missing@70", "replica@", "not_found by replica error"),
    FLOOR("replica_only", NULL, "missing@69", "replica@", FLOOR_FAILED),

    /* Who cannot judge positions does not ask a replica. */
    FLOOR(BACKOFF, NULL, "found", "primary", FOR_FLOOR),
    FLOOR(BACKOFF, NULL, "missing", "primary", NOWHERE),
    FLOOR(BACKOFF, NULL, "failed", "primary", PRIMARY_FAILED),
    FLOOR(BACKOFF, BUDGET, "", "", SHED, .budget_empty = true),
    FLOOR(THEN_PRIMARY, NULL, "found", "primary", FOR_FLOOR, .blind = true),
    FLOOR(THEN_PRIMARY, BUDGET, "", "", SHED, .blind = true, .budget_empty = true),
    FLOOR("replica_only", NULL, "", "", FLOOR_FAILED, .blind = true),
    FLOOR("primary_only", NULL, "found", "primary", DIRECT, .blind = true),

    /* The primary has what there is. */
    FLOOR("primary_only", NULL, "found", "primary", DIRECT),
    FLOOR(INDEX, NULL, "found", "primary", DIRECT, .no_replica = true),
    FLOOR(BACKOFF, BUDGET, "found", "primary", DIRECT, .in_transaction = true,
          .budget_empty = true),
    FLOOR(INDEX, FAILOVER, "found", "primary", DIRECT, .replicas_out = true),

    /* read_index awaits it, in place of the first locate; it proves nothing. */
    FLOOR(INDEX, NULL, "found@70", "replica@", BY_REPLICA),
    FLOOR(INDEX, NULL, "found@69 reached@70 found@70", "replica@ await@70 replica@", AT_FLOOR),
    FLOOR(INDEX, NULL, "found reached@70 partial@70 located@100 reached@100 partial@100",
          "replica@ await@70 replica@ locate await@100 replica@", BY_RETRY),
    FLOOR(INDEX, NULL, "found failed located@100 reached@100 partial@100",
          "replica@ await@70 locate await@100 replica@", AT_FLOOR),
    /* An await that took all its time is followed by no other one. */
    FLOOR(INDEX, NULL, "found not_reached found", "replica@ await@70 primary", FOR_FLOOR),
    FLOOR(INDEX, NULL, "missing not_reached found", "replica@ await@70 primary", BY_PRIMARY),
    FLOOR(INDEX, BUDGET, "missing not_reached", "replica@ await@70", SHED, .budget_empty = true),
    FLOOR(INDEX, ALWAYS, "failed found@69 not_reached found", "locate replica@ await@70 primary",
          FOR_FLOOR),
    FLOOR(INDEX, NULL, "found reached@70 failed", "replica@ await@70 replica@", RETRY_FAILED),
    FLOOR(INDEX, NULL, "missing reached@70 found@70", "replica@ await@70 replica@", BY_RETRY),
    FLOOR(INDEX, NULL, "missing reached@70 failed", "replica@ await@70 replica@", RETRY_FAILED),
    FLOOR(INDEX, FAILOVER, "missing reached@70 failed found", "replica@ await@70 replica@ primary",
          BY_PRIMARY),
    FLOOR(INDEX, FAILOVER, "found reached@70 failed found", "replica@ await@70 replica@ primary",
          FOR_FLOOR),
    FLOOR(INDEX, FAILOVER BUDGET, "missing reached@70 failed", "replica@ await@70 replica@", SHED,
          .budget_empty = true),
    FLOOR(INDEX, NULL, "missing reached@70 missing@70 located@100 reached@100 missing@100",
          "replica@ await@70 replica@ locate await@100 replica@", ABSENT_RETRY),
    FLOOR(INDEX, NULL, "missing reached@70 missing@900 failed found",
          "replica@ await@70 replica@ locate primary", BY_PRIMARY),
    FLOOR(INDEX, NULL, "missing failed located@100 reached@100 missing@100",
          "replica@ await@70 locate await@100 replica@", ABSENT_RETRY),
    FLOOR(INDEX, NULL, "missing failed located@100 reached@100 found@100",
          "replica@ await@70 locate await@100 replica@", BY_RETRY),
    FLOOR(INDEX, NULL, "missing reached located@100 reached@100 found@100",
          "replica@ await@70 locate await@100 replica@", BY_RETRY),
    FLOOR(INDEX, NULL, "missing reached@69 located@100 reached@100 found@100",
          "replica@ await@70 locate await@100 replica@", BY_RETRY),
    /* A replica that has reached it already is not awaited. */
    FLOOR(INDEX, NULL, "missing@70 located@100 reached@100 found@100",
          "replica@ locate await@100 replica@", BY_RETRY),
    /* Nor is less than the floor, once the primary was located. */
    FLOOR(INDEX, NULL, "missing@70 located@100~60 reached@70 found@70",
          "replica@ locate await@70 replica@", BY_RETRY),
    FLOOR(INDEX, NULL, "missing@70 located@100~60 reached@70 missing@70 reached@100 missing@100",
          "replica@ locate await@70 replica@ await@100 replica@", ABSENT_RETRY),
    FLOOR(INDEX, NULL, "missing@70 located@70~60 reached@70 missing@70",
          "replica@ locate await@70 replica@", ABSENT_RETRY),
    FLOOR(INDEX, NULL, "missing@70 located@100~80 reached@80 found@69 reached@100 found@100",
          "replica@ locate await@80 replica@ await@100 replica@", BY_RETRY),
    /* Nor does a look count that has not reached it. */
    FLOOR(INDEX, NULL, "missing@70 located@100~80 not_reached found@69 reached@80 found@80",
          "replica@ locate await@80 replica@ await@80 replica@", BY_RETRY),
    FLOOR(INDEX, NULL, "missing@70 located@100~80 not_reached found@70",
          "replica@ locate await@80 replica@", BY_RETRY),
    FLOOR(INDEX, "max_wait_ms = 0\n", "found located@100 found", "replica@ locate primary",
          FOR_FLOOR),
    FLOOR(INDEX, NULL, "+50 missing failed found", "replica@ locate primary", BY_PRIMARY,
          .deadline_ms = 50),
    /* One beyond all that the primary has inserted is its own to serve, at once. */
    FLOOR(INDEX, NULL, "missing failed located@69 found", "replica@ await@70 locate primary",
          BY_PRIMARY),
    FLOOR(INDEX, NULL, "found failed located@69 found", "replica@ await@70 locate primary",
          FOR_FLOOR),
    FLOOR(INDEX, ALWAYS, "located@69 found", "locate primary", FOR_FLOOR),
    FLOOR(INDEX, ALWAYS, "located@69 missing", "locate primary", NOWHERE),
    FLOOR(INDEX, ALWAYS BUDGET, "located@69", "locate", SHED, .budget_empty = true),
    /* Under always a floor spares nothing: such a read is current. */
    FLOOR(INDEX, ALWAYS, "located@100~80 reached@100 found@100", "locate await@100 replica@",
          BY_REPLICA),
    FLOOR(INDEX, ALWAYS, "located@70 reached@70 missing@70", "locate await@70 replica@",
          ABSENT_FIRST),
    FLOOR(INDEX, ALWAYS, "failed found@70", "locate replica@", BY_REPLICA),
    FLOOR(INDEX, ALWAYS, "failed@69 found@70", "locate replica@", BY_REPLICA),
    FLOOR(INDEX, ALWAYS, "failed found@69 reached@70 found@70", "locate replica@ await@70 replica@",
          AT_FLOOR),
};

/* ---- read_index, when = always ---- */

static const struct row always_rows[] = {
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@100", "locate await@100 replica@",
        BY_REPLICA),
    ROW(INDEX, ALWAYS, "located@100 reached@100 missing@100", "locate await@100 replica@",
        ABSENT_FIRST),
    ROW(INDEX, ALWAYS, "located@100 reached@100 partial@100", "locate await@100 replica@",
        BY_REPLICA),
    ROW(INDEX, ALWAYS, "located@100 reached@100 failed", "locate await@100 replica@",
        REPLICA_FAILED),
    ROW(INDEX, ALWAYS FAILOVER, "located@100 reached@100 failed found",
        "locate await@100 replica@ primary", DIRECT),
    ROW(INDEX, ALWAYS, "located@100 reached@100 missing located@110 reached@110 found@110",
        "locate await@100 replica@ locate await@110 replica@", BY_RETRY),
    ROW(INDEX, ALWAYS, "located@100 reached@100 missing@99 located@110 reached@110 missing@110",
        "locate await@100 replica@ locate await@110 replica@", ABSENT_RETRY),
    ROW(INDEX, ALWAYS, "located@100 reached@100 partial failed found",
        "locate await@100 replica@ locate primary", BY_PRIMARY),
    /* Another server answered than the one that was awaited. */
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@99 reached@100 found@100",
        "locate await@100 replica@ await@100 replica@", AT_FLOOR),
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@99 reached@100 partial@100",
        "locate await@100 replica@ await@100 replica@", AT_FLOOR),
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@99 reached@100 missing@100",
        "locate await@100 replica@ await@100 replica@", ABSENT_RETRY),
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@99 not_reached found",
        "locate await@100 replica@ await@100 primary", FOR_FLOOR),
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@99 reached@100 found@99 found",
        "locate await@100 replica@ await@100 replica@ primary", FOR_FLOOR),
    ROW(INDEX, ALWAYS, "located@100 reached@100 found@99 reached@100 missing@99 missing",
        "locate await@100 replica@ await@100 replica@ primary", NOWHERE),
    ROW(INDEX, ALWAYS, "located@100 +300 reached@100 found@99 found",
        "locate await@100 replica@ primary", FOR_FLOOR),
    ROW(INDEX, ALWAYS, "located@100 reached@100 found found", "locate await@100 replica@ primary",
        FOR_FLOOR),
    ROW(INDEX, ALWAYS BUDGET, "located@100 reached@100 found", "locate await@100 replica@", SHED,
        .budget_empty = true),
    /* Nothing that goes wrong before the first read leads to the primary. */
    ROW(INDEX, ALWAYS, "failed found", "locate replica", BY_REPLICA),
    ROW(INDEX, ALWAYS, "located found", "locate replica", BY_REPLICA),
    ROW(INDEX, ALWAYS, "located@100 not_reached found", "locate await@100 replica", BY_REPLICA),
    ROW(INDEX, ALWAYS, "located@100 failed found", "locate await@100 replica", BY_REPLICA),
    ROW(INDEX, ALWAYS, "located@100 reached found", "locate await@100 replica", BY_REPLICA),
    ROW(INDEX, ALWAYS, "located@100 reached@99 found", "locate await@100 replica", BY_REPLICA),
    ROW(INDEX, ALWAYS, "failed missing@900 failed found", "locate replica locate primary",
        BY_PRIMARY),
    ROW(INDEX, ALWAYS, "failed missing located@110 reached@110 missing@110",
        "locate replica locate await@110 replica@", ABSENT_RETRY),
    ROW(INDEX, ALWAYS, "located@100 not_reached missing located@110 reached@110 found@110",
        "locate await@100 replica locate await@110 replica@", BY_RETRY),
    ROW(INDEX, ALWAYS, "failed failed", "locate replica", REPLICA_FAILED),
    ROW(INDEX, ALWAYS FAILOVER, "failed failed found", "locate replica primary", DIRECT),
    ROW(INDEX, ALWAYS "max_wait_ms = 0\n", "located@100 found", "locate replica", BY_REPLICA),
    /* The longest read there is: eleven steps. */
    ROW(INDEX, ALWAYS,
        "located@100 not_reached missing reached@70 missing@70 located@110~80 reached@80 "
        "missing@80 "
        "reached@110 missing@109 missing",
        "locate await@100 replica@ await@70 replica@ locate await@80 replica@ await@110 replica@ "
        "primary",
        NOWHERE, .position = 70),
};

static void run_row(const struct row *row, const char *policy) {
    const char *options = row->options != NULL ? row->options : "";
    struct opened_section section;
    section_open_as(&section, row->blind ? 0 : ALL_CAPABILITIES, "policy = %s\n%s", policy,
                    options);
    if (row->budget_empty) {
        drain_budget(&section, SCRIPT_START_NS);
    }
    const struct scripted_read script = {
        .replicas = row->no_replica || row->replicas_out ? 0 : 1,
        .flags = (row->in_transaction ? (uint32_t)RP_IN_TRANSACTION : 0) |
                 (row->replicas_out ? (uint32_t)RP_REPLICAS_OUT : 0),
        .position = row->position,
        .deadline_ns = row->deadline_ms == 0 ? 0 : SCRIPT_START_NS + row->deadline_ms * MS,
        .entropy = UINT64_C(0x0123456789abcdef),
        .reports = row->reports};
    struct script_result result;
    run_script(&section, &script, &result);
    ck_assert_msg(strcmp(result.steps, row->steps) == 0 && strcmp(result.end, row->end) == 0,
                  "%s\n%s\nreports:  %s\nexpected: %s | %s\ngot:      %s | %s", policy, options,
                  row->reports, row->steps, row->end, result.steps, result.end);
    section_close(&section);
}

/* Besides direct_rows, which are every policy's. */
#define TABLES(TABLE)                                                                              \
    TABLE(out)                                                                                     \
    TABLE(single_read)                                                                             \
    TABLE(then_primary)                                                                            \
    TABLE(backoff)                                                                                 \
    TABLE(index)                                                                                   \
    TABLE(flushed)                                                                                 \
    TABLE(floor)                                                                                   \
    TABLE(always)

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

START_TEST(direct_read) {
    for (int i = 0; i < COUNT_OF(all_policies); i++) {
        struct row row = direct_rows[_i];
        row.no_replica = true;
        run_row(&row, all_policies[i].name);
        row.no_replica = false;
        row.in_transaction = true;
        run_row(&row, all_policies[i].name);
        row.options = FAILOVER BUDGET;
        row.budget_empty = all_policies[i].has_budget;
        run_row(&row, all_policies[i].name);
    }
}
END_TEST

#define HAS_ROWS(table)                                                                            \
    for (int i = 0; i < COUNT_OF(table##_rows); i++) {                                             \
        has = has || strcmp(table##_rows[i].policy, name) == 0;                                    \
    }

static bool has_rows(const char *name) {
    bool has = false;
    TABLES(HAS_ROWS)
    return has;
}

/* What the tables here do not know of is tested by nobody. */
START_TEST(every_policy_has_rows) {
    struct opened_plugin plugin;
    struct rp_kind kind = {.struct_size = sizeof kind};
    plugin_open(&plugin);
    for (uint32_t k = 0; plugin.table->kind(k, &kind) == RP_OK; k++) {
        bool direct = false;
        for (int i = 0; i < COUNT_OF(all_policies); i++) {
            direct = direct || strcmp(all_policies[i].name, kind.name) == 0;
        }
        ck_assert_msg(direct, "all_policies lacks %s", kind.name);
        ck_assert_msg(has_rows(kind.name), "no table has a row for %s", kind.name);
    }
    plugin_close(&plugin);
}
END_TEST

#define ROW_TEST(name)                                                                             \
    START_TEST(name##_row) {                                                                       \
        run_row(&name##_rows[_i], name##_rows[_i].policy);                                         \
    }                                                                                              \
    END_TEST

TABLES(ROW_TEST)

#define ADD_ROWS(name) tcase_add_loop_test(rows, name##_row, 0, COUNT_OF(name##_rows));

int main(void) {
    Suite *suite = suite_create("policies");
    TCase *rows = tcase_create("tables");
    suite_add_tcase(suite, rows);
    tcase_add_loop_test(rows, direct_read, 0, COUNT_OF(direct_rows));
    tcase_add_test(rows, every_policy_has_rows);
    TABLES(ADD_ROWS)
    return suite_run(suite);
}
