/*
 * test_shared_state.c - counters and budgets in memory that processes share: exact counts and one
 * budget for all of them, each with a set, and a mapping, of its own.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define START     SCRIPT_START_NS
#define S         UINT64_C(1000000000)
#define PROCESSES 8
#define ROOM      8u
#define BUDGETED                                                                                   \
    "policy = replica_then_primary\n"                                                              \
    "primary_budget_per_s = %u\nprimary_budget_burst = %u\n"

static char error[RP_ERROR_BYTES];

/* For what the processes of a test do too: each ck_assert of libcheck's writes to one pipe, which
 * several of them, or one that is killed, would garble. */
static void must(bool holds, const char *what) {
    if (!holds) {
        errx(1, "%s", what);
    }
}

/* A file in memory, which each process maps at an address of its own. */
struct state_file {
    int descriptor;
    uint64_t bytes;
};

static struct state_file a_file(uint64_t bytes) {
    struct state_file file = {.descriptor = memfd_create("state", 0), .bytes = bytes};
    ck_assert_int_ge(file.descriptor, 0);
    ck_assert_int_eq(ftruncate(file.descriptor, (off_t)bytes), 0);
    return file;
}

static void *map_file(const struct state_file *file) {
    void *memory = mmap(NULL, file->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor, 0);
    must(memory != MAP_FAILED, "mmap");
    return memory;
}

static struct state_file room_for(uint32_t sections) {
    struct opened_plugin plugin;
    plugin_open(&plugin);
    const uint64_t bytes = plugin.table->shared_bytes(sections);
    plugin_close(&plugin);
    return a_file(bytes);
}

static int32_t share(const struct opened_section *section, const struct state_file *file) {
    return section->plugin.table->share(section->set, map_file(file), file->bytes, error,
                                        sizeof error);
}

static void must_share(const struct opened_section *section, const struct state_file *file) {
    must(share(section, file) == RP_OK, error);
}

/* One read that misses and that the retry then finds. */
static void count_one(const struct opened_section *section) {
    static const int32_t outcomes[] = {RP_MISSING, RP_WAITED, RP_FOUND};
    const struct rp_request request = {
        .struct_size = sizeof request, .replicas = 1, .now_ns = START};
    struct rp_read read = {.struct_size = sizeof read};
    const struct rp_step *step = section->plugin.table->begin(section->policy, &request, &read);
    for (size_t i = 0; i < 3; i++) {
        const struct rp_report report = {
            .struct_size = sizeof report, .outcome = outcomes[i], .now_ns = START};
        step = section->plugin.table->next(&read, &report);
    }
    must(step->served_by == RP_SERVED_BY_REPLICA_RETRY, "not served by the retry");
}

static uint64_t count_of(const struct opened_section *section, const char *name, int counter) {
    return counters_of(section->plugin.table, section->set, name).value[counter];
}

static uint64_t retries(const struct opened_section *section) {
    return count_of(section, SECTION_NAME, COUNT_RETRY);
}

/* ---- one after the other ---- */

START_TEST(sets_count_together_and_one_after_the_other) {
    const struct state_file file = room_for(ROOM);
    struct opened_section one;
    struct opened_section other;
    section_open(&one, "policy = replica_then_primary\n");
    section_open(&other, "policy = replica_backoff\n");
    must_share(&one, &file);
    must_share(&other, &file);
    count_one(&one);
    count_one(&other);
    ck_assert_uint_eq(retries(&one), 2);
    section_close(&one);
    count_one(&other);
    section_reload(&other, "policy = replica_then_primary\nreplica_retry_max_ms = 77\n");
    count_one(&other);
    section_close(&other);
    section_open(&one, "policy = replica_then_primary\n");
    ck_assert_uint_eq(retries(&one), 0);
    must_share(&one, &file);
    ck_assert_uint_eq(retries(&one), 4);
    /* Once more changes nothing. */
    must_share(&one, &file);
    count_one(&one);
    ck_assert_uint_eq(retries(&one), 5);
    section_close(&one);
}
END_TEST

