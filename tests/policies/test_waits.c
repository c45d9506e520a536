/*
 * test_waits.c - how long waits are, and which replica is asked: bounds, distribution, deadlines.
 *
 * Distributions are compared by chi-square with their own limit for a probability of one in a
 * million; the seeds are fixed, so that a test either always passes or never.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/seeded_random.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdlib.h>

#define SEED  UINT64_C(0x5eed)
#define DRAWS 100000u

/* Limits of chi-square for p = 1e-6: 3 and 15 degrees of freedom. */
#define CHI_SQUARE_3  30.7
#define CHI_SQUARE_15 56.5

/* For loops: each ck_assert of libcheck's writes to a pipe. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ck_abort_msg("%s", #condition);                                                        \
        }                                                                                          \
    } while (0)

static double chi_square(const uint32_t *counts, uint32_t cells, uint32_t draws) {
    double expected = (double)draws / cells;
    double sum = 0;
    for (uint32_t i = 0; i < cells; i++) {
        double difference = (double)counts[i] - expected;
        sum += difference * difference / expected;
    }
    return sum;
}

/* A read under way. */
struct walk {
    const struct rp_plugin *plugin;
    struct rp_read read;
    const struct rp_step *step;
    uint64_t now_ns;
};

static struct rp_request one_replica(uint64_t entropy) {
    return (struct rp_request){.struct_size = sizeof(struct rp_request),
                               .replicas = 1,
                               .now_ns = SCRIPT_START_NS,
                               .entropy = entropy};
}

static void begin(struct walk *walk, const struct opened_section *section,
                  const struct rp_request *request) {
    walk->plugin = section->plugin.table;
    walk->read = (struct rp_read){.struct_size = sizeof walk->read};
    walk->now_ns = request->now_ns;
    walk->step = walk->plugin->begin(section->policy, request, &walk->read);
}

static void report(struct walk *walk, int32_t outcome, uint64_t position) {
    const struct rp_report told = {.struct_size = sizeof told,
                                   .outcome = outcome,
                                   .now_ns = walk->now_ns,
                                   .position = position};
    walk->step = walk->plugin->next(&walk->read, &told);
}

static bool is_read_of(const struct rp_step *step, int32_t target) {
    return step->kind == RP_STEP_READ && step->target == target;
}

/* ---- replica_then_primary ---- */

#define RETRY                                                                                      \
    "policy = replica_then_primary\nreplica_retry_min_ms = %u\nreplica_retry_max_ms = %u\n"

/* The wait after a miss, from a fresh read. */
static uint64_t retry_wait(const struct opened_section *section, uint64_t entropy) {
    struct walk walk;
    const struct rp_request request = one_replica(entropy);
    begin(&walk, section, &request);
    report(&walk, RP_MISSING, 0);
    MUST(walk.step->kind == RP_STEP_WAIT);
    MUST(walk.step->until_ns >= SCRIPT_START_NS);
    return walk.step->until_ns - SCRIPT_START_NS;
}

static const struct {
    uint32_t min_ms, max_ms;
} retry_bounds[] = {{0, 1}, {1, 1}, {50, 200}, {199, 200}, {60000, 60000}, {0, 60000}};

START_TEST(retry_waits_lie_within_their_bounds) {
    const uint64_t min = retry_bounds[_i].min_ms * MS;
    const uint64_t max = retry_bounds[_i].max_ms * MS;
    struct opened_section section;
    section_open(&section, RETRY, retry_bounds[_i].min_ms, retry_bounds[_i].max_ms);
    uint64_t random = SEED;
    uint64_t shortest = UINT64_MAX;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint64_t wait = retry_wait(&section, next_random(&random));
        shortest = wait < shortest ? wait : shortest;
        longest = wait > longest ? wait : longest;
    }
    MUST(shortest >= min);
    MUST(longest <= max);
    /* A hundred thousand draws come near both ends. */
    MUST(shortest <= min + (max - min) / 1000);
    MUST(longest >= max - (max - min) / 1000);
    /* Entropy at its own ends makes no difference. */
    MUST(retry_wait(&section, 0) <= max);
    MUST(retry_wait(&section, 0) >= min);
    MUST(retry_wait(&section, UINT64_MAX) <= max);
    MUST(retry_wait(&section, UINT64_MAX) >= min);
    section_close(&section);
}
END_TEST

