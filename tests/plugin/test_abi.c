/*
 * test_abi.c - odd hosts: structures of other sizes, flags from the future, NULL, buffers too
 * small, memory that ends where the structure does.
 */
#include "tests/lib/guarded_memory.h"
#include "tests/lib/scripted_read.h"
#include "tests/lib/suite.h"

#include <assert.h>
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define THEN_PRIMARY "policy = replica_then_primary\n"

static struct opened_section section;
static const struct rp_plugin *plugin;

static void set_up(void) {
    section_open(&section, THEN_PRIMARY);
    plugin = section.plugin.table;
}

static void tear_down(void) {
    section_close(&section);
}

static struct rp_request a_request(void) {
    return (struct rp_request){
        .struct_size = sizeof(struct rp_request), .replicas = 1, .now_ns = SCRIPT_START_NS};
}

static struct rp_report a_report(int32_t outcome) {
    return (struct rp_report){
        .struct_size = sizeof(struct rp_report), .outcome = outcome, .now_ns = SCRIPT_START_NS};
}

/* Structures are aligned to 8 bytes, and the size of one is always there. */
static size_t aligned_size(uint32_t size) {
    return size == 0 ? 8 : (size + 7u) / 8 * 8;
}

static void assert_refused(const struct rp_step *step) {
    ck_assert_ptr_nonnull(step);
    ck_assert_int_eq(step->kind, RP_STEP_DONE);
    ck_assert_int_eq(step->verdict, RP_VERDICT_FAILED);
    ck_assert_int_eq(step->served_by, RP_SERVED_BY_NONE);
    ck_assert_int_eq(step->log_level, RP_LOG_ERROR);
    ck_assert_ptr_nonnull(step->message);
}

/* ---- the header ---- */

/* As its authors published them. Any n is at hand without those before it. */
START_TEST(random_numbers_are_splitmix64) {
    static const uint64_t numbers[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                       UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                       UINT64_C(16408922859458223821)};
    const uint64_t seed = 1234567;
    uint64_t state = seed;
    for (uint64_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ck_assert_uint_eq(rp_random_at(seed, i + 1), numbers[i]);
        ck_assert_uint_eq(rp_random(&state), numbers[i]);
        ck_assert_uint_eq(rp_random_at(state, 0), numbers[i]);
    }
}
END_TEST

/* ---- the table ---- */

START_TEST(the_table_is_complete) {
    ck_assert_uint_eq(plugin->magic, RP_PLUGIN_MAGIC);
    ck_assert_uint_eq(plugin->magic, 0x5264506c);
    ck_assert_uint_ge(plugin->struct_size, RP_PLUGIN_MIN_SIZE);
    ck_assert_uint_eq(plugin->struct_size, sizeof *plugin);
    ck_assert_uint_eq(plugin->abi_major, RP_ABI_MAJOR);
    ck_assert_uint_eq(plugin->abi_minor, RP_ABI_MINOR);
    ck_assert_str_eq(plugin->name, "read-policy");
    ck_assert_ptr_nonnull(plugin->version);
    ck_assert(RP_HAS(plugin, open) && RP_HAS(plugin, reload) && RP_HAS(plugin, policy) &&
              RP_HAS(plugin, begin) && RP_HAS(plugin, next) && RP_HAS(plugin, metrics) &&
              RP_HAS(plugin, describe) && RP_HAS(plugin, close) && RP_HAS(plugin, section) &&
              RP_HAS(plugin, key) && RP_HAS(plugin, diagram) && RP_HAS(plugin, shared_bytes) &&
              RP_HAS(plugin, share) && RP_HAS(plugin, kind) && RP_HAS(plugin, notes) &&
              RP_HAS(plugin, open_text) && RP_HAS(plugin, reload_text) && RP_HAS(plugin, cluster) &&
              RP_HAS(plugin, budget));
}
END_TEST

/* What a host built against an older header sees of a newer plugin, and the other way round. */
START_TEST(members_past_the_tables_size_are_not_there) {
    struct rp_plugin older = *plugin;
    older.struct_size = RP_PLUGIN_MIN_SIZE;
    ck_assert(RP_HAS(&older, close));
    ck_assert(!RP_HAS(&older, section));
    older.struct_size = RP_PLUGIN_MIN_SIZE + sizeof older.section - 1;
    ck_assert(!RP_HAS(&older, section));
    older.struct_size = RP_PLUGIN_MIN_SIZE + sizeof older.section;
    ck_assert(RP_HAS(&older, section));
    older.section = NULL;
    ck_assert(!RP_HAS(&older, section));
}
END_TEST

START_TEST(the_symbol_is_the_only_one) {
    static const char *const internal[] = {"machine_begin",   "rp_ends",      "ini_load",
                                           "rp_policy_kinds", "budget_admit", "set_open"};
    ck_assert_ptr_nonnull(dlsym(section.plugin.handle, RP_ENTRY_SYMBOL));
    for (size_t i = 0; i < sizeof internal / sizeof internal[0]; i++) {
        ck_assert_ptr_null(dlsym(section.plugin.handle, internal[i]));
    }
}
END_TEST

/* ---- begin ---- */

START_TEST(begin_refuses_null) {
    struct rp_read read = {.struct_size = sizeof read};
    const struct rp_request request = a_request();
    assert_refused(plugin->begin(section.policy, &request, NULL));
    assert_refused(plugin->begin(section.policy, NULL, &read));
    assert_refused(plugin->begin(NULL, &request, &read));
    assert_refused(plugin->begin(NULL, NULL, NULL));
    /* What was refused stays over, and can be begun anew. */
    const struct rp_report report = a_report(RP_FOUND);
    assert_refused(plugin->next(&read, &report));
    ck_assert_int_eq(plugin->begin(section.policy, &request, &read)->kind, RP_STEP_READ);
}
END_TEST

START_TEST(begin_refuses_structures_that_are_too_small) {
    static const uint32_t sizes[] = {0, 4, 8, 96, 160, sizeof(struct rp_read) - 8};
    const struct rp_request request = a_request();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t size = sizes[i];
        /* Not a byte of it is touched but the size itself. */
        unsigned char *memory = guarded_memory(aligned_size(size));
        memcpy(memory, &size, sizeof size);
        const struct rp_report report = a_report(RP_FOUND);
        assert_refused(plugin->begin(section.policy, &request, (struct rp_read *)memory));
        assert_refused(plugin->next((struct rp_read *)memory, &report));
        for (uint32_t at = 4; at < size; at++) {
            ck_assert_uint_eq(memory[at], 0xa5);
        }
    }
    for (uint32_t size = 0; size < sizeof request; size += 4) {
        struct rp_read read = {.struct_size = sizeof read};
        struct rp_request *small = guarded_memory(aligned_size(size));
        memcpy(small, &size, sizeof size);
        assert_refused(plugin->begin(section.policy, small, &read));
    }
}
END_TEST