/* Neither in a counter nor where those to come will be. */
START_TEST(a_read_that_is_not_counted_writes_nothing) {
    static const struct scripted_read hit = {.replicas = 1, .reports = "found"};
    static const struct scripted_read nowhere = {.replicas = 1,
                                                 .reports = "missing waited missing missing"};
    const struct state_file file = room_for(1);
    const void *memory = map_file(&file);
    void *before = malloc(file.bytes);
    struct script_result result;
    struct opened_section section;
    section_open(&section, "policy = replica_then_primary\n");
    must_share(&section, &file);
    memcpy(before, memory, file.bytes);
    run_script(&section, &hit, &result);
    run_script(&section, &nowhere, &result);
    ck_assert_mem_eq(memory, before, file.bytes);
    count_one(&section);
    ck_assert_mem_ne(memory, before, file.bytes);
    section_close(&section);
    free(before);
}
END_TEST

START_TEST(a_debt_outlives_its_set) {
    const struct state_file file = room_for(ROOM);
    struct opened_section section;
    for (uint64_t i = 0; i < 3; i++) {
        section_open(&section, BUDGETED, 10u, 7u);
        must_share(&section, &file);
        ck_assert_uint_eq(drain_budget(&section, START + i * 100 * MS), i == 0 ? 7 : 1);
        section_close(&section);
    }
}
END_TEST

/* The rate is the one that was set last, also for sets that were opened with another. */
START_TEST(a_new_rate_holds_for_all) {
    const struct state_file file = room_for(ROOM);
    struct opened_section one;
    struct opened_section other;
    section_open(&one, BUDGETED, 1u, 1000u);
    must_share(&one, &file);
    ck_assert_uint_eq(drain_budget(&one, START), 1000);
    section_open(&other, BUDGETED, 10u, 5u);
    must_share(&other, &file);
    /* The old debt of 1000 s is one of 500 ms from the next read on, for both. */
    ck_assert_uint_eq(drain_budget(&one, START), 0);
    ck_assert_uint_eq(drain_budget(&other, START + 100 * MS - 1), 0);
    ck_assert_uint_eq(drain_budget(&one, START + 100 * MS), 1);
    ck_assert_uint_eq(drain_budget(&other, START + 100 * MS), 0);
    section_reload(&one, "policy = replica_then_primary\n");
    for (int i = 0; i < 1000; i++) {
        ck_assert(reaches_primary(&other, START + 100 * MS));
    }
    section_reload(&one, BUDGETED, 2u, 2u);
    ck_assert_uint_eq(drain_budget(&other, START + 10 * S), 2);
    ck_assert_uint_eq(drain_budget(&one, START + 10 * S), 0);
    section_close(&one);
    section_close(&other);
}
END_TEST

static const uint32_t other_rates[] = {7, 997, 1, 0};

/* Of the rate that another set has loaded, or of none. */
START_TEST(what_is_left_is_told_of_the_rate_that_holds) {
    const struct state_file file = room_for(ROOM);
    const uint32_t per_s = other_rates[_i];
    struct opened_section one;
    struct opened_section other;
    struct rp_budget_info info = {.struct_size = sizeof info};
    section_open(&one, BUDGETED, 10u, 5u);
    must_share(&one, &file);
    section_open(&other, BUDGETED, per_s, per_s == 0 ? 0 : 3u);
    must_share(&other, &file);
    for (int i = 0; i < 2; i++) {
        const struct opened_section *section = i == 0 ? &one : &other;
        const struct rp_plugin *plugin = section->plugin.table;
        ck_assert_int_eq(plugin->budget(section->policy, START, &info), RP_OK);
        ck_assert_uint_eq(info.per_s, per_s);
        ck_assert_uint_eq(info.burst, per_s == 0 ? 0 : 3);
        ck_assert_uint_eq(info.left, per_s == 0 ? 0 : 3);
    }
    section_close(&one);
    section_close(&other);
}
END_TEST

/* ---- sections ---- */

