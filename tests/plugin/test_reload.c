/*
 * test_reload.c - what a reload changes, and what it never does.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANGES_KEPT 1024

/* The wait that says which configuration is in force. */
#define WAIT "policy = replica_then_primary\nreplica_retry_min_ms = %u\nreplica_retry_max_ms = %u\n"

static struct opened_section section;
static const struct rp_plugin *plugin;
static char error[RP_ERROR_BYTES];

static void set_up(void) {
    section_open(&section, WAIT, 100u, 100u);
    plugin = section.plugin.table;
}

static void tear_down(void) {
    section_close(&section);
}

static int32_t reload_text(const char *text) {
    ini_file_write(&section.file, text);
    return plugin->reload(section.set, error, sizeof error);
}

static int32_t reload_wait(uint32_t wait_ms) {
    char text[256];
    (void)snprintf(text, sizeof text, "[" SECTION_NAME "]\n" WAIT, wait_ms, wait_ms);
    return reload_text(text);
}

static const struct rp_step *begin_and_miss(const struct rp_policy *policy, struct rp_read *read) {
    const struct rp_request request = {
        .struct_size = sizeof request, .replicas = 1, .now_ns = SCRIPT_START_NS};
    const struct rp_report report = {
        .struct_size = sizeof report, .outcome = RP_MISSING, .now_ns = SCRIPT_START_NS};
    *read = (struct rp_read){.struct_size = sizeof *read};
    (void)plugin->begin(policy, &request, read);
    return plugin->next(read, &report);
}

static uint64_t wait_ms_of(const struct rp_policy *policy) {
    struct rp_read read;
    const struct rp_step *step = begin_and_miss(policy, &read);
    return step->kind == RP_STEP_WAIT ? (step->until_ns - SCRIPT_START_NS) / MS : 0;
}

/* ---- what changes ---- */

START_TEST(a_changed_file_holds_for_new_reads) {
    ck_assert_uint_eq(wait_ms_of(section.policy), 100);
    ck_assert_int_eq(reload_wait(150), RP_OK);
    ck_assert_uint_eq(wait_ms_of(section.policy), 150);
    ck_assert_ptr_eq(plugin->policy(section.set, SECTION_NAME), section.policy);
    ck_assert_int_eq(reload_text("[" SECTION_NAME "]\npolicy = primary_only\n"), RP_OK);
    ck_assert_uint_eq(wait_ms_of(section.policy), 0);
    ck_assert_int_eq(reload_wait(100), RP_OK);
    ck_assert_uint_eq(wait_ms_of(section.policy), 100);
}
END_TEST

START_TEST(reads_under_way_finish_as_begun) {
    struct rp_read reads[4];
    const struct rp_request request = {
        .struct_size = sizeof request, .replicas = 1, .now_ns = SCRIPT_START_NS};
    const struct rp_report missing = {
        .struct_size = sizeof missing, .outcome = RP_MISSING, .now_ns = SCRIPT_START_NS};
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(reload_wait(100 + i), RP_OK);
        reads[i] = (struct rp_read){.struct_size = sizeof reads[i]};
        (void)plugin->begin(section.policy, &request, &reads[i]);
    }
    ck_assert_int_eq(reload_text("[" SECTION_NAME "]\npolicy = replica_only\n"), RP_OK);
    for (uint32_t i = 0; i < 4; i++) {
        const struct rp_step *step = plugin->next(&reads[i], &missing);
        ck_assert_int_eq(step->kind, RP_STEP_WAIT);
        ck_assert_uint_eq(step->until_ns, SCRIPT_START_NS + (100 + i) * MS);
    }
}
END_TEST

START_TEST(counters_stay) {
    struct script_result result;
    struct scripted_read script = {.replicas = 1, .reports = "missing waited found"};
    run_script(&section, &script, &result);
    ck_assert_int_eq(reload_wait(70), RP_OK);
    run_script(&section, &script, &result);
    script.reports = "missing waited missing found";
    run_script(&section, &script, &result);
    ck_assert_int_eq(reload_text("nonsense"), RP_E_CONFIG);
    ck_assert_int_eq(reload_text("[" SECTION_NAME "]\npolicy = replica_only\n"), RP_OK);
    const struct counters counters = counters_of(plugin, section.set, SECTION_NAME);
    ck_assert_uint_eq(counters.value[COUNT_RETRY], 2);
    ck_assert_uint_eq(counters.value[COUNT_PRIMARY], 1);
}
END_TEST

