/*
 * test_threads.c - eight threads read while one reloads, good and broken files in turn, and one
 * scrapes metrics: nothing is lost, and at the end the counters are exact.
 *
 * To be run with a thread sanitizer too.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/seeded_random.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READERS  8
#define READS    120000
#define SECTIONS 3
#define RELOADS  2000 /* every other one is a change, of which a set takes 1024 */

static const char *const names[SECTIONS] = {"then", "index", "backoff"};

/* They have the same policies and no budget: what is counted does not depend on which is in force.
 * The first is opened, the others add a section and are loaded in turn. */
static const char *const good[] = {
    "[then]\npolicy = replica_then_primary\n[index]\npolicy = read_index\n"
    "[backoff]\npolicy = replica_backoff\n",
    "[then]\npolicy = replica_then_primary\nreplica_retry_min_ms = 5\nreplica_pick = next\n"
    "[index]\npolicy = read_index\nmax_wait_ms = 50\nmetric_prefix = renamed\n"
    "[backoff]\npolicy = replica_backoff\nfirst_ms = 9\n[added]\npolicy = primary_only\n",
    "[then]\npolicy = replica_then_primary\n[index]\npolicy = read_index\n"
    "[backoff]\npolicy = replica_backoff\nreplica_pick = next\n[added]\npolicy = replica_only\n",
};
static const char *const broken[] = {
    "[then]\npolicy = replica_then_primary\n",
    "nonsense",
    "",
    "[then]\npolicy = x\n",
};

struct shared {
    struct opened_plugin plugin;
    struct ini_memory_file file;
    struct rp_set *set;
    const struct rp_policy *policies[SECTIONS];
    pthread_barrier_t start;
    atomic_int readers_left;
};

struct reader {
    struct shared *shared;
    uint64_t seed;
    struct counters expected[SECTIONS];
    uint64_t wrong; /* steps that no configuration gives */
};

/* What a host reports: anything within the contract. */
static struct rp_report a_report(const struct rp_step *step, uint64_t chance, uint64_t now) {
    static const int32_t of_reads[] = {RP_FOUND,  RP_MISSING, RP_MISSING, RP_PARTIAL,
                                       RP_FAILED, RP_MISSING, RP_MISSING, RP_MISSING};
    static const int32_t of_awaits[] = {RP_REACHED, RP_REACHED, RP_NOT_REACHED, RP_FAILED};
    struct rp_report report = {
        .struct_size = sizeof report, .now_ns = now, .position = chance >> 8 & 3};
    switch (step->kind) {
    case RP_STEP_READ:
        report.outcome = of_reads[chance & 7];
        break;
    case RP_STEP_WAIT:
        report.outcome = RP_WAITED;
        break;
    case RP_STEP_LOCATE:
        report.outcome = (chance & 7) != 0 ? RP_LOCATED : RP_FAILED;
        break;
    default:
        report.outcome = of_awaits[chance & 3];
        break;
    }
    return report;
}

/* Counted is what was missed before its last read and found by that, by who found it. */
static void expect(struct reader *reader, uint64_t section, const struct rp_step *done,
                   bool missed) {
    uint64_t *value = reader->expected[section].value;
    if (done->verdict == RP_VERDICT_FOUND && missed) {
        value[done->served_by == RP_SERVED_BY_PRIMARY ? COUNT_PRIMARY : COUNT_RETRY]++;
    }
    value[COUNT_ABSENT] +=
        done->verdict == RP_VERDICT_NOT_FOUND && done->served_by != RP_SERVED_BY_PRIMARY;
    value[COUNT_SHED] += done->verdict == RP_VERDICT_SHED;
}

/* Not found or partial below the floor: such a replica is only behind. */
static bool is_miss(const struct rp_step *step, const struct rp_report *report, uint64_t floor) {
    const bool of_replica = step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA;
    return of_replica && (report->outcome == RP_MISSING ||
                          (report->outcome == RP_PARTIAL && report->position >= floor));
}

static void run_read(struct reader *reader, uint64_t *random, uint64_t section) {
    const struct rp_plugin *plugin = reader->shared->plugin.table;
    const struct rp_request request = {.struct_size = sizeof request,
                                       .replicas = 2,
                                       .now_ns = SCRIPT_START_NS,
                                       .entropy = next_random(random),
                                       .position = next_random(random) & 1};
    struct rp_read read = {.struct_size = sizeof read};
    uint64_t now = SCRIPT_START_NS;
    bool missed = false; /* before the report that is made now */
    bool misses = false; /* by that report */
    const struct rp_step *step = plugin->begin(reader->shared->policies[section], &request, &read);
    for (int steps = 0; step->kind != RP_STEP_DONE; steps++) {
        reader->wrong += steps > 36 || (step->kind == RP_STEP_WAIT && step->until_ns < now);
        now = step->until_ns > now ? step->until_ns : now;
        const struct rp_report report = a_report(step, next_random(random), now);
        missed = missed || misses;
        misses = is_miss(step, &report, request.position);
        step = plugin->next(&read, &report);
    }
    expect(reader, section, step, missed);
}

static void *read_on(void *argument) {
    struct reader *reader = argument;
    uint64_t random = reader->seed;
    (void)pthread_barrier_wait(&reader->shared->start);
    for (uint64_t i = 0; i < READS; i++) {
        run_read(reader, &random, i % SECTIONS);
    }
    (void)atomic_fetch_sub(&reader->shared->readers_left, 1);
    return NULL;
}

/* Good and broken files in turn, and only broken ones when a set takes no more changes; returns the
 * number of reloads that did not do what they should, as a pointer. */