static const char *const alike[] = {"a", "aaaaaaaa", "aaaaaaaab", "aaaaaaaabbbbbbbb", "b",
                                    /* the longest names, and what differs in the last byte */
                                    "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffg",
                                    "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffh",
                                    "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff"};
#define ALIKE (sizeof alike / sizeof alike[0])

/* An INI file with these sections, from that one on in a circle. */
static void write_sections(struct ini_memory_file *file, size_t first, size_t count) {
    char text[4096] = "";
    for (size_t i = 0; i < count; i++) {
        char section[128];
        (void)snprintf(section, sizeof section, "[%s]\npolicy = replica_then_primary\n",
                       alike[(first + i) % ALIKE]);
        strcat(text, section);
    }
    ini_file_create(file, text);
}

static void open_sections(struct opened_section *section, size_t first, size_t count) {
    plugin_open(&section->plugin);
    write_sections(&section->file, first, count);
    section->set = set_must_open(section->plugin.table, section->file.path);
}

START_TEST(names_are_told_apart) {
    const struct state_file file = room_for(ALIKE);
    struct opened_section section;
    open_sections(&section, 0, ALIKE);
    must_share(&section, &file);
    for (size_t i = 0; i < ALIKE; i++) {
        section.policy = section.plugin.table->policy(section.set, alike[i]);
        for (size_t n = 0; n <= i; n++) {
            count_one(&section);
        }
    }
    section_close(&section);
    open_sections(&section, 3, ALIKE);
    must_share(&section, &file);
    for (size_t i = 0; i < ALIKE; i++) {
        ck_assert_uint_eq(count_of(&section, alike[i], COUNT_RETRY), i + 1);
    }
    section_close(&section);
}
END_TEST

/* Less than one more section needs is room for none. */
START_TEST(no_room_for_a_section) {
    struct state_file file = room_for(_i == 0 ? 2 : 3);
    struct opened_section section;
    file.bytes -= _i == 0 ? 0 : 1;
    open_sections(&section, 0, 3);
    ck_assert_int_eq(share(&section, &file), RP_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(error, "[aaaaaaaab]"));
    ck_assert_ptr_nonnull(strstr(error, "no room"));
    /* The set is as it was, and counts on its own. */
    section.policy = section.plugin.table->policy(section.set, "a");
    count_one(&section);
    ck_assert_uint_eq(count_of(&section, "a", COUNT_RETRY), 1);
    section_close(&section);
}
END_TEST

START_TEST(a_reload_adds_a_section_where_there_is_room) {
    const struct rp_plugin *plugin;
    const struct state_file file = room_for(2);
    struct opened_section section;
    open_sections(&section, 0, 1);
    plugin = section.plugin.table;
    must_share(&section, &file);
    ini_file_write(&section.file, "[a]\npolicy = primary_only\n[new]\npolicy = replica_backoff\n");
    ck_assert_int_eq(plugin->reload(section.set, error, sizeof error), RP_OK);
    section.policy = plugin->policy(section.set, "new");
    count_one(&section);
    ini_file_write(&section.file, "[a]\npolicy = replica_only\n[new]\npolicy = replica_backoff\n"
                                  "[newer]\npolicy = replica_only\n");
    ck_assert_int_eq(plugin->reload(section.set, error, sizeof error), RP_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(error, "[newer]"));
    ck_assert_ptr_null(plugin->policy(section.set, "newer"));
    char text[1024];
    (void)plugin->describe(plugin->policy(section.set, "a"), text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "primary_only"));
    section_close(&section);
    section_open(&section, "policy = replica_backoff\n");
    ck_assert_int_eq(share(&section, &file), RP_E_LIMIT);
    section_close(&section);
}
END_TEST

/* ---- memory that will not do ---- */

static void assert_refused(const struct opened_section *section, void *memory, uint64_t bytes,
                           const char *why) {
    error[0] = '\0';
    ck_assert_int_eq(section->plugin.table->share(section->set, memory, bytes, error, sizeof error),
                     RP_E_ARGUMENT);
    if (strstr(error, why) == NULL) {
        ck_abort_msg("'%s' does not say '%s'", error, why);
    }
    ck_assert_int_eq(section->plugin.table->share(section->set, memory, bytes, NULL, 0),
                     RP_E_ARGUMENT);
}