/* Structures that end where their memory does: the plugin goes no further. */
START_TEST(no_structure_is_overrun) {
    struct rp_read *read = guarded_memory(sizeof *read);
    struct rp_request *request = guarded_memory(sizeof *request);
    struct rp_report *report = guarded_memory(sizeof *report);
    struct rp_metric *metric = guarded_memory(sizeof *metric);
    struct rp_key *key = guarded_memory(sizeof *key);
    *request = a_request();
    *report = a_report(RP_MISSING);
    read->struct_size = sizeof *read;
    metric->struct_size = sizeof *metric;
    key->struct_size = sizeof *key;
    ck_assert_int_eq(plugin->begin(section.policy, request, read)->kind, RP_STEP_READ);
    ck_assert_int_eq(plugin->next(read, report)->kind, RP_STEP_WAIT);
    ck_assert_int_eq(plugin->metrics(section.set, 0, metric), RP_OK);
    ck_assert_int_eq(plugin->key(0, key), RP_OK);
}
END_TEST

/* A host of a newer minor version: its structures are longer, and what is new in them is not read
 * or written. */
START_TEST(longer_structures_are_taken) {
    struct {
        struct rp_read read;
        unsigned char more[64];
    } read;
    struct {
        struct rp_request request;
        unsigned char more[64];
    } request;
    struct {
        struct rp_report report;
        unsigned char more[64];
    } report;
    memset(&read, 0xa5, sizeof read);
    memset(&request, 0xff, sizeof request);
    memset(&report, 0xff, sizeof report);
    request.request = a_request();
    report.report = a_report(RP_MISSING);
    read.read.struct_size = sizeof read;
    request.request.struct_size = sizeof request;
    report.report.struct_size = sizeof report;
    ck_assert_int_eq(plugin->begin(section.policy, &request.request, &read.read)->kind,
                     RP_STEP_READ);
    ck_assert_int_eq(plugin->next(&read.read, &report.report)->kind, RP_STEP_WAIT);
    ck_assert_uint_eq(read.read.struct_size, sizeof read);
    for (size_t i = 0; i < sizeof read.more; i++) {
        ck_assert_uint_eq(read.more[i], 0xa5);
    }
}
END_TEST

/* Of a replica that misses, or that comes to the floor with its second read. */
static struct rp_report next_report(const struct rp_step *step, uint32_t reads, uint64_t floor) {
    static const int32_t outcomes[] = {[RP_STEP_READ] = RP_MISSING,
                                       [RP_STEP_WAIT] = RP_WAITED,
                                       [RP_STEP_LOCATE] = RP_LOCATED,
                                       [RP_STEP_AWAIT] = RP_NOT_REACHED};
    struct rp_report report = a_report(outcomes[step->kind]);
    report.position = step->kind == RP_STEP_LOCATE ? 100 : 0;
    if (step->kind == RP_STEP_READ && floor != 0) {
        report.outcome = RP_FOUND;
        report.position = reads == 1 ? floor - 1 : floor;
    }
    return report;
}

/* Steps are the same in both. */
static void walk_both(struct rp_read *clean, struct rp_read *dirty, uint64_t floor) {
    struct rp_request request = a_request();
    request.position = floor;
    const struct rp_step *expected = plugin->begin(section.policy, &request, clean);
    const struct rp_step *step = plugin->begin(section.policy, &request, dirty);
    uint32_t reads = 0;
    while (expected->kind != RP_STEP_DONE) {
        ck_assert_mem_eq(step, expected, sizeof *expected);
        reads += step->kind == RP_STEP_READ;
        const struct rp_report report = next_report(step, reads, floor);
        expected = plugin->next(clean, &report);
        step = plugin->next(dirty, &report);
    }
    ck_assert_mem_eq(step, expected, sizeof *expected);
}

/* Whatever was in the memory before makes no difference. */
START_TEST(memory_need_not_be_cleared) {
    const struct rp_report report = a_report(RP_MISSING);
    struct rp_kind kind = {.struct_size = sizeof kind};
    for (uint32_t i = 0; plugin->kind(i, &kind) == RP_OK; i++) {
        section_reload(&section, "policy = %s\n", kind.name);
        for (int byte = 0; byte < 256; byte += 51) {
            struct rp_read clean = {.struct_size = sizeof clean};
            struct rp_read dirty;
            memset(&dirty, byte, sizeof dirty);
            dirty.struct_size = sizeof dirty;
            walk_both(&clean, &dirty, _i == 0 ? 0 : 50);
            memset(&dirty, byte, sizeof dirty);
            dirty.struct_size = sizeof dirty;
            assert_refused(plugin->begin(NULL, NULL, &dirty));
            assert_refused(plugin->next(&dirty, &report));
        }
    }
}
END_TEST

START_TEST(unknown_flags_are_ignored) {
    struct rp_read read = {.struct_size = sizeof read};
    struct rp_request request = a_request();
    request.flags = ~(uint32_t)RP_IN_TRANSACTION;
    request.reserved = UINT32_MAX;
    const struct rp_step *step = plugin->begin(section.policy, &request, &read);
    ck_assert_int_eq(step->kind, RP_STEP_READ);
    ck_assert_int_eq(step->target, RP_TARGET_REPLICA);
    request.flags = UINT32_MAX;
    ck_assert_int_eq(plugin->begin(section.policy, &request, &read)->target, RP_TARGET_PRIMARY);
}
END_TEST

/* ---- next ---- */

START_TEST(next_refuses_null_and_what_was_not_begun) {
    const struct rp_request request = a_request();
    const struct rp_report report = a_report(RP_FOUND);
    struct rp_read read = {.struct_size = sizeof read};
    assert_refused(plugin->next(NULL, &report));
    assert_refused(plugin->next(NULL, NULL));
    assert_refused(plugin->next(&read, &report));
    assert_refused(plugin->next(&read, NULL));
    (void)plugin->begin(section.policy, &request, &read);
    const struct rp_step *refused = plugin->next(&read, NULL);
    assert_refused(refused);
    ck_assert_ptr_eq(plugin->next(&read, &report), refused);
}
END_TEST