/* The names follow the file; those that were handed out before stay valid until close. */
START_TEST(metric_names_follow_and_old_ones_stay) {
    struct rp_metric before = {.struct_size = sizeof before};
    struct rp_metric after = {.struct_size = sizeof after};
    ck_assert_int_eq(plugin->metrics(section.set, 0, &before), RP_OK);
    ck_assert_int_eq(
        reload_text("[" SECTION_NAME "]\npolicy = replica_only\nmetric_prefix = other\n"), RP_OK);
    ck_assert_int_eq(plugin->metrics(section.set, 0, &after), RP_OK);
    ck_assert_str_eq(after.name, "other.replica_miss");
    ck_assert_str_eq(before.name, "run_engine.s.replica_miss");
    ck_assert_str_eq(before.section, SECTION_NAME);
}
END_TEST

START_TEST(sections_are_added_at_the_end) {
    ck_assert_int_eq(reload_text("[new]\npolicy = primary_only\n[" SECTION_NAME
                                 "]\npolicy = primary_only\n[newer]\npolicy = replica_only\n"),
                     RP_OK);
    ck_assert_str_eq(plugin->section(section.set, 0), SECTION_NAME);
    ck_assert_str_eq(plugin->section(section.set, 1), "new");
    ck_assert_str_eq(plugin->section(section.set, 2), "newer");
    ck_assert_ptr_null(plugin->section(section.set, 3));
    ck_assert_ptr_eq(plugin->policy(section.set, SECTION_NAME), section.policy);
    struct rp_metric metric = {.struct_size = sizeof metric};
    ck_assert_int_eq(plugin->metrics(section.set, 3 * COUNT_COUNT - 1, &metric), RP_OK);
    ck_assert_str_eq(metric.section, "newer");
    ck_assert_int_eq(plugin->metrics(section.set, 3 * COUNT_COUNT, &metric), RP_E_END);
    ck_assert_ptr_nonnull(plugin->policy(section.set, "new"));
}
END_TEST

/* ---- all or nothing ---- */

static const struct {
    const char *text;
    const char *said;
} broken[] = {
    {"", "no section"},
    {"[other]\npolicy = primary_only\n", "the section [s] is missing"},
    {"[s]\npolicy = nonsense\n", "nonsense"},
    {"[s]\n", "policy"},
    {"[s]\npolicy = primary_only\nfirst_ms = 0\n", "first_ms"},
    {"[s]\npolicy = primary_only\n[new]\npolicy = nonsense\n", "[new]"},
    {"[new]\npolicy = primary_only\n[s]\npolicy = replica_then_primary\nreplica_retry_min_ms = 300",
     "replica_retry_min_ms"},
    {"[s]\npolicy = primary_only\n[s]\npolicy = primary_only\n", "duplicate"},
    {"policy = primary_only\n[s]\npolicy = primary_only\n", "before any section"},
};

START_TEST(a_broken_file_changes_nothing) {
    ck_assert_int_eq(reload_text(broken[_i].text), RP_E_CONFIG);
    ck_assert_msg(strstr(error, broken[_i].said) != NULL, "\"%s\" is not in: %s", broken[_i].said,
                  error);
    ck_assert_uint_eq(wait_ms_of(section.policy), 100);
    ck_assert_ptr_null(plugin->section(section.set, 1));
    ck_assert_ptr_null(plugin->policy(section.set, "new"));
    struct rp_metric metric = {.struct_size = sizeof metric};
    ck_assert_int_eq(plugin->metrics(section.set, COUNT_COUNT, &metric), RP_E_END);
    /* And a good one is taken afterwards. */
    ck_assert_int_eq(reload_wait(150), RP_OK);
    ck_assert_uint_eq(wait_ms_of(section.policy), 150);
}
END_TEST