START_TEST(memory_that_will_not_do) {
    struct opened_section section;
    section_open(&section, "policy = replica_then_primary\n");
    const struct rp_plugin *plugin = section.plugin.table;
    const struct state_file file = room_for(ROOM);
    unsigned char *memory = map_file(&file);
    assert_refused(&section, NULL, file.bytes, "NULL");
    assert_refused(&section, memory + 4, file.bytes - 4, "aligned to 8 bytes");
    assert_refused(&section, memory, 0, "too few");
    assert_refused(&section, memory, plugin->shared_bytes(1) - 1, "one section needs 320");
    ck_assert_int_eq(plugin->share(NULL, memory, file.bytes, error, sizeof error), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->share(section.set, memory, file.bytes, NULL, 1), RP_E_ARGUMENT);
    /* None of them has written a byte. */
    for (uint64_t i = 0; i < file.bytes; i++) {
        ck_assert_uint_eq(memory[i], 0);
    }
    must_share(&section, &file);
    count_one(&section);
    assert_refused(&section, memory, plugin->shared_bytes(ROOM - 1), "for 8 sections before");
    memory[0]++;
    assert_refused(&section, memory, file.bytes, "another version");
    assert_refused(&section, memory, file.bytes, "(layout 2, this one has 1)");
    memory[7] ^= 0xff;
    assert_refused(&section, memory, file.bytes, "something else");
    memory[7] ^= 0xff;
    memory[0]--;
    ck_assert_int_eq(plugin->share(section.set, memory, file.bytes, NULL, 0), RP_OK);
    ck_assert_uint_eq(retries(&section), 1);
    section_close(&section);
}
END_TEST

START_TEST(sizes) {
    struct opened_plugin plugin;
    plugin_open(&plugin);
    uint64_t before = 0;
    for (uint32_t sections = 1; sections <= RP_SHARED_SECTIONS_MAX; sections++) {
        ck_assert_uint_gt(plugin.table->shared_bytes(sections), before);
        before = plugin.table->shared_bytes(sections);
    }
    ck_assert_uint_eq(plugin.table->shared_bytes(0), 0);
    ck_assert_uint_eq(plugin.table->shared_bytes(RP_SHARED_SECTIONS_MAX + 1), 0);
    ck_assert_uint_eq(plugin.table->shared_bytes(UINT32_MAX), 0);
    plugin_close(&plugin);
}
END_TEST

/* ---- eight processes ---- */

/* What the processes tell each other, in memory of the test's own. */
struct meeting {
    atomic_uint arrived;
    atomic_uint admitted;
};

static struct meeting *a_meeting(void) {
    struct meeting *meeting =
        mmap(NULL, sizeof *meeting, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(meeting, MAP_FAILED);
    return meeting;
}

/* Until all of them have arrived, for the n-th time. */
static void meet(struct meeting *meeting, unsigned n) {
    (void)atomic_fetch_add(&meeting->arrived, 1);
    while (atomic_load(&meeting->arrived) < n * PROCESSES) {
        (void)sched_yield();
    }
}

static void run_processes(void (*run)(unsigned process, const struct state_file *,
                                      struct meeting *),
                          const struct state_file *file, struct meeting *meeting) {
    pid_t children[PROCESSES];
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] == 0) {
            suite_in_forked_process(file->descriptor);
            run(i, file, meeting);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
}

#define COUNTS 20000u

/* They open, attach and name their sections at once, each in another order. */
static void count_on(unsigned process, const struct state_file *file, struct meeting *meeting) {
    struct opened_section section;
    open_sections(&section, process, ALIKE);
    meet(meeting, 1);
    must_share(&section, file);
    for (unsigned i = 0; i < COUNTS; i++) {
        section.policy = section.plugin.table->policy(section.set, alike[i % ALIKE]);
        count_one(&section);
    }
    section_close(&section);
}