START_TEST(retry_waits_are_uniform) {
    struct opened_section section;
    section_open(&section, RETRY, 50u, 200u);
    uint32_t counts[16] = {0};
    uint64_t random = SEED;
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint64_t wait = retry_wait(&section, next_random(&random)) - 50 * MS;
        counts[wait * 16 / (150 * MS + 1)]++;
    }
    ck_assert_double_lt(chi_square(counts, 16, DRAWS), CHI_SQUARE_15);
    section_close(&section);
}
END_TEST

/* Entropies that lead to the least and the greatest draws, and to those between halves. */
static const struct {
    uint64_t entropy, draw, wait_ns;
} ends[] = {{0x61C8864680B583EB, 0x0000000000000000, 0},
            {0x25114ED53327345A, 0x00000000FFFFFFFF, 13},
            {0x2FEDF1EFCE1D5545, 0x8000000000000000, 30000000000},
            {0x561AC6DB83AB17A4, 0xFFFFFFFF00000000, 59999999987},
            {0x31628AF67B2131AB, 0xFFFFFFFFFFFFFFFF, 60000000000}};

START_TEST(the_ends_of_the_draws_are_those_of_the_wait) {
    struct opened_section section;
    section_open(&section, RETRY, 0u, 60000u);
    ck_assert_uint_eq(rp_random_at(ends[_i].entropy, 1), ends[_i].draw);
    ck_assert_uint_eq(retry_wait(&section, ends[_i].entropy), ends[_i].wait_ns);
    section_close(&section);
}
END_TEST

START_TEST(the_same_entropy_gives_the_same_wait) {
    struct opened_section section;
    section_open(&section, RETRY, 50u, 200u);
    for (uint64_t entropy = 0; entropy < 100; entropy++) {
        MUST(retry_wait(&section, entropy) == retry_wait(&section, entropy));
    }
    section_close(&section);
}
END_TEST

/* A deadline in the middle of the bounds: the half of the waits that end by it are begun. */
START_TEST(a_retry_that_would_overrun_the_deadline_is_not_begun) {
    struct opened_section section;
    section_open(&section, RETRY, 50u, 200u);
    uint64_t random = SEED;
    uint32_t begun = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct walk walk;
        struct rp_request request = one_replica(next_random(&random));
        const uint64_t wait = retry_wait(&section, request.entropy);
        request.deadline_ns = SCRIPT_START_NS + 125 * MS;
        begin(&walk, &section, &request);
        report(&walk, RP_MISSING, 0);
        if (wait <= 125 * MS) {
            MUST(walk.step->kind == RP_STEP_WAIT);
            MUST(walk.step->until_ns == SCRIPT_START_NS + wait);
            begun++;
        } else {
            MUST(is_read_of(walk.step, RP_TARGET_PRIMARY));
        }
    }
    MUST(begun >= DRAWS / 2 - DRAWS / 50);
    MUST(begun <= DRAWS / 2 + DRAWS / 50);
    section_close(&section);
}
END_TEST

START_TEST(a_wait_that_ends_at_the_deadline_is_begun) {
    struct opened_section section;
    section_open(&section, RETRY, 100u, 100u);
    for (int64_t late = -1; late <= 1; late++) {
        struct walk walk;
        struct rp_request request = one_replica(SEED);
        request.deadline_ns = SCRIPT_START_NS + 100 * MS;
        begin(&walk, &section, &request);
        walk.now_ns = (uint64_t)((int64_t)SCRIPT_START_NS + late);
        report(&walk, RP_MISSING, 0);
        ck_assert_int_eq(walk.step->kind, late <= 0 ? RP_STEP_WAIT : RP_STEP_READ);
    }
    section_close(&section);
}
END_TEST

/* ---- replica_backoff ---- */

#define POLLS "policy = replica_backoff\nfirst_ms = %u\nmax_wait_ms = %u\n"

static const struct {
    uint32_t first_ms, max_wait_ms, polls_at_most;
} backoffs[] = {{2, 200, 8},
                {1, 60000, 17},
                {1, 1, 2},
                {1000, 100, 1},
                {60000, 60000, 2},
                /* no more than the least waits take */ {2, 3, 2}};

