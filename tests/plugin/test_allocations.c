/*
 * test_allocations.c - what the plugin takes from the process: memory, system calls, address space.
 *
 * I12: begin and next neither allocate nor enter the kernel. Every allocation of open and reload is
 * failed in turn. Nothing is left behind by close, nor by dlclose.
 */
#include "tests/lib/interposed/malloc.h"
#include "tests/lib/scripted_read.h"
#include "tests/lib/seeded_random.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL_POLICIES                                                                               \
    "[then]\npolicy = replica_then_primary\nreplica_pick = next\nprimary_budget_per_s = 5\n"       \
    "[index]\npolicy = read_index\non_replica_failure = primary\n"                                 \
    "[always]\npolicy = read_index\nwhen = always\nprimary_budget_per_s = 1000000\n"               \
    "[backoff]\npolicy = replica_backoff\n"                                                        \
    "[primary]\npolicy = primary_only\nmetric_prefix = a_prefix.of_its_own\n"                      \
    "[replica]\npolicy = replica_only\nfirst_ms = 7\n" /* which is noted */
#define POLICY_COUNT 6u

static struct opened_plugin opened;
static const struct rp_plugin *plugin;
static struct ini_memory_file file;
#if INTERPOSED_MALLOC
static char error[RP_ERROR_BYTES];
#endif

static void set_up(void) {
    plugin_open(&opened);
    plugin = opened.table;
    ini_file_create(&file, ALL_POLICIES);
}

static void tear_down(void) {
    ini_file_close(&file);
    plugin_close(&opened);
}

/* ---- begin and next ---- */

struct policies {
    const struct rp_policy *list[POLICY_COUNT];
};

static struct policies find_policies(struct rp_set *set) {
    static const char *const names[POLICY_COUNT] = {"then",    "index",   "always",
                                                    "backoff", "primary", "replica"};
    struct policies policies;
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        policies.list[i] = plugin->policy(set, names[i]);
        ck_assert_ptr_nonnull(policies.list[i]);
    }
    return policies;
}

/* Reads of all policies with requests and reports at random, some of them out of contract. Calls
 * nothing but the plugin. Returns the number of steps. */
static uint64_t run_reads(const struct policies *policies, uint32_t reads) {
    uint64_t random = UINT64_C(0xa110c);
    uint64_t steps = 0;
    for (uint32_t i = 0; i < reads; i++) {
        const uint64_t now = SCRIPT_START_NS + i * MS;
        const uint64_t dice = next_random(&random);
        struct rp_read read = {.struct_size = sizeof read};
        struct rp_request request = {.struct_size = sizeof request,
                                     .flags = (dice & 15) == 0,
                                     .replicas = (uint32_t)(dice >> 4 & 3),
                                     .now_ns = now,
                                     .deadline_ns =
                                         (dice >> 6 & 1) * (now + (dice >> 7 & 255) * MS),
                                     .entropy = next_random(&random),
                                     .position = dice >> 15 & 3};
        const struct rp_step *step =
            plugin->begin(policies->list[i % POLICY_COUNT], &request, &read);
        for (; step->kind != RP_STEP_DONE; steps++) {
            const uint64_t chance = next_random(&random);
            struct rp_report report = {.struct_size = sizeof report,
                                       .outcome = (int32_t)(chance & 7),
                                       .now_ns = now,
                                       .position = chance >> 3 & 7};
            if ((chance >> 6 & 15) != 0) { /* most are within the contract */
                report.outcome = step->kind == RP_STEP_READ     ? (int32_t)(chance & 3)
                                 : step->kind == RP_STEP_WAIT   ? RP_WAITED
                                 : step->kind == RP_STEP_LOCATE ? RP_LOCATED
                                                                : RP_REACHED;
            }
            step = plugin->next(&read, &report);
        }
    }
    return steps;
}

#if INTERPOSED_MALLOC
START_TEST(begin_and_next_allocate_nothing) {
    struct rp_set *set = set_must_open(plugin, file.path);
    const struct policies policies = find_policies(set);
    watch_allocations(0);
    const uint64_t steps = run_reads(&policies, 60000);
    const uint64_t allocations = unwatch_allocations();
    ck_assert_uint_eq(allocations, 0);
    ck_assert_uint_gt(steps, 60000);
    plugin->close(set);
}
END_TEST
#endif