START_TEST(eight_processes_count_exactly) {
    const struct state_file file = room_for(ALIKE);
    run_processes(count_on, &file, a_meeting());
    struct opened_section section;
    open_sections(&section, 0, ALIKE);
    must_share(&section, &file);
    for (size_t i = 0; i < ALIKE; i++) {
        ck_assert_uint_eq(count_of(&section, alike[i], COUNT_RETRY), PROCESSES * COUNTS / ALIKE);
    }
    section_close(&section);
}
END_TEST

/* The moment at which entries are taken, over and over. */
static void take_entries(unsigned process, const struct state_file *file, struct meeting *meeting) {
    struct opened_section section;
    open_sections(&section, process, ALIKE);
    unsigned char *memory = map_file(file);
    const uint64_t bytes = section.plugin.table->shared_bytes(ALIKE);
    for (unsigned round = 0; (round + 1) * bytes <= file->bytes; round++) {
        meet(meeting, round + 1);
        must(section.plugin.table->share(section.set, memory + round * bytes, bytes, error,
                                         sizeof error) == RP_OK,
             error);
        section.policy = section.plugin.table->policy(section.set, alike[process]);
        count_one(&section);
    }
    section_close(&section);
}

START_TEST(entries_are_taken_once_by_eight_at_a_time) {
    enum { ROUNDS = 200 };
    const uint64_t bytes = room_for(ALIKE).bytes;
    const struct state_file file = a_file(ROUNDS * bytes);
    run_processes(take_entries, &file, a_meeting());
    struct opened_section section;
    open_sections(&section, 0, ALIKE);
    unsigned char *memory = map_file(&file);
    for (unsigned round = 0; round < ROUNDS; round++) {
        ck_assert_int_eq(section.plugin.table->share(section.set, memory + round * bytes, bytes,
                                                     error, sizeof error),
                         RP_OK);
        for (size_t i = 0; i < ALIKE; i++) {
            ck_assert_uint_eq(count_of(&section, alike[i], COUNT_RETRY), 1);
        }
    }
    section_close(&section);
}
END_TEST

#define TOKENS   20000u
#define ATTEMPTS (2 * TOKENS / PROCESSES)
#define ROUNDS   5u

static void contend(unsigned process, const struct state_file *file, struct meeting *meeting) {
    (void)process;
    unsigned admitted = 0;
    struct opened_section section;
    section_open(&section, BUDGETED, TOKENS, TOKENS);
    must_share(&section, file);
    for (unsigned round = 0; round < ROUNDS; round++) {
        meet(meeting, round + 1);
        for (uint32_t i = 0; i < ATTEMPTS; i++) {
            admitted += reaches_primary(&section, START + round * S);
        }
    }
    (void)atomic_fetch_add(&meeting->admitted, admitted);
    section_close(&section);
}

/* Each second all processes come at once, more of them than there are tokens. */
START_TEST(eight_processes_keep_one_budget) {
    const struct state_file file = room_for(ROOM);
    struct meeting *meeting = a_meeting();
    run_processes(contend, &file, meeting);
    ck_assert_uint_eq(atomic_load(&meeting->admitted), TOKENS * ROUNDS);
    struct opened_section section;
    section_open(&section, BUDGETED, TOKENS, TOKENS);
    must_share(&section, &file);
    ck_assert_uint_eq(count_of(&section, SECTION_NAME, COUNT_SHED),
                      (PROCESSES * ATTEMPTS - TOKENS) * ROUNDS);
    section_close(&section);
}
END_TEST

/* Killed at any point, a hundred times: no process waits for them, and their counts and debts stay.
 */
START_TEST(a_killed_process_leaves_nothing_taken) {
    const struct state_file file = room_for(ROOM);
    struct opened_section section;
    section_open(&section, BUDGETED, 1000u, 1000u);
    must_share(&section, &file);
    for (int i = 0; i < 100; i++) {
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            suite_in_forked_process(file.descriptor);
            for (uint64_t now = START;; now += MS) {
                (void)reaches_primary(&section, now);
                count_one(&section);
            }
        }
        const uint64_t before = retries(&section);
        while (retries(&section) == before) {
            (void)sched_yield();
        }
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
    }
    const uint64_t before = retries(&section);
    count_one(&section);
    ck_assert_uint_eq(retries(&section), before + 1);
    ck_assert_uint_eq(drain_budget(&section, START + 3600 * S), 1000);
    section_close(&section);
}
END_TEST