static void *reload_on(void *argument) {
    struct shared *shared = argument;
    char error[RP_ERROR_BYTES];
    uintptr_t wrong = 0;
    (void)pthread_barrier_wait(&shared->start);
    for (uintptr_t i = 0; i < RELOADS || atomic_load(&shared->readers_left) > 0; i++) {
        const bool is_good = i < RELOADS && i % 2 == 0;
        ini_file_write(&shared->file, is_good ? good[1 + i / 2 % 2] : broken[i / 2 % 4]);
        const int32_t status = shared->plugin.table->reload(shared->set, error, sizeof error);
        wrong += status != (is_good ? RP_OK : RP_E_CONFIG);
    }
    return (void *)wrong;
}

/* Counters only grow, and everything can be read at any time. */
static void *scrape_on(void *argument) {
    struct shared *shared = argument;
    const struct rp_plugin *plugin = shared->plugin.table;
    uint64_t last[64] = {0};
    uintptr_t wrong = 0;
    char text[4096];
    (void)pthread_barrier_wait(&shared->start);
    while (atomic_load(&shared->readers_left) > 0) {
        struct rp_metric metric = {.struct_size = sizeof metric};
        for (uint32_t i = 0; plugin->metrics(shared->set, i, &metric) == RP_OK; i++) {
            wrong += i >= 64 || metric.value < last[i % 64] || strlen(metric.name) < 10;
            last[i % 64] = metric.value;
        }
        for (int i = 0; i < SECTIONS; i++) {
            wrong += plugin->describe(shared->policies[i], text, sizeof text) < 50;
            wrong += plugin->diagram(shared->policies[i], text, sizeof text) < 50;
        }
    }
    return (void *)wrong;
}

static void open_shared(struct shared *shared) {
    plugin_open(&shared->plugin);
    ini_file_create(&shared->file, good[0]);
    shared->set = set_must_open(shared->plugin.table, shared->file.path);
    for (int i = 0; i < SECTIONS; i++) {
        shared->policies[i] = shared->plugin.table->policy(shared->set, names[i]);
        ck_assert_ptr_nonnull(shared->policies[i]);
    }
    atomic_init(&shared->readers_left, READERS);
    ck_assert_int_eq(pthread_barrier_init(&shared->start, NULL, READERS + 2), 0);
}

static void close_shared(struct shared *shared) {
    shared->plugin.table->close(shared->set);
    (void)pthread_barrier_destroy(&shared->start);
    ini_file_close(&shared->file);
    plugin_close(&shared->plugin);
}

static void check_counters(const struct shared *shared, const struct reader *readers) {
    for (int i = 0; i < SECTIONS; i++) {
        const struct counters now = counters_of(shared->plugin.table, shared->set, names[i]);
        for (int counter = 0; counter < COUNT_COUNT; counter++) {
            uint64_t expected = 0;
            for (int reader = 0; reader < READERS; reader++) {
                expected += readers[reader].expected[i].value[counter];
            }
            ck_assert_uint_eq(now.value[counter], expected);
            ck_assert(counter != COUNT_RETRY || expected > 1000);
        }
    }
}

START_TEST(reading_reloading_and_scraping_together) {
    static struct shared shared;
    static struct reader readers[READERS];
    pthread_t threads[READERS];
    pthread_t reloader;
    pthread_t scraper;
    void *reloaded_wrongly;
    void *scraped_wrongly;
    open_shared(&shared);
    for (uint64_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.shared = &shared, .seed = i + 1};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    ck_assert_int_eq(pthread_create(&reloader, NULL, reload_on, &shared), 0);
    ck_assert_int_eq(pthread_create(&scraper, NULL, scrape_on, &shared), 0);
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
        ck_assert_uint_eq(readers[i].wrong, 0);
    }
    (void)pthread_join(reloader, &reloaded_wrongly);
    (void)pthread_join(scraper, &scraped_wrongly);
    ck_assert_ptr_null(reloaded_wrongly);
    ck_assert_ptr_null(scraped_wrongly);
    check_counters(&shared, readers);
    close_shared(&shared);
}
END_TEST

/* ---- one counter ---- */

#define SAME_READS 200000u

/* As little as can be between one count and the next: missed, and found by the retry. */
static void *count_on(void *argument) {
    const struct shared *shared = argument;
    const struct rp_plugin *plugin = shared->plugin.table;
    const struct rp_request request = {
        .struct_size = sizeof request, .replicas = 1, .now_ns = SCRIPT_START_NS};
    struct rp_report report = {.struct_size = sizeof report, .now_ns = SCRIPT_START_NS};
    for (uint32_t i = 0; i < SAME_READS; i++) {
        struct rp_read read = {.struct_size = sizeof read};
        (void)plugin->begin(shared->policies[0], &request, &read);
        report.outcome = RP_MISSING;
        (void)plugin->next(&read, &report);
        report.outcome = RP_WAITED;
        (void)plugin->next(&read, &report);
        report.outcome = RP_FOUND;
        (void)plugin->next(&read, &report);
    }
    return NULL;
}

START_TEST(one_counter_counts_for_all_threads) {
    static struct shared shared;
    pthread_t threads[READERS];
    open_shared(&shared);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_on, &shared), 0);
    }
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    const struct counters now = counters_of(shared.plugin.table, shared.set, names[0]);
    ck_assert_uint_eq(now.value[COUNT_RETRY], READERS * SAME_READS);
    close_shared(&shared);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("threads");
    TCase *threads = tcase_create("threads");
    suite_add_tcase(suite, threads);
    tcase_set_timeout(threads, 120);
    tcase_add_test(threads, reading_reloading_and_scraping_together);
    tcase_add_test(threads, one_counter_counts_for_all_threads);
    return suite_run(suite);
}