/* Ends the process at its first system call other than those that end it. */
static int allow_nothing_but_exit(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0;
}

/* Runs in a child of its own; returns how that ended. */
static int status_under_filter(const struct policies *policies, bool call) {
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (allow_nothing_but_exit() != 0) {
            (void)syscall(SYS_exit_group, 1);
        }
        const uint64_t steps = run_reads(policies, 60000);
        if (call) {
            (void)syscall(SYS_getppid);
        }
        (void)syscall(SYS_exit_group, steps > 60000 ? 0 : 2);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(begin_and_next_make_no_system_call) {
    struct rp_set *set = set_must_open(plugin, file.path);
    const struct policies policies = find_policies(set);
    const int quiet = status_under_filter(&policies, false);
    ck_assert_msg(WIFEXITED(quiet) && WEXITSTATUS(quiet) == 0, "ended with status %#x", quiet);
    /* The filter does see a call when there is one. */
    const int loud = status_under_filter(&policies, true);
    ck_assert_msg(WIFSIGNALED(loud) && WTERMSIG(loud) == SIGSYS, "ended with status %#x", loud);
    plugin->close(set);
}
END_TEST

/* ---- open, reload, close ---- */

#if INTERPOSED_MALLOC
START_TEST(every_allocation_of_open_fails_in_turn) {
    const int64_t before = live_blocks();
    uint64_t failing = 0;
    int32_t status;
    do {
        struct rp_set *set = (struct rp_set *)&file; /* must be overwritten */
        watch_allocations(++failing);
        status = plugin->open(file.path, ALL_CAPABILITIES, &set, error, sizeof error);
        const bool reached = unwatch_allocations() >= failing;
        if (status == RP_OK) {
            ck_assert(!reached);
            plugin->close(set);
        } else {
            char expected[100];
            (void)snprintf(expected, sizeof expected, "%s: out of memory", file.path);
            ck_assert_int_eq(status, RP_E_MEMORY);
            ck_assert_ptr_null(set);
            ck_assert_str_eq(error, expected);
        }
        ck_assert_int_eq(live_blocks(), before);
    } while (status != RP_OK);
    ck_assert_uint_gt(failing, 20);
}
END_TEST

#define OTHER_POLICIES                                                                             \
    "[then]\npolicy = replica_only\n[index]\npolicy = replica_only\n[always]\npolicy = "           \
    "replica_only\n[backoff]\npolicy = replica_only\n[primary]\npolicy = "                         \
    "replica_only\n[replica]\npolicy = primary_only\n[new]\npolicy = primary_only\n[newer]\n"      \
    "policy = primary_only\nfirst_ms = 8\n"

/* With the notes. */
static void describe_all(struct rp_set *set, char *text, size_t capacity) {
    size_t length = 0;
    const char *name;
    for (uint32_t i = 0; (name = plugin->section(set, i)) != NULL; i++) {
        length += plugin->describe(plugin->policy(set, name), text + length,
                                   (uint32_t)(capacity - length));
        ck_assert_uint_lt(length, capacity);
    }
    (void)plugin->notes(set, text + length, (uint32_t)(capacity - length));
    ck_assert_ptr_nonnull(strstr(text, "first_ms = "));
}

START_TEST(every_allocation_of_reload_fails_in_turn) {
    char before[16384];
    char after[16384];
    const int64_t blocks_before_open = live_blocks();
    struct rp_set *set = set_must_open(plugin, file.path);
    const int64_t blocks = live_blocks();
    describe_all(set, before, sizeof before);
    ini_file_write(&file, OTHER_POLICIES);
    uint64_t failing = 0;
    int32_t status;
    do {
        watch_allocations(++failing);
        status = plugin->reload(set, error, sizeof error);
        (void)unwatch_allocations();
        describe_all(set, after, sizeof after);
        if (status != RP_OK) {
            ck_assert_int_eq(status, RP_E_MEMORY);
            ck_assert_ptr_nonnull(strstr(error, "out of memory"));
            ck_assert_int_eq(live_blocks(), blocks);
            ck_assert_str_eq(after, before);
        }
    } while (status != RP_OK);
    ck_assert_str_ne(after, before);
    ck_assert_uint_gt(failing, 20);
    plugin->close(set);
    ck_assert_int_eq(live_blocks(), blocks_before_open);
}
END_TEST

/* An error in the file and an allocation that fails: one or the other is reported, nothing leaks.
 */
START_TEST(every_allocation_fails_while_there_are_errors) {
    ini_file_write(&file, "[a]\npolicy = nonsense\n[b]\nfirst_ms = x\n[c]\npolicy = replica_only\n"
                          "first_ms = 7\n");
    const int64_t before = live_blocks();
    bool reached = true;
    for (uint64_t failing = 1; reached; failing++) {
        struct rp_set *set = NULL;
        watch_allocations(failing);
        const int32_t status = plugin->open(file.path, 0, &set, error, sizeof error);
        reached = unwatch_allocations() >= failing;
        ck_assert_int_eq(status, reached ? RP_E_MEMORY : RP_E_CONFIG);
        ck_assert_ptr_null(set);
        ck_assert_int_eq(live_blocks(), before);
    }
}
END_TEST
#endif

static long resident_pages(void) {
    long pages = -1;
    FILE *statm = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%*d %ld", &pages), 1);
    (void)fclose(statm);
    return pages;
}

#if INTERPOSED_MALLOC
#define GROWTH_PAGES 64
#else
#define GROWTH_PAGES 65536 /* a sanitizer keeps what was released for a while */
#endif

static int open_descriptors(void) {
    const int lowest = dup(file.descriptor);
    (void)close(lowest);
    return lowest;
}

START_TEST(opened_and_closed_ten_thousand_times) {
    int64_t blocks = 0;
    long pages = 0;
    const int descriptor = open_descriptors();
    for (int i = 0; i < 10000; i++) {
        struct rp_set *set = set_must_open(plugin, file.path);
        if (i % 10 == 0) {
            ck_assert_int_eq(plugin->reload(set, NULL, 0), RP_OK);
        }
        plugin->close(set);
        if (i == 100) {
            blocks = live_blocks();
            pages = resident_pages();
        }
    }
    ck_assert_int_eq(live_blocks(), blocks);
    ck_assert_int_le(resident_pages(), pages + GROWTH_PAGES);
    ck_assert_int_eq(open_descriptors(), descriptor);
}
END_TEST

/* ---- dlopen, dlclose ---- */

static bool is_mapped(const char *name) {
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        found = strstr(line, name) != NULL;
    }
    (void)fclose(maps);
    return found;
}