/* Polls until the primary's turn, each wait as long as it says; returns the number of waits. */
static uint32_t poll_to_the_end(struct walk *walk, uint64_t first, uint64_t max_wait) {
    const uint64_t missed_at = walk->now_ns;
    uint32_t polls = 0;
    report(walk, RP_MISSING, 0);
    while (walk->step->kind == RP_STEP_WAIT) {
        const uint64_t until = walk->step->until_ns;
        const uint64_t longest = first << polls;
        MUST(until <= walk->now_ns + longest);
        MUST(until <= missed_at + max_wait);
        if (until != missed_at + max_wait) {
            MUST(until >= walk->now_ns + longest / 2);
        }
        walk->now_ns = until;
        polls++;
        report(walk, RP_WAITED, 0);
        MUST(is_read_of(walk->step, RP_TARGET_REPLICA));
        report(walk, RP_MISSING, 0);
    }
    MUST(is_read_of(walk->step, RP_TARGET_PRIMARY));
    return polls;
}

START_TEST(polls_double_up_to_the_longest_wait) {
    const uint64_t max_wait = backoffs[_i].max_wait_ms * MS;
    struct opened_section section;
    section_open(&section, POLLS, backoffs[_i].first_ms, backoffs[_i].max_wait_ms);
    uint64_t random = SEED;
    for (uint32_t i = 0; i < 10000; i++) {
        struct walk walk;
        const struct rp_request request = one_replica(next_random(&random));
        begin(&walk, &section, &request);
        uint32_t polls = poll_to_the_end(&walk, backoffs[_i].first_ms * MS, max_wait);
        MUST(polls >= 1);
        MUST(polls <= backoffs[_i].polls_at_most);
        /* No read gives up early: the time is used. */
        MUST(walk.now_ns == SCRIPT_START_NS + max_wait);
    }
    section_close(&section);
}
END_TEST

/* A host whose waits end at once, or whose clock does not move, still comes to an end. */
START_TEST(polls_are_bounded_whatever_the_clock_says) {
    struct opened_section section;
    section_open(&section, POLLS, backoffs[_i].first_ms, backoffs[_i].max_wait_ms);
    struct walk walk;
    const struct rp_request request = one_replica(SEED);
    begin(&walk, &section, &request);
    report(&walk, RP_MISSING, 0);
    uint32_t polls = 0;
    while (walk.step->kind == RP_STEP_WAIT) {
        polls++;
        report(&walk, RP_WAITED, 0);
        report(&walk, RP_MISSING, 0);
    }
    MUST(is_read_of(walk.step, RP_TARGET_PRIMARY));
    MUST(polls == backoffs[_i].polls_at_most);
    section_close(&section);
}
END_TEST

START_TEST(each_poll_is_uniform_in_the_upper_half) {
    struct opened_section section;
    section_open(&section, POLLS, 16u, 60000u);
    uint32_t counts[3][16] = {{0}};
    uint64_t random = SEED;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct walk walk;
        const struct rp_request request = one_replica(next_random(&random));
        begin(&walk, &section, &request);
        report(&walk, RP_MISSING, 0);
        for (uint32_t poll = 0; poll < 3; poll++) {
            const uint64_t half = (8 * MS) << poll;
            const uint64_t above = walk.step->until_ns - walk.now_ns - half;
            MUST(above <= half);
            counts[poll][above * 16 / (half + 1)]++;
            walk.now_ns = walk.step->until_ns;
            report(&walk, RP_WAITED, 0);
            report(&walk, RP_MISSING, 0);
        }
    }
    for (uint32_t poll = 0; poll < 3; poll++) {
        ck_assert_double_lt(chi_square(counts[poll], 16, DRAWS), CHI_SQUARE_15);
    }
    section_close(&section);
}
END_TEST

START_TEST(a_poll_that_would_overrun_the_deadline_is_not_begun) {
    struct opened_section section;
    section_open(&section, POLLS, 10u, 200u);
    uint64_t random = SEED;
    for (uint32_t i = 0; i < 10000; i++) {
        struct walk walk;
        struct rp_request request = one_replica(next_random(&random));
        request.deadline_ns = SCRIPT_START_NS + 60 * MS;
        begin(&walk, &section, &request);
        report(&walk, RP_MISSING, 0);
        while (walk.step->kind == RP_STEP_WAIT) {
            MUST(walk.step->until_ns <= request.deadline_ns);
            walk.now_ns = walk.step->until_ns;
            report(&walk, RP_WAITED, 0);
            report(&walk, RP_MISSING, 0);
        }
        MUST(is_read_of(walk.step, RP_TARGET_PRIMARY));
        MUST(walk.now_ns >= SCRIPT_START_NS + 15 * MS);
    }
    section_close(&section);
}
END_TEST