/* The machine's own among them, which come next to those of the header. */
START_TEST(outcomes_that_nobody_knows_end_the_read) {
    static const int32_t outcomes[] = {8, 9, 10, 11, 12, 13, 16, 32, 255, INT32_MAX, INT32_MIN, -1};
    const struct rp_request request = a_request();
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        struct rp_read read = {.struct_size = sizeof read};
        const struct rp_report report = a_report(outcomes[i]);
        (void)plugin->begin(section.policy, &request, &read);
        assert_refused(plugin->next(&read, &report));
    }
}
END_TEST

/* Those of hosts that were built before a locate brought two positions. */
enum { REPORT_1_0_BYTES = 24 };
static_assert(offsetof(struct rp_report, flushed) == REPORT_1_0_BYTES, "frozen");

START_TEST(a_report_of_abi_1_0_is_taken) {
    struct rp_report *report = guarded_memory(REPORT_1_0_BYTES);
    const struct rp_report first = {
        .struct_size = REPORT_1_0_BYTES, .outcome = RP_MISSING, .now_ns = SCRIPT_START_NS};
    memcpy(report, &first, REPORT_1_0_BYTES);
    const struct rp_request request = a_request();
    struct rp_read read = {.struct_size = sizeof read};
    struct opened_section exact;
    section_open(&exact, "policy = read_index\n");
    (void)plugin->begin(exact.policy, &request, &read);
    ck_assert_int_eq(plugin->next(&read, report)->kind, RP_STEP_LOCATE);
    report->outcome = RP_LOCATED;
    report->position = 700;
    const struct rp_step *step = plugin->next(&read, report);
    ck_assert_int_eq(step->kind, RP_STEP_AWAIT);
    ck_assert_uint_eq(step->position, 700);
    report->outcome = RP_REACHED;
    ck_assert_int_eq(plugin->next(&read, report)->kind, RP_STEP_READ);
    report->outcome = RP_MISSING;
    ck_assert_int_eq(plugin->next(&read, report)->counted, RP_COUNTED_PROVEN_ABSENT);
    section_close(&exact);
}
END_TEST

START_TEST(a_report_that_is_too_small_ends_the_read) {
    for (uint32_t size = 0; size < REPORT_1_0_BYTES; size += 4) {
        const struct rp_request request = a_request();
        struct rp_read read = {.struct_size = sizeof read};
        struct rp_report *small = guarded_memory(aligned_size(size));
        memcpy(small, &size, sizeof size);
        (void)plugin->begin(section.policy, &request, &read);
        const struct rp_step *refused = plugin->next(&read, small);
        assert_refused(refused);
        const struct rp_report report = a_report(RP_FOUND);
        ck_assert_ptr_eq(plugin->next(&read, &report), refused);
    }
}
END_TEST

/* ---- the loop in the header ---- */

static void perform(void *context, const struct rp_step *step, struct rp_report *report) {
    int *steps = context;
    (*steps)++;
    report->now_ns = step->until_ns > report->now_ns ? step->until_ns : report->now_ns;
    report->outcome = step->kind == RP_STEP_WAIT ? RP_WAITED : RP_MISSING;
}

START_TEST(the_blocking_loop_runs_a_read) {
    const struct rp_request request = a_request();
    struct rp_read read = {.struct_size = sizeof read};
    int steps = 0;
    const struct rp_step *done = rp_run(plugin, section.policy, &request, &read, perform, &steps);
    ck_assert_int_eq(steps, 4);
    ck_assert_int_eq(done->verdict, RP_VERDICT_NOT_FOUND);
    ck_assert_str_eq(done->failed_during, "primary_fallback");
}
END_TEST

/* ---- metrics, sections, keys ---- */

#define TWO_SECTIONS "[a]\n" THEN_PRIMARY "[b]\npolicy = replica_only\nmetric_prefix = x.y\n"

START_TEST(metrics_are_enumerated_without_gaps) {
    static const char *const expected[][4] = {
        {"run_engine.a.replica_miss", "a", "outcome", "replica_retry"},
        {"run_engine.a.replica_miss", "a", "outcome", "primary"},
        {"run_engine.a.proven_absent", "a", NULL, NULL},
        {"run_engine.a.primary_shed", "a", NULL, NULL},
        {"x.y.replica_miss", "b", "outcome", "replica_retry"},
        {"x.y.replica_miss", "b", "outcome", "primary"},
        {"x.y.proven_absent", "b", NULL, NULL},
        {"x.y.primary_shed", "b", NULL, NULL},
    };
    struct ini_memory_file file;
    ini_file_create(&file, TWO_SECTIONS);
    struct rp_set *set = set_must_open(plugin, file.path);
    struct rp_metric metric = {.struct_size = sizeof metric};
    const uint32_t count = sizeof expected / sizeof expected[0];
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(plugin->metrics(set, i, &metric), RP_OK);
        ck_assert_str_eq(metric.name, expected[i][0]);
        ck_assert_str_eq(metric.section, expected[i][1]);
        ck_assert_pstr_eq(metric.attribute, expected[i][2]);
        ck_assert_pstr_eq(metric.attribute_value, expected[i][3]);
        ck_assert_uint_gt(strlen(metric.help), 20);
        ck_assert_uint_eq(metric.value, 0);
        ck_assert_uint_eq(metric.struct_size, sizeof metric);
    }
    ck_assert_int_eq(plugin->metrics(set, count, &metric), RP_E_END);
    ck_assert_int_eq(plugin->metrics(set, UINT32_MAX, &metric), RP_E_END);
    ck_assert_int_eq(plugin->metrics(NULL, 0, &metric), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->metrics(set, 0, NULL), RP_E_ARGUMENT);
    metric.struct_size = sizeof metric - 1;
    ck_assert_int_eq(plugin->metrics(set, 0, &metric), RP_E_ARGUMENT);
    plugin->close(set);
    ini_file_close(&file);
}
END_TEST