START_TEST(the_object_unmaps) {
    const char *slash = strrchr(opened.path, '/');
    const char *name = slash != NULL ? slash : opened.path;
    ck_assert(is_mapped(name));
    struct rp_set *set = set_must_open(plugin, file.path);
    plugin->close(set);
    plugin_close(&opened);
    ck_assert(!is_mapped(name));
    long pages = 0;
    for (int i = 0; i < 500; i++) {
        plugin_open(&opened);
        set = set_must_open(opened.table, file.path);
        opened.table->close(set);
        plugin_close(&opened);
        if (i == 50) {
            pages = resident_pages();
        }
    }
    ck_assert(!is_mapped(name));
    ck_assert_int_le(resident_pages(), pages + GROWTH_PAGES);
    plugin_open(&opened);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name) {
    return suite_case(suite, name, set_up, tear_down, 120);
}

int main(void) {
    Suite *suite = suite_create("allocations");
    TCase *reads = add_case(suite, "reads");
    tcase_add_test(reads, begin_and_next_make_no_system_call);
    TCase *sets = add_case(suite, "sets");
    tcase_add_test(sets, opened_and_closed_ten_thousand_times);
    tcase_add_test(sets, the_object_unmaps);
#if INTERPOSED_MALLOC
    tcase_add_test(reads, begin_and_next_allocate_nothing);
    tcase_add_test(sets, every_allocation_of_open_fails_in_turn);
    tcase_add_test(sets, every_allocation_of_reload_fails_in_turn);
    tcase_add_test(sets, every_allocation_fails_while_there_are_errors);
#endif
    return suite_run(suite);
}