START_TEST(a_poll_that_ends_at_the_deadline_is_begun) {
    struct opened_section section;
    section_open(&section, POLLS, 10u, 200u);
    struct walk walk;
    struct rp_request request = one_replica(SEED);
    begin(&walk, &section, &request);
    report(&walk, RP_MISSING, 0);
    const uint64_t until_ns = walk.step->until_ns;
    for (uint64_t early = 0; early <= 1; early++) {
        request.deadline_ns = until_ns - early;
        begin(&walk, &section, &request);
        report(&walk, RP_MISSING, 0);
        ck_assert_int_eq(walk.step->kind, early == 0 ? RP_STEP_WAIT : RP_STEP_READ);
    }
    section_close(&section);
}
END_TEST

/* ---- read_index ---- */

static const struct {
    uint32_t max_wait_ms;
    uint32_t deadline_ms; /* 0: none */
    uint32_t until_ms;    /* after the locate; 0: no await */
} awaits[] = {{200, 0, 200}, {200, 200, 200}, {200, 50, 50}, {200, 1000, 200}, {60000, 0, 60000},
              {1, 0, 1},     {6, 0, 6},       {200, 6, 6},   {0, 0, 0},        {0, 50, 0}};

static void check_await(struct walk *walk, uint32_t until_ms) {
    ck_assert_int_eq(walk->step->kind, RP_STEP_AWAIT);
    ck_assert_uint_eq(walk->step->position, 100);
    ck_assert_uint_eq(walk->step->until_ns, SCRIPT_START_NS + until_ms * MS);
}

/* After a miss the replica is looked at while there is time: at once, then after 1, 2, 4 and 8 ms.
 */
static void check_looks(struct walk *walk, uint32_t until_ms) {
    static const uint32_t looks_ms[] = {0, 1, 3, 7, 15};
    for (size_t i = 0; i < sizeof looks_ms / sizeof looks_ms[0] && looks_ms[i] < until_ms; i++) {
        check_await(walk, looks_ms[i]);
        walk->now_ns = walk->step->until_ns;
        report(walk, RP_NOT_REACHED, 0);
        ck_assert(is_read_of(walk->step, RP_TARGET_REPLICA));
        ck_assert_uint_ne(walk->step->flags & RP_STEP_WITH_POSITION, 0);
        report(walk, RP_MISSING, 99);
    }
    check_await(walk, until_ms);
    walk->now_ns = walk->step->until_ns;
    report(walk, RP_NOT_REACHED, 0);
    ck_assert(is_read_of(walk->step, RP_TARGET_PRIMARY));
}

START_TEST(an_await_ends_by_its_limit_and_by_the_deadline) {
    struct rp_request request = one_replica(SEED);
    request.deadline_ns =
        awaits[_i].deadline_ms == 0 ? 0 : SCRIPT_START_NS + awaits[_i].deadline_ms * MS;
    struct opened_section section;
    struct walk walk;
    section_open(&section, "policy = read_index\nmax_wait_ms = %u\n", awaits[_i].max_wait_ms);
    begin(&walk, &section, &request);
    report(&walk, RP_MISSING, 0);
    report(&walk, RP_LOCATED, 100);
    if (awaits[_i].until_ms == 0) {
        ck_assert(is_read_of(walk.step, RP_TARGET_PRIMARY));
    } else {
        check_looks(&walk, awaits[_i].until_ms);
    }

    section_reload(&section, "policy = read_index\nwhen = always\nmax_wait_ms = %u\n",
                   awaits[_i].max_wait_ms);
    begin(&walk, &section, &request);
    report(&walk, RP_LOCATED, 100);
    if (awaits[_i].until_ms == 0) {
        ck_assert(is_read_of(walk.step, RP_TARGET_REPLICA));
    } else {
        check_await(&walk, awaits[_i].until_ms);
    }

    section_reload(&section, "policy = read_index\nmax_wait_ms = %u\n", awaits[_i].max_wait_ms);
    request.position = 100;
    begin(&walk, &section, &request);
    report(&walk, RP_FOUND, 99);
    if (awaits[_i].until_ms == 0) {
        ck_assert_int_eq(walk.step->kind, RP_STEP_LOCATE);
    } else {
        check_await(&walk, awaits[_i].until_ms);
    }
    section_close(&section);
}
END_TEST

/* ---- clocks ---- */

