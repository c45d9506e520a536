/*
 * test_budget.c - the primary's budget: what it admits, what it sheds, and that it is exact.
 *
 * The measure is a bucket of tokens kept by the test itself, in nanoseconds of credit.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/seeded_random.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define START SCRIPT_START_NS
#define S     UINT64_C(1000000000)

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

#define BUDGETED                                                                                   \
    "policy = replica_then_primary\n"                                                              \
    "primary_budget_per_s = %u\nprimary_budget_burst = %u\n"

/* Every policy that has a budget; the lines before BUDGETED's own. */
static const char *const budgeted[] = {"policy = replica_then_primary", "policy = replica_backoff",
                                       "policy = read_index", "policy = read_index\nwhen = always"};

static uint64_t shed_count(const struct opened_section *section) {
    return counters_of(section->plugin.table, section->set, SECTION_NAME).value[COUNT_SHED];
}

START_TEST(a_burst_is_admitted_and_no_more) {
    struct opened_section section;
    section_open(&section, "%s\nprimary_budget_per_s = 10\nprimary_budget_burst = 7\n",
                 budgeted[_i]);
    ck_assert_uint_eq(drain_budget(&section, START), 7);
    ck_assert_uint_eq(shed_count(&section), 1);
    for (int i = 0; i < 10; i++) {
        ck_assert(!reaches_primary(&section, START));
    }
    ck_assert_uint_eq(shed_count(&section), 11);
    section_close(&section);
}
END_TEST

START_TEST(a_token_comes_back_exactly_in_its_time) {
    struct opened_section section;
    section_open(&section, BUDGETED, 10u, 7u);
    ck_assert_uint_eq(drain_budget(&section, START), 7);
    ck_assert(!reaches_primary(&section, START + 100 * MS - 1));
    ck_assert(reaches_primary(&section, START + 100 * MS));
    ck_assert(!reaches_primary(&section, START + 100 * MS));
    ck_assert_uint_eq(drain_budget(&section, START + 400 * MS), 3);
    ck_assert_uint_eq(drain_budget(&section, START + 1100 * MS - 1), 6);
    /* However long the bucket is unused, it never holds more than the burst. */
    ck_assert_uint_eq(drain_budget(&section, START + 3600 * S), 7);
    section_close(&section);
}
END_TEST

START_TEST(without_a_burst_the_rate_is_the_burst) {
    struct opened_section section;
    section_open(&section, "policy = replica_then_primary\nprimary_budget_per_s = 25\n");
    ck_assert_uint_eq(drain_budget(&section, START), 25);
    section_close(&section);
}
END_TEST

START_TEST(the_largest_budget) {
    struct opened_section section;
    section_open(&section, BUDGETED, 1000000u, 1000000u);
    ck_assert_uint_eq(drain_budget(&section, START), 1000000);
    ck_assert_uint_eq(drain_budget(&section, START + 1000), 1);
    section_close(&section);
}
END_TEST

START_TEST(the_slowest_rate_with_the_largest_burst) {
    struct opened_section section;
    section_open(&section, BUDGETED, 1u, 1000000u);
    ck_assert_uint_eq(drain_budget(&section, START), 1000000);
    ck_assert_uint_eq(drain_budget(&section, START + S - 1), 0);
    ck_assert_uint_eq(drain_budget(&section, START + S), 1);
    section_close(&section);
}
END_TEST

START_TEST(without_a_budget_everything_is_admitted) {
    struct opened_section section;
    section_open(&section, "policy = replica_then_primary\n");
    for (int i = 0; i < 100000; i++) {
        if (!reaches_primary(&section, START)) {
            ck_abort_msg("shed without a budget");
        }
    }
    ck_assert_uint_eq(shed_count(&section), 0);
    section_close(&section);
}
END_TEST

/* An event loop's time may be a little older than that of another thread, which has paid already:
 * what that one owes is no debt of another rate. */
START_TEST(a_clock_that_is_behind_forgives_no_debt) {
    struct opened_section section;
    section_open(&section, BUDGETED, 10u, 10u);
    ck_assert_uint_eq(drain_budget(&section, START + S), 10);
    ck_assert_uint_eq(drain_budget(&section, START + S / 2), 0);
    ck_assert_uint_eq(drain_budget(&section, START), 0);
    ck_assert_uint_eq(drain_budget(&section, START + S), 0);
    section_close(&section);
}
END_TEST