/* A slow rate, of which a minute and a half is owed; the other process comes with a quick one. */
#define SLOW  BUDGETED, 1u, 100u
#define QUICK BUDGETED, 1000u, 1000u

/* Attaches, changes the rate, takes a token or none, counts. */
static void be_traced(const struct state_file *file) {
    struct opened_section section;
    suite_in_forked_process(file->descriptor);
    section_open(&section, QUICK);
    must(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, "ptrace");
    (void)raise(SIGSTOP);
    must_share(&section, file);
    (void)reaches_primary(&section, START + S);
    count_one(&section);
    _exit(0);
}

/* What is there is what a process left that was killed: another one attaches to it and is served.
 */
static void go_on_with(const void *left, uint64_t bytes) {
    const struct state_file file = a_file(bytes);
    struct opened_section section;
    memcpy(map_file(&file), left, bytes);
    section_open(&section, QUICK);
    must_share(&section, &file);
    const uint64_t before = retries(&section);
    ck_assert_uint_le(before, 1);
    count_one(&section);
    ck_assert_uint_eq(retries(&section), before + 1);
    (void)reaches_primary(&section, START + 10 * S);
    ck_assert_uint_eq(drain_budget(&section, START + 20 * S), 1000);
    section_close(&section);
    close(file.descriptor);
}

/* Its instructions one by one: whatever they have left in the memory, be it for a moment. */
START_TEST(a_process_may_be_killed_at_every_instruction) {
    const struct state_file file = room_for(1);
    struct opened_section section;
    section_open(&section, SLOW);
    must_share(&section, &file);
    ck_assert_uint_eq(drain_budget(&section, START), 100);
    const void *memory = map_file(&file);
    void *seen = malloc(file.bytes);
    ck_assert_ptr_nonnull(seen);
    memcpy(seen, memory, file.bytes);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        be_traced(&file);
    }
    int status = 0;
    unsigned states = 0;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (memcmp(seen, memory, file.bytes) != 0) {
            memcpy(seen, memory, file.bytes);
            go_on_with(seen, file.bytes);
            states++;
        }
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
    }
    ck_assert_int_eq(status, 0);
    ck_assert_uint_ge(states, 4); /* the rate, the debt's limit and its end, the token, the count */
    free(seen);
    section_close(&section);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shared state");
    TCase *alone = tcase_create("one after the other");
    suite_add_tcase(suite, alone);
    tcase_add_test(alone, sets_count_together_and_one_after_the_other);
    tcase_add_test(alone, a_read_that_is_not_counted_writes_nothing);
    tcase_add_test(alone, a_debt_outlives_its_set);
    tcase_add_test(alone, a_new_rate_holds_for_all);
    tcase_add_loop_test(alone, what_is_left_is_told_of_the_rate_that_holds, 0,
                        sizeof other_rates / sizeof other_rates[0]);
    tcase_add_test(alone, names_are_told_apart);
    tcase_add_loop_test(alone, no_room_for_a_section, 0, 2);
    tcase_add_test(alone, a_reload_adds_a_section_where_there_is_room);
    tcase_add_test(alone, memory_that_will_not_do);
    tcase_add_test(alone, sizes);

    TCase *together = tcase_create("processes");
    suite_add_tcase(suite, together);
    tcase_set_timeout(together, 60);
    tcase_add_test(together, eight_processes_count_exactly);
    tcase_add_test(together, entries_are_taken_once_by_eight_at_a_time);
    tcase_add_test(together, eight_processes_keep_one_budget);
    tcase_add_test(together, a_killed_process_leaves_nothing_taken);
    tcase_add_test(together, a_process_may_be_killed_at_every_instruction);
    return suite_run(suite);
}