/* No wait wraps around at the end of time, and none ends before it began. */
START_TEST(times_near_the_end_of_the_clock) {
    static const char *const lines[] = {
        "policy = replica_then_primary\nreplica_retry_min_ms = 60000\nreplica_retry_max_ms = 60000",
        "policy = replica_backoff\nfirst_ms = 60000\nmax_wait_ms = 60000",
        "policy = read_index\nmax_wait_ms = 60000", "policy = read_index\nwhen = always"};
    struct opened_section section;
    section_open(&section, "%s\n", lines[_i]);
    struct rp_request request = one_replica(SEED);
    for (uint64_t left = 0; left < 3; left++) {
        struct walk walk;
        request.now_ns = UINT64_MAX - left;
        begin(&walk, &section, &request);
        for (int steps = 0; walk.step->kind != RP_STEP_DONE; steps++) {
            ck_assert_int_lt(steps, 36);
            if (walk.step->kind == RP_STEP_WAIT || walk.step->kind == RP_STEP_AWAIT) {
                ck_assert_uint_ge(walk.step->until_ns, walk.now_ns);
            }
            struct rp_report told = discouraging_report(walk.step, walk.now_ns);
            report(&walk, walk.step->kind == RP_STEP_LOCATE ? RP_LOCATED : told.outcome, 100);
        }
    }
    section_close(&section);
}
END_TEST

START_TEST(a_clock_that_goes_back_stands_still) {
    struct opened_section section;
    section_open(&section, RETRY, 100u, 100u);
    struct walk walk;
    struct rp_request request = one_replica(SEED);
    request.deadline_ns = SCRIPT_START_NS + 99 * MS;
    begin(&walk, &section, &request);
    walk.now_ns = SCRIPT_START_NS - 50 * MS;
    report(&walk, RP_MISSING, 0);
    ck_assert(is_read_of(walk.step, RP_TARGET_PRIMARY));
    section_close(&section);
}
END_TEST

/* ---- which replica ---- */

static uint32_t first_replica(const struct opened_section *section, uint32_t replicas,
                              uint64_t entropy) {
    struct walk walk;
    struct rp_request request = one_replica(entropy);
    request.replicas = replicas;
    begin(&walk, section, &request);
    MUST(is_read_of(walk.step, RP_TARGET_REPLICA));
    MUST(walk.step->replica < replicas);
    return walk.step->replica;
}

START_TEST(first_reads_are_spread_evenly) {
    struct opened_section section;
    section_open(&section, "policy = replica_only\n");
    uint32_t counts[16] = {0};
    uint32_t few[4] = {0};
    uint64_t random = SEED;
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint64_t entropy = next_random(&random);
        counts[first_replica(&section, 16, entropy)]++;
        few[first_replica(&section, 4, entropy)]++;
        (void)first_replica(&section, UINT32_MAX, entropy);
        MUST(first_replica(&section, 1, entropy) == 0);
    }
    ck_assert_double_lt(chi_square(counts, 16, DRAWS), CHI_SQUARE_15);
    ck_assert_double_lt(chi_square(few, 4, DRAWS), CHI_SQUARE_3);
    section_close(&section);
}
END_TEST

/* Else all reads of one replica would come back to it together. */
START_TEST(the_replica_tells_nothing_about_the_wait) {
    struct opened_section section;
    section_open(&section, RETRY, 0u, 100u);
    uint32_t counts[16] = {0};
    uint64_t random = SEED;
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint64_t entropy = next_random(&random);
        uint32_t replica = first_replica(&section, 4, entropy);
        uint64_t wait = retry_wait(&section, entropy);
        counts[replica * 4 + wait * 4 / (100 * MS + 1)]++;
    }
    ck_assert_double_lt(chi_square(counts, 16, DRAWS), CHI_SQUARE_15);
    section_close(&section);
}
END_TEST

static const struct {
    const char *lines;
    const char *reports;
    const char *same;
    const char *next; /* with three replicas, beginning at the last */
} picks[] = {
    {"policy = replica_then_primary\n", "missing waited missing found",
     "replica:2 wait replica:2 primary", "replica:2 wait replica:0 primary"},
    {"policy = replica_backoff\nmax_wait_ms = 1000\n", "missing waited missing waited found",
     "replica:2 wait replica:2 wait replica:2", "replica:2 wait replica:0 wait replica:1"},
    {"policy = read_index\n", "missing located@5 reached@5 found",
     "replica:2 locate await@5:2 replica@:2", "replica:2 locate await@5:0 replica@:0"},
    {"policy = read_index\nwhen = always\n",
     "located@5 reached@5 missing located@6 reached@6 found@6",
     "locate await@5:2 replica@:2 locate await@6:2 replica@:2",
     "locate await@5:2 replica@:2 locate await@6:0 replica@:0"},
};