/* Only fallback reads draw on it. */
START_TEST(reads_that_go_to_the_primary_anyway_are_free) {
    static const struct scripted_read in_transaction = {
        .replicas = 1, .flags = RP_IN_TRANSACTION, .reports = "found"};
    static const struct scripted_read no_replica = {.replicas = 0, .reports = "missing"};
    static const struct scripted_read served = {.replicas = 1, .reports = "found"};
    static const struct scripted_read failed = {.replicas = 1, .reports = "failed"};
    struct script_result result;
    struct opened_section section;
    section_open(&section, "%s\nprimary_budget_per_s = 1\nprimary_budget_burst = 1\n",
                 budgeted[_i]);
    for (int i = 0; i < 5; i++) {
        run_script(&section, &in_transaction, &result);
        run_script(&section, &no_replica, &result);
        if (_i < 3) {
            run_script(&section, &served, &result);
            run_script(&section, &failed, &result);
        }
    }
    ck_assert(reaches_primary(&section, START));
    ck_assert(!reaches_primary(&section, START));
    section_close(&section);
}
END_TEST

/* ---- over any time ---- */

static const struct {
    uint32_t per_s, burst;
    uint64_t mean_gap_ns;
} rates[] = {{50, 10, 5000000}, {50, 1, 20000000}, {1, 1, 400000000}, {1000000, 3, 300},
             {3, 5, 200000000}, {7, 7, 100000000}, {999983, 40, 500}};

/* In no window of time are more reads admitted than burst and rate allow, and none is shed that
 * they allow: compared read by read with a bucket that holds credit, the interval rounded up to a
 * nanosecond. */
START_TEST(arrivals_at_random_are_admitted_exactly) {
    const uint64_t interval = (S + rates[_i].per_s - 1) / rates[_i].per_s;
    const uint64_t full = interval * rates[_i].burst;
    struct opened_section section;
    section_open(&section, BUDGETED, rates[_i].per_s, rates[_i].burst);
    uint64_t random = UINT64_C(0xb0d9e7);
    uint64_t now = START;
    uint64_t credit = full;
    uint64_t admitted = 0;
    double most_in_a_window = 0; /* admissions above what the rate alone allows */
    double least = 0;
    for (int i = 0; i < 200000; i++) {
        /* Half of the reads come together with the one before. */
        uint64_t gap = (next_random(&random) & 1) == 0
                           ? 0
                           : next_random(&random) % (4 * rates[_i].mean_gap_ns);
        now += gap;
        credit = credit + gap > full ? full : credit + gap;
        bool expected = credit >= interval;
        if (reaches_primary(&section, now) != expected) {
            ck_abort_msg("read %d: admitted against the bucket, or shed", i);
        }
        if (expected) {
            credit -= interval;
            double allowed = (double)(now - START) * rates[_i].per_s / (double)S;
            double before = (double)admitted - allowed;
            least = admitted == 0 || before < least ? before : least;
            admitted++;
            double above = (double)admitted - allowed - least;
            most_in_a_window = above > most_in_a_window ? above : most_in_a_window;
        }
    }
    ck_assert_uint_gt(admitted, 100);
    ck_assert_double_le(most_in_a_window, rates[_i].burst + 1e-6);
    section_close(&section);
}
END_TEST

/* ---- threads ---- */

#define THREADS  8
#define TOKENS   100000u /* as many that all threads are at it for a while */
#define ATTEMPTS (2 * TOKENS / THREADS)
#define ROUNDS   10u

struct contest {
    struct opened_section section;
    pthread_barrier_t barrier;
    atomic_uint admitted;
};

static void *contend(void *argument) {
    struct contest *contest = argument;
    unsigned admitted = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&contest->barrier);
        for (uint32_t i = 0; i < ATTEMPTS; i++) {
            admitted += reaches_primary(&contest->section, START + round * S);
        }
    }
    atomic_fetch_add(&contest->admitted, admitted);
    return NULL;
}