START_TEST(sections_are_enumerated_and_found) {
    struct ini_memory_file file;
    ini_file_create(&file, TWO_SECTIONS);
    struct rp_set *set = set_must_open(plugin, file.path);
    ck_assert_str_eq(plugin->section(set, 0), "a");
    ck_assert_str_eq(plugin->section(set, 1), "b");
    ck_assert_ptr_null(plugin->section(set, 2));
    ck_assert_ptr_null(plugin->section(set, UINT32_MAX));
    ck_assert_ptr_null(plugin->section(NULL, 0));
    ck_assert_ptr_nonnull(plugin->policy(set, "a"));
    ck_assert_ptr_ne(plugin->policy(set, "a"), plugin->policy(set, "b"));
    ck_assert_ptr_eq(plugin->policy(set, "a"), plugin->policy(set, "a"));
    ck_assert_ptr_null(plugin->policy(set, "A"));
    ck_assert_ptr_null(plugin->policy(set, ""));
    ck_assert_ptr_null(plugin->policy(set, NULL));
    ck_assert_ptr_null(plugin->policy(NULL, "a"));
    plugin->close(set);
    ini_file_close(&file);
}
END_TEST

START_TEST(keys_are_enumerated_without_gaps) {
    struct rp_key key = {.struct_size = sizeof key};
    uint32_t count = 0;
    while (plugin->key(count, &key) == RP_OK) {
        ck_assert_uint_eq(key.struct_size, sizeof key);
        ck_assert_ptr_nonnull(key.name);
        ck_assert_ptr_nonnull(key.unit);
        ck_assert_ptr_nonnull(key.help);
        ck_assert((key.type == RP_KEY_CHOICE) == (key.choices != NULL));
        count++;
    }
    ck_assert_uint_eq(count, 12); /* which they are: test_options.c */
    ck_assert_int_eq(plugin->key(count, &key), RP_E_END);
    ck_assert_int_eq(plugin->key(UINT32_MAX, &key), RP_E_END);
    ck_assert_int_eq(plugin->key(0, NULL), RP_E_ARGUMENT);
    key.struct_size = offsetof(struct rp_key, choices) - 1;
    ck_assert_int_eq(plugin->key(0, &key), RP_E_ARGUMENT);
}
END_TEST

#if UINTPTR_MAX == UINT64_MAX
static_assert(offsetof(struct rp_key, choices) == 112, "frozen");
static_assert(offsetof(struct rp_key, default_value) == 88, "frozen");
#endif

START_TEST(a_key_of_abi_1_0_is_filled_in) {
    struct rp_key *key = guarded_memory(offsetof(struct rp_key, choices));
    struct rp_key full = {.struct_size = sizeof full};
    for (uint32_t i = 0; plugin->key(i, &full) == RP_OK; i++) {
        key->struct_size = offsetof(struct rp_key, choices);
        ck_assert_int_eq(plugin->key(i, key), RP_OK);
        ck_assert_uint_eq(key->struct_size, offsetof(struct rp_key, choices));
        ck_assert_str_eq(key->name, full.name);
        ck_assert_str_eq(key->help, full.help);
        for (size_t k = 0; full.choices != NULL && full.choices[k] != NULL && k < 7; k++) {
            ck_assert_str_eq(key->few_choices[k], full.choices[k]);
        }
        ck_assert_ptr_null(key->few_choices[7]);
    }
}
END_TEST

START_TEST(a_longer_key_is_filled_in_as_far_as_it_is_known) {
    struct {
        struct rp_key key;
        unsigned char more[64];
    } key;
    memset(&key, 0xa5, sizeof key);
    key.key.struct_size = sizeof key;
    ck_assert_int_eq(plugin->key(0, &key.key), RP_OK);
    ck_assert_uint_eq(key.key.struct_size, sizeof key);
    ck_assert_str_eq(key.key.name, "policy");
    for (size_t i = 0; i < sizeof key.more; i++) {
        ck_assert_uint_eq(key.more[i], 0xa5);
    }
}
END_TEST

static bool has_word(const char *const *words, const char *word) {
    while (*words != NULL && strcmp(*words, word) != 0) {
        words++;
    }
    return *words != NULL;
}