START_TEST(a_file_that_is_gone_changes_nothing) {
    char path[] = "/tmp/read-policy-test-XXXXXX";
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    static const char text[] = "[s]\npolicy = primary_only\n";
    ck_assert_int_eq(write(descriptor, text, sizeof text - 1), sizeof text - 1);
    struct rp_set *set = set_must_open(plugin, path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(plugin->reload(set, error, sizeof error), RP_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(error, path));
    ck_assert_ptr_nonnull(plugin->policy(set, "s"));
    plugin->close(set);
    (void)close(descriptor);
}
END_TEST

/* ---- limits ---- */

START_TEST(an_unchanged_file_costs_nothing) {
    for (int i = 0; i < 3 * CHANGES_KEPT; i++) {
        ck_assert_int_eq(plugin->reload(section.set, error, sizeof error), RP_OK);
    }
    /* Comments, order and defaults that are written out are no change. */
    ck_assert_int_eq(reload_text("; a comment\n[" SECTION_NAME "]\nfirst_ms = 2\n"
                                 "replica_retry_max_ms = 100\npolicy=replica_then_primary\n\n"
                                 "replica_retry_min_ms=100\n"),
                     RP_OK);
    for (uint32_t i = 0; i < CHANGES_KEPT; i++) {
        ck_assert_int_eq(reload_wait(i % 2), RP_OK);
    }
    ck_assert_int_eq(reload_wait(7), RP_E_LIMIT);
}
END_TEST

START_TEST(after_1024_changes_a_reload_is_refused) {
    for (uint32_t i = 1; i <= CHANGES_KEPT; i++) {
        ck_assert_int_eq(reload_wait(i), RP_OK);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(reload_wait(5), RP_E_LIMIT);
        ck_assert_ptr_nonnull(strstr(error, "1024"));
        ck_assert_uint_eq(wait_ms_of(section.policy), CHANGES_KEPT);
    }
    /* New sections are changes too. */
    char text[512];
    (void)snprintf(text, sizeof text, "[" SECTION_NAME "]\n" WAIT "[new]\npolicy = replica_only\n",
                   (unsigned)CHANGES_KEPT, (unsigned)CHANGES_KEPT);
    ck_assert_int_eq(reload_text(text), RP_E_LIMIT);
    ck_assert_ptr_null(plugin->policy(section.set, "new"));
    /* What is in force already is no change; an error is one still. */
    ck_assert_int_eq(reload_wait(CHANGES_KEPT), RP_OK);
    ck_assert_int_eq(reload_text("nonsense"), RP_E_CONFIG);
    ck_assert_uint_eq(wait_ms_of(section.policy), CHANGES_KEPT);
}
END_TEST

/* Errors do not use up what may be kept. */
START_TEST(refused_reloads_are_not_counted) {
    for (int i = 0; i < 2 * CHANGES_KEPT; i++) {
        ck_assert_int_eq(reload_text("[s]\npolicy = nonsense\n"), RP_E_CONFIG);
    }
    ck_assert_int_eq(reload_wait(150), RP_OK);
    ck_assert_uint_eq(wait_ms_of(section.policy), 150);
}
END_TEST

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

int main(void) {
    Suite *suite = suite_create("reload");
    TCase *reloads = tcase_create("reloads");
    suite_add_tcase(suite, reloads);
    tcase_add_checked_fixture(reloads, set_up, tear_down);
    tcase_set_timeout(reloads, 60);
    tcase_add_test(reloads, a_changed_file_holds_for_new_reads);
    tcase_add_test(reloads, reads_under_way_finish_as_begun);
    tcase_add_test(reloads, counters_stay);
    tcase_add_test(reloads, metric_names_follow_and_old_ones_stay);
    tcase_add_test(reloads, sections_are_added_at_the_end);
    tcase_add_loop_test(reloads, a_broken_file_changes_nothing, 0, COUNT_OF(broken));
    tcase_add_test(reloads, a_file_that_is_gone_changes_nothing);
    tcase_add_test(reloads, an_unchanged_file_costs_nothing);
    tcase_add_test(reloads, after_1024_changes_a_reload_is_refused);
    tcase_add_test(reloads, refused_reloads_are_not_counted);
    return suite_run(suite);
}