/* Each second all threads come at once, more of them than there are tokens. */
START_TEST(eight_threads_share_it_exactly) {
    struct contest contest;
    pthread_t threads[THREADS];
    section_open(&contest.section, BUDGETED, TOKENS, TOKENS);
    atomic_init(&contest.admitted, 0);
    ck_assert_int_eq(pthread_barrier_init(&contest.barrier, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, contend, &contest), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    const unsigned admitted = atomic_load(&contest.admitted);
    ck_assert_uint_eq(admitted, TOKENS * ROUNDS);
    ck_assert_uint_eq(shed_count(&contest.section), (THREADS * ATTEMPTS - TOKENS) * ROUNDS);
    (void)pthread_barrier_destroy(&contest.barrier);
    section_close(&contest.section);
}
END_TEST

/* ---- reloads ---- */

static const struct {
    uint32_t per_s, burst, then_per_s, then_burst;
} raises[] = {{1, 10, 1000, 1000}, {1, 1, 1000, 1}, {1, 1000000, 10, 1}, {10, 100, 100, 10}};

/* The old debt is not waited for: one interval of the new rate later the next read is admitted. */
START_TEST(a_raised_rate_holds_at_once) {
    const uint64_t interval = S / raises[_i].then_per_s;
    struct opened_section section;
    section_open(&section, BUDGETED, raises[_i].per_s, raises[_i].burst);
    ck_assert_uint_eq(drain_budget(&section, START), raises[_i].burst);
    section_reload(&section, BUDGETED, raises[_i].then_per_s, raises[_i].then_burst);
    ck_assert(!reaches_primary(&section, START));
    ck_assert(!reaches_primary(&section, START + interval - 1));
    for (uint64_t i = 1; i <= 10; i++) {
        ck_assert_uint_eq(drain_budget(&section, START + i * interval), 1);
    }
    section_close(&section);
}
END_TEST

START_TEST(a_reload_does_not_fill_the_bucket) {
    struct opened_section section;
    section_open(&section, BUDGETED, 5u, 5u);
    ck_assert_uint_eq(drain_budget(&section, START), 5);
    section_reload(&section, BUDGETED "replica_pick = next\n", 5u, 5u);
    ck_assert_uint_eq(drain_budget(&section, START), 0);
    ck_assert_uint_eq(drain_budget(&section, START + S), 5);
    ck_assert_uint_eq(shed_count(&section), 3);
    section_close(&section);
}
END_TEST

/* Lowered: from then on no more than the new burst and rate. */
START_TEST(a_lowered_rate_holds_at_once) {
    struct opened_section section;
    section_open(&section, BUDGETED, 1000u, 1000u);
    ck_assert_uint_eq(drain_budget(&section, START), 1000);
    section_reload(&section, BUDGETED, 2u, 4u);
    uint32_t admitted = drain_budget(&section, START);
    ck_assert_uint_le(admitted, 4);
    for (uint64_t i = 1; i <= 20; i++) {
        admitted += drain_budget(&section, START + i * S / 2);
        ck_assert_uint_le(admitted, 4 + i);
    }
    section_close(&section);
}
END_TEST

START_TEST(a_budget_begins_with_a_full_bucket) {
    struct opened_section section;
    section_open(&section, "policy = replica_then_primary\n");
    for (int i = 0; i < 1000; i++) {
        ck_assert(reaches_primary(&section, START));
    }
    section_reload(&section, BUDGETED, 5u, 5u);
    ck_assert_uint_eq(drain_budget(&section, START), 5);
    section_reload(&section, "policy = replica_then_primary\n");
    ck_assert(reaches_primary(&section, START));
    section_close(&section);
}
END_TEST

/* Reads that missed before the reload and come to the budget after it: the rate is the section's,
 * so they neither refill the bucket nor leave debts of the old rate in it. */
static void miss(const struct opened_section *section, struct rp_read *read) {
    const struct rp_request request = {
        .struct_size = sizeof request, .replicas = 1, .now_ns = START};
    const struct rp_report missing = {
        .struct_size = sizeof missing, .outcome = RP_MISSING, .now_ns = START};
    *read = (struct rp_read){.struct_size = sizeof *read};
    (void)section->plugin.table->begin(section->policy, &request, read);
    ck_assert_int_eq(section->plugin.table->next(read, &missing)->kind, RP_STEP_WAIT);
}

static bool admitted_after_retry(const struct opened_section *section, struct rp_read *read) {
    struct rp_report report = {.struct_size = sizeof report, .outcome = RP_WAITED, .now_ns = START};
    (void)section->plugin.table->next(read, &report);
    report.outcome = RP_MISSING;
    return section->plugin.table->next(read, &report)->kind == RP_STEP_READ;
}

/* ---- what is left ---- */

static struct rp_budget_info look(const struct opened_section *section, uint64_t now) {
    struct rp_budget_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(section->plugin.table->budget(section->policy, now, &info), RP_OK);
    return info;
}

/* What is told to be left is admitted, and no more; being told takes nothing. */
START_TEST(what_is_left_is_admitted) {
    const uint64_t interval = (S + rates[_i].per_s - 1) / rates[_i].per_s;
    struct opened_section section;
    section_open(&section, BUDGETED, rates[_i].per_s, rates[_i].burst);
    uint64_t random = UINT64_C(0x1ef7);
    uint64_t now = START;
    for (int i = 0; i < 2000; i++) {
        now += next_random(&random) % (rates[_i].burst * interval * 5 / 4);
        const struct rp_budget_info info = look(&section, now);
        ck_assert_uint_eq(info.per_s, rates[_i].per_s);
        ck_assert_uint_eq(info.burst, rates[_i].burst);
        ck_assert_uint_eq(drain_budget(&section, now), info.left);
        ck_assert_uint_eq(look(&section, now).left, 0);
    }
    section_close(&section);
}
END_TEST

START_TEST(what_is_left_without_a_budget) {
    struct opened_section section;
    static const char *const without[] = {
        "policy = replica_then_primary\n",
        "policy = primary_only\nprimary_budget_per_s = 5\n", /* which has no use for it */
    };
    for (int i = 0; i < COUNT_OF(without); i++) {
        section_open(&section, "%s", without[i]);
        const struct rp_budget_info info = look(&section, START);
        ck_assert(info.per_s == 0 && info.burst == 0 && info.left == 0);
        section_close(&section);
    }
}
END_TEST

START_TEST(what_is_left_follows_a_reload) {
    struct opened_section section;
    section_open(&section, BUDGETED, 1u, 1000u);
    ck_assert_uint_eq(look(&section, START).left, 1000);
    ck_assert_uint_eq(drain_budget(&section, START), 1000);
    section_reload(&section, BUDGETED, 10u, 20u);
    const struct rp_budget_info info = look(&section, START);
    ck_assert(info.per_s == 10 && info.burst == 20 && info.left == 0);
    ck_assert(!reaches_primary(&section, START)); /* which forgets the old debt */
    ck_assert_uint_eq(look(&section, START + S).left, 10);
    section_close(&section);
}
END_TEST

START_TEST(what_is_left_needs_arguments) {
    struct opened_section section;
    struct rp_budget_info info = {.struct_size = sizeof info};
    section_open(&section, BUDGETED, 1u, 1u);
    const struct rp_plugin *plugin = section.plugin.table;
    ck_assert_int_eq(plugin->budget(NULL, START, &info), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->budget(section.policy, START, NULL), RP_E_ARGUMENT);
    info.struct_size--;
    ck_assert_int_eq(plugin->budget(section.policy, START, &info), RP_E_ARGUMENT);
    section_close(&section);
}
END_TEST

#define UNDER_WAY 20

static const struct {
    uint32_t per_s, burst, then_per_s, then_burst;
} changes[] = {{1000, 10, 1, 10}, {1, 10, 1000, 10}};

START_TEST(reads_under_way_follow_the_sections_rate) {
    struct opened_section section;
    struct rp_read reads[UNDER_WAY];
    section_open(&section, BUDGETED, changes[_i].per_s, changes[_i].burst);
    for (int i = 0; i < UNDER_WAY; i++) {
        miss(&section, &reads[i]);
    }
    section_reload(&section, BUDGETED, changes[_i].then_per_s, changes[_i].then_burst);
    ck_assert_uint_eq(drain_budget(&section, START), 10);
    for (int i = 0; i < UNDER_WAY; i++) {
        ck_assert(!admitted_after_retry(&section, &reads[i]));
    }
    ck_assert_uint_eq(drain_budget(&section, START), 0);
    const uint64_t interval = S / changes[_i].then_per_s;
    ck_assert_uint_eq(drain_budget(&section, START + interval - 1), 0);
    ck_assert_uint_eq(drain_budget(&section, START + interval), 1);
    section_close(&section);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("budget");
    TCase *bucket = tcase_create("bucket");
    suite_add_tcase(suite, bucket);
    tcase_add_loop_test(bucket, a_burst_is_admitted_and_no_more, 0, COUNT_OF(budgeted));
    tcase_add_test(bucket, a_token_comes_back_exactly_in_its_time);
    tcase_add_test(bucket, without_a_burst_the_rate_is_the_burst);
    tcase_add_test(bucket, the_largest_budget);
    tcase_add_test(bucket, the_slowest_rate_with_the_largest_burst);
    tcase_add_test(bucket, without_a_budget_everything_is_admitted);
    tcase_add_test(bucket, a_clock_that_is_behind_forgives_no_debt);
    tcase_add_loop_test(bucket, reads_that_go_to_the_primary_anyway_are_free, 0,
                        COUNT_OF(budgeted));
    tcase_add_loop_test(bucket, arrivals_at_random_are_admitted_exactly, 0, COUNT_OF(rates));
    tcase_add_test(bucket, eight_threads_share_it_exactly);

    TCase *reloads = tcase_create("reloads");
    suite_add_tcase(suite, reloads);
    tcase_add_loop_test(reloads, a_raised_rate_holds_at_once, 0, COUNT_OF(raises));
    tcase_add_test(reloads, a_reload_does_not_fill_the_bucket);
    tcase_add_test(reloads, a_lowered_rate_holds_at_once);
    tcase_add_test(reloads, a_budget_begins_with_a_full_bucket);
    tcase_add_loop_test(reloads, reads_under_way_follow_the_sections_rate, 0, COUNT_OF(changes));

    TCase *left = tcase_create("left");
    suite_add_tcase(suite, left);
    tcase_add_loop_test(left, what_is_left_is_admitted, 0, COUNT_OF(rates));
    tcase_add_test(left, what_is_left_without_a_budget);
    tcase_add_test(left, what_is_left_follows_a_reload);
    tcase_add_test(left, what_is_left_needs_arguments);
    return suite_run(suite);
}