static bool has_key(const char *name) {
    struct rp_key key = {.struct_size = sizeof key};
    for (uint32_t i = 0; plugin->key(i, &key) == RP_OK; i++) {
        if (strcmp(key.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The policies that there are, and those that a section may choose, are the same. */
START_TEST(kinds_are_enumerated_as_they_can_be_chosen) {
    struct rp_key policy = {.struct_size = sizeof policy};
    struct rp_kind kind = {.struct_size = sizeof kind};
    uint32_t count = 0;
    ck_assert_int_eq(plugin->key(0, &policy), RP_OK);
    while (plugin->kind(count, &kind) == RP_OK) {
        ck_assert_uint_eq(kind.struct_size, sizeof kind);
        ck_assert_str_eq(kind.name, policy.choices[count]);
        ck_assert_int_eq(kind.summary[strlen(kind.summary) - 1], '.');
        ck_assert_uint_ge(kind.most_steps, 1);
        ck_assert_uint_eq(kind.needs & ~ALL_CAPABILITIES, 0);
        ck_assert_uint_eq(kind.flags,
                          strcmp(kind.name, "primary_only") == 0 ? RP_KIND_PRIMARY_FIRST : 0);
        for (int i = 0; kind.keys[i] != NULL; i++) {
            ck_assert_msg(has_key(kind.keys[i]), "%s uses %s", kind.name, kind.keys[i]);
        }
        ck_assert(has_word(kind.keys, "metric_prefix") && !has_word(kind.keys, "policy"));
        count++;
    }
    ck_assert_ptr_null(policy.choices[count]);
    ck_assert_int_eq(plugin->kind(count, &kind), RP_E_END);
    ck_assert_int_eq(plugin->kind(UINT32_MAX, &kind), RP_E_END);
    ck_assert_int_eq(plugin->kind(0, NULL), RP_E_ARGUMENT);
    kind.struct_size = sizeof kind - 1;
    ck_assert_int_eq(plugin->kind(0, &kind), RP_E_ARGUMENT);
}
END_TEST

/* ---- texts ---- */

typedef uint32_t text_function(const struct rp_policy *policy, char *buf, uint32_t len);

/* As snprintf: cut where the buffer ends, NUL-terminated, and the whole length returned. */
static void check_text(text_function *write_text) {
    char whole[65536];
    const uint32_t length = write_text(section.policy, whole, sizeof whole);
    ck_assert_uint_gt(length, 50);
    ck_assert_uint_eq(strlen(whole), length);
    ck_assert_uint_eq(write_text(section.policy, NULL, 0), length);
    ck_assert_uint_eq(write_text(section.policy, whole, 0), length);
    for (uint32_t room = 1; room <= length + 1; room += room < 5 || room > length - 5 ? 1 : 7) {
        char *cut = guarded_memory(room);
        ck_assert_uint_eq(write_text(section.policy, cut, room), length);
        ck_assert_uint_eq(strlen(cut), room - 1);
        ck_assert_mem_eq(cut, whole, room - 1);
    }
    ck_assert_uint_eq(write_text(NULL, whole, sizeof whole), 0);
    ck_assert_uint_eq(write_text(section.policy, NULL, 1), 0);
}

START_TEST(texts_are_cut_as_by_snprintf) {
    check_text(plugin->describe);
    check_text(plugin->diagram);
}
END_TEST

/* A line of the file that gives the key another value than its default. */
static void write_other_value(char *line, size_t capacity, const struct rp_key *key) {
    if (key->type == RP_KEY_NUMBER) {
        (void)snprintf(line, capacity, "%s = %u\n", key->name, key->min + 7);
    } else {
        (void)snprintf(line, capacity, "%s = %s\n", key->name,
                       key->type == RP_KEY_CHOICE ? key->choices[1] : "other");
    }
}

static void check_description(const struct rp_kind *kind, const struct rp_key *key) {
    /* What lets each value be taken, and bear on something. */
    static const char companions[] = "primary_budget_per_s = 9\nreplica_retry_min_ms = 0\n";
    char without[4096];
    char with[4096];
    char line[256];
    write_other_value(line, sizeof line, key);
    const char *others = strstr(companions, key->name) == companions ? companions + 25 : companions;
    if (strcmp(key->name, "replica_retry_min_ms") == 0) {
        others = "";
    }
    section_reload(&section, "policy = %s\n%s", kind->name, others);
    (void)plugin->describe(section.policy, without, sizeof without);
    section_reload(&section, "policy = %s\n%s%s", kind->name, others, line);
    (void)plugin->describe(section.policy, with, sizeof with);
    ck_assert_msg((strcmp(with, without) != 0) == has_word(kind->keys, key->name), "%s, %s: %s",
                  kind->name, key->name, with);
}

START_TEST(each_key_that_is_used_says_something_in_the_description) {
    struct rp_kind kind = {.struct_size = sizeof kind};
    struct rp_key key = {.struct_size = sizeof key};
    for (uint32_t i = 0; plugin->kind(i, &kind) == RP_OK; i++) {
        for (uint32_t k = 1; plugin->key(k, &key) == RP_OK; k++) {
            check_description(&kind, &key);
        }
    }
}
END_TEST

static const char *const descriptions[][4] = {
    {"policy = replica_then_primary\nreplica_retry_min_ms = 11\nreplica_retry_max_ms = 222\n",
     "replica_then_primary", "11 to 222 ms", "not shifted to the primary"},
    {"policy = replica_then_primary\nreplica_retry_max_ms = 0\n", "That retry is left out",
     "a miss", "not limited"},
    {"policy = read_index\nwhen = always\nmax_wait_ms = 333\n", "read_index",
     "before every first read", "333 ms"},
    {"policy = read_index\nreplica_pick = next\n", "after a miss", "moves on", "proven absent"},
    {"policy = replica_backoff\nfirst_ms = 7\nmax_wait_ms = 444\non_replica_failure = primary\n",
     "at most 7 ms", "444 ms", "is served by the primary"},
    {"policy = replica_then_primary\nprimary_budget_per_s = 55\n", "At most 55 reads", "55 at once",
     "run_engine.s.*"},
    {"policy = primary_only\nmetric_prefix = other\n", "Every read goes to the primary", "other.*",
     "[s]"},
    {"policy = replica_only\n", "its answer is final", "[s]", "run_engine.s"},
    {"policy = replica_only\nmax_lag_ms = 777\n", "more than 777 ms behind", "of unknown lag",
     "a failure of the replica"},
    {"policy = read_index\nreplica_pick = freshest\n", "for at most 300 ms", "furthest",
     "proven absent"},
};

START_TEST(descriptions_give_effective_values) {
    char text[4096];
    section_reload(&section, "%s", descriptions[_i][0]);
    (void)plugin->describe(section.policy, text, sizeof text);
    for (int i = 1; i < 4; i++) {
        ck_assert_msg(strstr(text, descriptions[_i][i]) != NULL, "\"%s\" is not in: %s",
                      descriptions[_i][i], text);
    }
    ck_assert_ptr_null(strchr(text, '\n'));
}
END_TEST

static const char *const without_waits[] = {
    "policy = replica_then_primary\nreplica_retry_max_ms = 0\nreplica_pick = %s\n",
    "policy = read_index\nmax_wait_ms = 0\nreplica_pick = %s\n",
    "policy = read_index\nwhen = always\nmax_wait_ms = 0\nreplica_pick = %s\n",
    "policy = replica_backoff\nmax_wait_ms = 0\nreplica_pick = %s\n"};

/* The policy's summary aside, which is the same under all settings. */
START_TEST(descriptions_speak_of_no_wait_and_no_retry_where_there_is_none) {
    static const char *const picks[] = {"same", "next", "freshest"};
    static const char *const words[] = {"a retry ",   "0 ms",    "0 polls",      "are awaited",
                                        "first wait", "5 times", "proven absent"};
    struct rp_kind kind = {.struct_size = sizeof kind};
    char text[4096];
    section_reload(&section, without_waits[_i / 3], picks[_i % 3]);
    (void)plugin->describe(section.policy, text, sizeof text);
    const char *values = NULL;
    for (uint32_t i = 0; values == NULL && plugin->kind(i, &kind) == RP_OK; i++) {
        const char *summary = strstr(text, kind.summary);
        values = summary != NULL ? summary + strlen(kind.summary) : NULL;
    }
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        ck_assert_msg(strstr(values, words[i]) == NULL, "\"%s\" is in: %s", words[i], text);
    }
}
END_TEST

/* The picture is of the section as it is configured. */
START_TEST(diagrams_show_no_wait_where_there_is_none) {
    static const char *const settings[] = {
        "policy = read_index\nmax_wait_ms = %s\n",
        "policy = read_index\nwhen = always\nmax_wait_ms = %s\n",
        "policy = replica_backoff\nmax_wait_ms = %s\n",
        ("policy = replica_then_primary\nreplica_retry_min_ms = 0\n"
         "replica_retry_max_ms = %s\n")};
    char text[16384];
    for (int some = 0; some < 2; some++) {
        section_reload(&section, settings[_i], some ? "1" : "0");
        ck_assert_uint_lt(plugin->diagram(section.policy, text, sizeof text), sizeof text);
        const bool waits = strstr(text, "\"await ") != NULL || strstr(text, "\"wait\"") != NULL;
        const bool guarded = strstr(text, "time left") != NULL || strstr(text, "time for") != NULL;
        ck_assert_msg(waits == some, settings[_i], some ? "1" : "0");
        ck_assert_msg(some || !guarded, settings[_i], "0");
    }
}
END_TEST

/* ---- open ---- */

START_TEST(open_refuses_null) {
    char error[200];
    struct rp_set *set = section.set;
    ck_assert_int_eq(plugin->open(NULL, 0, &set, error, sizeof error), RP_E_ARGUMENT);
    ck_assert_ptr_null(set);
    ck_assert_str_eq(error, "open: an argument is NULL that must not be");
    ck_assert_int_eq(plugin->open(section.file.path, 0, NULL, error, sizeof error), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->open(section.file.path, 0, &set, NULL, 1), RP_E_ARGUMENT);
    ck_assert_ptr_null(set);
    ck_assert_int_eq(plugin->reload(NULL, error, sizeof error), RP_E_ARGUMENT);
    ck_assert_str_eq(error, "reload: an argument is NULL that must not be");
    ck_assert_int_eq(plugin->reload(section.set, NULL, 1), RP_E_ARGUMENT);
    plugin->close(NULL);
}
END_TEST

START_TEST(errors_need_not_be_taken) {
    struct rp_set *set = section.set;
    ck_assert_int_eq(plugin->open("/nowhere", 0, &set, NULL, 0), RP_E_CONFIG);
    ck_assert_ptr_null(set);
    ck_assert_int_eq(plugin->open(section.file.path, 0, &set, NULL, 0), RP_OK);
    ck_assert_int_eq(plugin->reload(set, NULL, 0), RP_OK);
    plugin->close(set);
}
END_TEST

START_TEST(success_leaves_no_error) {
    char error[16] = "before";
    struct rp_set *set = NULL;
    ck_assert_int_eq(plugin->open(section.file.path, 0, &set, error, sizeof error), RP_OK);
    ck_assert_str_eq(error, "");
    memcpy(error, "before", 7);
    ck_assert_int_eq(plugin->reload(set, error, sizeof error), RP_OK);
    ck_assert_str_eq(error, "");
    plugin->close(set);
}
END_TEST

START_TEST(files_that_cannot_be_read) {
    static const char *const paths[] = {"/nonexistent/read-policy.ini", "", "/", "/dev/null",
                                        "/dev/zero"};
    char error[RP_ERROR_BYTES];
    struct rp_set *set = section.set;
    ck_assert_int_eq(plugin->open(paths[_i], 0, &set, error, sizeof error), RP_E_CONFIG);
    ck_assert_ptr_null(set);
    ck_assert_ptr_nonnull(strstr(error, paths[_i]));
    ck_assert_uint_gt(strlen(error), strlen(paths[_i]) + 10);
}
END_TEST

/* Many errors into little memory: NUL-terminated, whole lines while they fit, nothing behind. */
START_TEST(errors_are_cut_to_the_buffer) {
    char text[8192] = "";
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                       "[section%d]\npolicy = nonsense%d\n", i, i);
    }
    ini_file_write(&section.file, text);
    struct rp_set *set = NULL;
    char whole[65536];
    ck_assert_int_eq(plugin->open(section.file.path, 0, &set, whole, sizeof whole), RP_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(whole, "nonsense0"));
    ck_assert_ptr_nonnull(strstr(whole, "nonsense59"));
    for (uint32_t room = 1; room < strlen(whole) + 2; room += room < 300 ? 1 : 997) {
        char *error = guarded_memory(room);
        ck_assert_int_eq(plugin->open(section.file.path, 0, &set, error, room), RP_E_CONFIG);
        ck_assert_uint_lt(strnlen(error, room), room);
        const char *last = strrchr(error, '\n');
        if (room >= 300 && room <= strlen(whole)) {
            ck_assert_ptr_nonnull(last);
            ck_assert_ptr_nonnull(strstr(last, "more error"));
            ck_assert_mem_eq(error, whole, (size_t)(last - error));
        }
    }
    ini_file_write(&section.file, "[" SECTION_NAME "]\n" THEN_PRIMARY);
}
END_TEST

/* ---- notes ---- */

static void assert_notes(const char *expected) {
    char notes[4096];
    char wanted[4096];
    (void)snprintf(wanted, sizeof wanted, expected, section.file.path, section.file.path);
    ck_assert_uint_eq(plugin->notes(section.set, notes, sizeof notes), strlen(wanted));
    ck_assert_str_eq(notes, wanted);
    ck_assert_uint_eq(plugin->notes(section.set, NULL, 0), strlen(wanted));
    ck_assert_uint_eq(plugin->notes(section.set, notes, 1), strlen(wanted));
    ck_assert_str_eq(notes, "");
}

START_TEST(keys_that_the_policy_does_not_use_are_noted) {
    char error[RP_ERROR_BYTES];
    assert_notes("");
    section_reload(&section, "policy = primary_only\nwhen = miss\nmetric_prefix = m\n"
                             "first_ms = 3\n");
    static const char notes[] = "%s:3: [s] when = miss: not used by policy = primary_only\n"
                                "%s:5: [s] first_ms = 3: not used by policy = primary_only";
    assert_notes(notes);
    /* An error leaves them as they were, as it leaves the rest. */
    ini_file_write(&section.file, "[s]\npolicy = replica_only\nwhen = x\n");
    ck_assert_int_eq(plugin->reload(section.set, error, sizeof error), RP_E_CONFIG);
    assert_notes(notes);
    section_reload(&section, "policy = primary_only\nmetric_prefix = m\n");
    assert_notes("");
    section_reload(&section, "policy = replica_only\nmax_lag_ms = 0\n");
    assert_notes("");
    section_reload(&section, "policy = replica_only\nmax_lag_ms = 50\n");
    assert_notes("%s:3: [s] max_lag_ms = 50: with the primary away lag is unknown, and replicas "
                 "leave after max_lag_ms");
    ck_assert_uint_eq(plugin->notes(NULL, error, sizeof error), 0);
    ck_assert_str_eq(error, "");
    ck_assert_uint_eq(plugin->notes(section.set, NULL, 1), 0);
}
END_TEST

/* ---- configuration from memory ---- */

START_TEST(text_is_read_as_strictly_as_a_file) {
    static const char bad[] = "[s]\npolicy = x\nwhen = y\n";
    static const char good[] = "[s]\npolicy = read_index\nfirst_ms = 9\n, and what is not of it";
    const uint32_t length = (uint32_t)(strchr(good, ',') - good);
    char error[RP_ERROR_BYTES];
    char said[RP_ERROR_BYTES];
    struct rp_set *set = NULL;
    ck_assert_int_eq(plugin->open_text(bad, sizeof bad - 1, "memory", 0, &set, error, sizeof error),
                     RP_E_CONFIG);
    ck_assert_ptr_null(set);
    ck_assert_ptr_nonnull(strstr(error, "memory:2: [s] policy = x: unknown"));
    ck_assert_ptr_nonnull(strstr(error, "memory:3: [s] when = y: unknown"));
    ck_assert_int_eq(plugin->open_text("a\0b", 3, "memory", 0, &set, error, sizeof error),
                     RP_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(error, "NUL byte"));
    ck_assert_int_eq(plugin->open_text(good, length, "memory", 0, &set, error, sizeof error),
                     RP_E_CAPABILITY);
    ck_assert_int_eq(
        plugin->open_text(good, length, "memory", ALL_CAPABILITIES, &set, error, sizeof error),
        RP_OK);
    ck_assert_str_eq(error, "");
    ck_assert_str_eq(plugin->section(set, 0), "s");
    ck_assert_ptr_null(plugin->section(set, 1));
    (void)plugin->notes(set, said, sizeof said);
    ck_assert_str_eq(said, "memory:3: [s] first_ms = 9: not used by policy = read_index");
    plugin->close(set);
}
END_TEST

START_TEST(text_is_reloaded_from_text_and_files_from_files) {
    static const char one[] = "[s]\npolicy = primary_only\n";
    static const char other[] = "[s]\npolicy = replica_only\n[t]\npolicy = primary_only\n";
    static const char none[] = "[t]\npolicy = replica_only\n";
    char error[RP_ERROR_BYTES];
    struct rp_set *set = NULL;
    ck_assert_int_eq(plugin->open_text(one, sizeof one - 1, "memory", 0, &set, NULL, 0), RP_OK);
    const struct rp_policy *policy = plugin->policy(set, "s");
    ck_assert_int_eq(plugin->reload_text(set, none, sizeof none - 1, error, sizeof error),
                     RP_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(error, "memory: the section [s] is missing"));
    ck_assert_int_eq(plugin->reload_text(set, other, sizeof other - 1, error, sizeof error), RP_OK);
    ck_assert_ptr_eq(plugin->policy(set, "s"), policy);
    ck_assert_ptr_nonnull(plugin->policy(set, "t"));
    (void)plugin->describe(policy, error, sizeof error);
    ck_assert_ptr_nonnull(strstr(error, "replica_only"));

    ck_assert_int_eq(plugin->reload(set, error, sizeof error), RP_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error, "memory: opened from text"));
    ck_assert_int_eq(plugin->reload_text(section.set, one, sizeof one - 1, error, sizeof error),
                     RP_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error, "opened from a file"));
    plugin->close(set);
}
END_TEST