START_TEST(a_retry_stays_or_moves_on_as_picked) {
    struct opened_section section;
    struct script_result result;
    struct scripted_read script = {.replicas = 3, .reports = picks[_i].reports};
    section_open(&section, "policy = replica_only\n");
    while (first_replica(&section, 3, script.entropy) != 2) {
        script.entropy += UINT64_C(0x01234567);
    }
    section_reload(&section, "%s", picks[_i].lines);
    run_script(&section, &script, &result);
    ck_assert_str_eq(result.steps, picks[_i].same);
    section_reload(&section, "%sreplica_pick = same\n", picks[_i].lines);
    run_script(&section, &script, &result);
    ck_assert_str_eq(result.steps, picks[_i].same);
    section_reload(&section, "%sreplica_pick = next\n", picks[_i].lines);
    run_script(&section, &script, &result);
    ck_assert_str_eq(result.steps, picks[_i].next);
    section_close(&section);
}
END_TEST

/* The caller's position moves the read on too: each retry has its own replica. */
START_TEST(the_floor_is_awaited_where_the_retry_reads) {
    struct opened_section section;
    struct script_result result;
    struct scripted_read script = {.replicas = 3,
                                   .position = 4,
                                   .reports =
                                       "missing reached@4 missing located@5 reached@5 found@5"};
    section_open(&section, "policy = read_index\nreplica_pick = next\n");
    run_script(&section, &script, &result);
    ck_assert_str_eq(result.steps, "replica@:0 await@4:1 replica@:1 locate await@5:2 replica@:2");
    section_close(&section);
}
END_TEST

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

static void add_wait_cases(Suite *suite) {
    TCase *retry = tcase_create("retry");
    suite_add_tcase(suite, retry);
    tcase_add_loop_test(retry, retry_waits_lie_within_their_bounds, 0, COUNT_OF(retry_bounds));
    tcase_add_test(retry, retry_waits_are_uniform);
    tcase_add_loop_test(retry, the_ends_of_the_draws_are_those_of_the_wait, 0, COUNT_OF(ends));
    tcase_add_test(retry, the_same_entropy_gives_the_same_wait);
    tcase_add_test(retry, a_retry_that_would_overrun_the_deadline_is_not_begun);
    tcase_add_test(retry, a_wait_that_ends_at_the_deadline_is_begun);

    TCase *backoff = tcase_create("backoff");
    suite_add_tcase(suite, backoff);
    tcase_add_loop_test(backoff, polls_double_up_to_the_longest_wait, 0, COUNT_OF(backoffs));
    tcase_add_loop_test(backoff, polls_are_bounded_whatever_the_clock_says, 0, COUNT_OF(backoffs));
    tcase_add_test(backoff, each_poll_is_uniform_in_the_upper_half);
    tcase_add_test(backoff, a_poll_that_would_overrun_the_deadline_is_not_begun);
    tcase_add_test(backoff, a_poll_that_ends_at_the_deadline_is_begun);

    TCase *index = tcase_create("index");
    suite_add_tcase(suite, index);
    tcase_add_loop_test(index, an_await_ends_by_its_limit_and_by_the_deadline, 0, COUNT_OF(awaits));
}

static void add_other_cases(Suite *suite) {
    TCase *clocks = tcase_create("clocks");
    suite_add_tcase(suite, clocks);
    tcase_add_loop_test(clocks, times_near_the_end_of_the_clock, 0, 4);
    tcase_add_test(clocks, a_clock_that_goes_back_stands_still);

    TCase *replicas = tcase_create("replicas");
    suite_add_tcase(suite, replicas);
    tcase_add_test(replicas, first_reads_are_spread_evenly);
    tcase_add_test(replicas, the_replica_tells_nothing_about_the_wait);
    tcase_add_loop_test(replicas, a_retry_stays_or_moves_on_as_picked, 0, COUNT_OF(picks));
    tcase_add_test(replicas, the_floor_is_awaited_where_the_retry_reads);
}

int main(void) {
    Suite *suite = suite_create("waits");
    add_wait_cases(suite);
    add_other_cases(suite);
    return suite_run(suite);
}