START_TEST(text_functions_refuse_null) {
    struct rp_set *set = section.set;
    char error[RP_ERROR_BYTES] = "";
    ck_assert_int_eq(plugin->open_text(NULL, 0, "n", 0, &set, error, sizeof error), RP_E_ARGUMENT);
    ck_assert_ptr_null(set);
    ck_assert_ptr_nonnull(strstr(error, "open_text"));
    ck_assert_int_eq(plugin->open_text("", 0, NULL, 0, &set, NULL, 0), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->open_text("", 0, "n", 0, NULL, NULL, 0), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->open_text("", 0, "n", 0, &set, NULL, 1), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->open_text("", 0, "n", 0, &set, NULL, 0), RP_E_CONFIG);
    ck_assert_int_eq(plugin->reload_text(NULL, "", 0, NULL, 0), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->reload_text(section.set, NULL, 0, NULL, 0), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin->reload_text(section.set, "", 0, NULL, 1), RP_E_ARGUMENT);
}
END_TEST

START_TEST(sets_are_independent) {
    struct ini_memory_file file;
    ini_file_create(&file, "[" SECTION_NAME "]\n" THEN_PRIMARY);
    struct rp_set *one = set_must_open(plugin, file.path);
    struct rp_set *other = set_must_open(plugin, file.path);
    ck_assert_ptr_ne(one, other);
    struct opened_section first = {
        .plugin = section.plugin, .set = one, .policy = plugin->policy(one, SECTION_NAME)};
    const struct scripted_read script = {.replicas = 1, .reports = "missing waited found"};
    struct script_result result;
    run_script(&first, &script, &result);
    ck_assert_uint_eq(counters_of(plugin, one, SECTION_NAME).value[COUNT_RETRY], 1);
    ck_assert_uint_eq(counters_of(plugin, other, SECTION_NAME).value[COUNT_RETRY], 0);
    ini_file_write(&file, "[" SECTION_NAME "]\npolicy = primary_only\n");
    ck_assert_int_eq(plugin->reload(other, NULL, 0), RP_OK);
    run_script(&first, &script, &result);
    ck_assert_str_eq(result.steps, "replica wait replica");
    plugin->close(other);
    run_script(&first, &script, &result);
    plugin->close(one);
    ini_file_close(&file);
}
END_TEST

/* ---- capabilities ---- */

static const struct {
    uint32_t capabilities;
    const char *lacks[2]; /* what the error names */
} hosts[] = {
    {0, {"RP_CAN_REPORT_POSITIONS", "RP_CAN_AWAIT_POSITION"}},
    {RP_CAN_REPORT_POSITIONS, {"RP_CAN_AWAIT_POSITION", NULL}},
    {RP_CAN_AWAIT_POSITION, {"RP_CAN_REPORT_POSITIONS", NULL}},
    {ALL_CAPABILITIES, {NULL, NULL}},
    {UINT32_MAX, {NULL, NULL}},
    {~ALL_CAPABILITIES, {"RP_CAN_REPORT_POSITIONS", "RP_CAN_AWAIT_POSITION"}},
};

static void check_lacks(int host, const char *error) {
    for (int i = 0; i < 2 && hosts[host].lacks[i] != NULL; i++) {
        ck_assert_msg(strstr(error, hosts[host].lacks[i]) != NULL, "%s is not named: %s",
                      hosts[host].lacks[i], error);
    }
    ck_assert_ptr_nonnull(strstr(error, ":2: [s] policy = read_index: it needs a host that can"));
}

START_TEST(a_policy_that_needs_more_than_the_host_has_is_refused) {
    char error[RP_ERROR_BYTES];
    struct rp_set *set = NULL;
    ini_file_write(&section.file, "[s]\npolicy = read_index\n");
    int32_t status =
        plugin->open(section.file.path, hosts[_i].capabilities, &set, error, sizeof error);
    if (hosts[_i].lacks[0] == NULL) {
        ck_assert_int_eq(status, RP_OK);
        plugin->close(set);
        return;
    }
    ck_assert_int_eq(status, RP_E_CAPABILITY);
    ck_assert_ptr_null(set);
    check_lacks(_i, error);

    /* The same by a reload, which changes nothing then. */
    ini_file_write(&section.file, "[s]\n" THEN_PRIMARY);
    ck_assert_int_eq(
        plugin->open(section.file.path, hosts[_i].capabilities, &set, error, sizeof error), RP_OK);
    ini_file_write(&section.file, "[s]\npolicy = read_index\n");
    ck_assert_int_eq(plugin->reload(set, error, sizeof error), RP_E_CAPABILITY);
    check_lacks(_i, error);
    char text[4096];
    (void)plugin->describe(plugin->policy(set, "s"), text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "replica_then_primary"));

    /* With other errors beside it, the file is wrong whatever the host can. */
    ini_file_write(&section.file, "[s]\npolicy = read_index\n[t]\npolicy = x\n");
    ck_assert_int_eq(plugin->reload(set, error, sizeof error), RP_E_CONFIG);
    check_lacks(_i, error);
    ck_assert_ptr_nonnull(strstr(error, ":4: [t] policy = x"));
    plugin->close(set);
}
END_TEST

START_TEST(the_other_policies_need_nothing) {
    static const char *const names[] = {"replica_then_primary", "replica_backoff", "primary_only",
                                        "replica_only"};
    char text[200];
    struct rp_set *set = NULL;
    (void)snprintf(text, sizeof text, "[s]\npolicy = %s\n", names[_i]);
    ini_file_write(&section.file, text);
    ck_assert_int_eq(plugin->open(section.file.path, 0, &set, NULL, 0), RP_OK);
    plugin->close(set);
}
END_TEST

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

static TCase *add_case(Suite *suite, const char *name) {
    return suite_case(suite, name, set_up, tear_down, 0);
}

static void add_read_cases(Suite *suite) {
    TCase *table = add_case(suite, "table");
    tcase_add_test(table, the_table_is_complete);
    tcase_add_test(table, random_numbers_are_splitmix64);
    tcase_add_test(table, members_past_the_tables_size_are_not_there);
    tcase_add_test(table, the_symbol_is_the_only_one);

    TCase *reads = add_case(suite, "reads");
    tcase_add_test(reads, begin_refuses_null);
    tcase_add_test(reads, begin_refuses_structures_that_are_too_small);
    tcase_add_test(reads, no_structure_is_overrun);
    tcase_add_test(reads, longer_structures_are_taken);
    tcase_add_loop_test(reads, memory_need_not_be_cleared, 0, 2);
    tcase_add_test(reads, unknown_flags_are_ignored);
    tcase_add_test(reads, next_refuses_null_and_what_was_not_begun);
    tcase_add_test(reads, outcomes_that_nobody_knows_end_the_read);
    tcase_add_test(reads, a_report_of_abi_1_0_is_taken);
    tcase_add_test(reads, a_report_that_is_too_small_ends_the_read);
    tcase_add_test(reads, the_blocking_loop_runs_a_read);
}

static void add_set_cases(Suite *suite) {
    TCase *lists = add_case(suite, "lists");
    tcase_add_test(lists, metrics_are_enumerated_without_gaps);
    tcase_add_test(lists, sections_are_enumerated_and_found);
    tcase_add_test(lists, keys_are_enumerated_without_gaps);
    tcase_add_test(lists, a_key_of_abi_1_0_is_filled_in);
    tcase_add_test(lists, a_longer_key_is_filled_in_as_far_as_it_is_known);
    tcase_add_test(lists, kinds_are_enumerated_as_they_can_be_chosen);
    tcase_add_test(lists, each_key_that_is_used_says_something_in_the_description);
    tcase_add_test(lists, texts_are_cut_as_by_snprintf);
    tcase_add_loop_test(lists, descriptions_give_effective_values, 0, COUNT_OF(descriptions));
    tcase_add_loop_test(lists, descriptions_speak_of_no_wait_and_no_retry_where_there_is_none, 0,
                        3 * COUNT_OF(without_waits));

    tcase_add_loop_test(lists, diagrams_show_no_wait_where_there_is_none, 0, 4);

    TCase *opening = add_case(suite, "open");
    tcase_add_test(opening, open_refuses_null);
    tcase_add_test(opening, errors_need_not_be_taken);
    tcase_add_test(opening, success_leaves_no_error);
    tcase_add_loop_test(opening, files_that_cannot_be_read, 0, 5);
    tcase_add_test(opening, errors_are_cut_to_the_buffer);
    tcase_add_test(opening, keys_that_the_policy_does_not_use_are_noted);
    tcase_add_test(opening, text_is_read_as_strictly_as_a_file);
    tcase_add_test(opening, text_is_reloaded_from_text_and_files_from_files);
    tcase_add_test(opening, text_functions_refuse_null);
    tcase_add_test(opening, sets_are_independent);

    TCase *capabilities = add_case(suite, "capabilities");
    tcase_add_loop_test(capabilities, a_policy_that_needs_more_than_the_host_has_is_refused, 0,
                        COUNT_OF(hosts));
    tcase_add_loop_test(capabilities, the_other_policies_need_nothing, 0, 4);
}

int main(void) {
    Suite *suite = suite_create("abi");
    add_read_cases(suite);
    add_set_cases(suite);
    return suite_run(suite);
}
