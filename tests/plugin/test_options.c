/*
 * test_options.c - every key of a section: bounds, defaults, choices, what keys demand of each
 * other, and the exact words of every error.
 *
 * The keys are those that the plugin itself enumerates, held against the table of the design.
 */
#include "tests/lib/scripted_read.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THEN_PRIMARY "policy = replica_then_primary\n"

static struct opened_plugin opened;
static const struct rp_plugin *plugin;
static struct ini_memory_file file;

static void set_up(void) {
    plugin_open(&opened);
    plugin = opened.table;
    ini_file_create(&file, "");
}

static void tear_down(void) {
    ini_file_close(&file);
    plugin_close(&opened);
}

/* What loading the text says: the error without the file's path in each line, or "" if it loads;
 * then `description` (if not NULL) receives what the section [s] will do. */
static void load(const char *text, char *said, size_t capacity, char *description) {
    char error[RP_ERROR_BYTES];
    struct rp_set *set = NULL;
    ini_file_write(&file, text);
    const int32_t status = plugin->open(file.path, ALL_CAPABILITIES, &set, error, sizeof error);
    ck_assert_int_eq(status, error[0] == '\0' ? RP_OK : RP_E_CONFIG);
    said[0] = '\0';
    for (char *line = strtok(error, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const size_t path_length = strlen(file.path);
        ck_assert_msg(strncmp(line, file.path, path_length) == 0, "no path in: %s", line);
        const size_t length = strlen(said);
        (void)snprintf(said + length, capacity - length, "%s%s", length == 0 ? "" : "\n",
                       line + path_length);
    }
    if (set != NULL && description != NULL) {
        (void)plugin->describe(plugin->policy(set, "s"), description, 4096);
    }
    plugin->close(set);
}

static void assert_says(const char *text, const char *expected) {
    char said[RP_ERROR_BYTES];
    load(text, said, sizeof said, NULL);
    ck_assert_msg(strcmp(said, expected) == 0, "%s\nexpected: %s\ngot:      %s", text, expected,
                  said);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int32_t type;
    uint32_t min, max;
    const char *fallback; /* NULL: required */
    const char *unit;
    const char *choices;   /* with spaces between */
    const char *companion; /* a line that lets every value within the bounds be taken */
} keys[] = {
    {"policy", RP_KEY_CHOICE, 0, 0, NULL, "",
     "replica_then_primary read_index replica_backoff primary_only replica_only", ""},
    {"replica_retry_min_ms", RP_KEY_NUMBER, 0, 60000, "50", "ms", NULL,
     "replica_retry_max_ms = 60000\n"},
    {"replica_retry_max_ms", RP_KEY_NUMBER, 0, 60000, "200", "ms", NULL,
     "replica_retry_min_ms = 0\n"},
    {"first_ms", RP_KEY_NUMBER, 1, 60000, "2", "ms", NULL, ""},
    {"max_wait_ms", RP_KEY_NUMBER, 0, 60000, "200", "ms", NULL, ""},
    {"when", RP_KEY_CHOICE, 0, 0, "miss", "", "miss always", ""},
    {"replica_pick", RP_KEY_CHOICE, 0, 0, "same", "", "same next freshest", ""},
    {"max_lag_ms", RP_KEY_NUMBER, 0, 60000, "0", "ms", NULL, ""},
    {"on_replica_failure", RP_KEY_CHOICE, 0, 0, "error", "", "error primary", ""},
    {"primary_budget_per_s", RP_KEY_NUMBER, 0, 1000000, "0", "reads per second", NULL, ""},
    {"primary_budget_burst", RP_KEY_NUMBER, 0, 1000000, "0", "reads", NULL,
     "primary_budget_per_s = 1\n"},
    {"metric_prefix", RP_KEY_TEXT, 0, 199, "", "", NULL, ""},
};
#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

START_TEST(a_key_is_as_designed) {
    struct rp_key key = {.struct_size = sizeof key};
    char choices[256] = "";
    ck_assert_int_eq(plugin->key((uint32_t)_i, &key), RP_OK);
    for (int i = 0; key.choices != NULL && key.choices[i] != NULL; i++) {
        const size_t length = strlen(choices);
        (void)snprintf(choices + length, sizeof choices - length, "%s%s", i == 0 ? "" : " ",
                       key.choices[i]);
    }
    ck_assert_str_eq(key.name, keys[_i].name);
    ck_assert_int_eq(key.type, keys[_i].type);
    ck_assert_uint_eq(key.min, keys[_i].min);
    ck_assert_uint_eq(key.max, keys[_i].max);
    ck_assert_pstr_eq(key.default_value, keys[_i].fallback);
    ck_assert_str_eq(key.unit, keys[_i].unit);
    ck_assert_str_eq(choices, keys[_i].choices != NULL ? keys[_i].choices : "");
    ck_assert_int_eq(key.help[strlen(key.help) - 1], '.');
    ck_assert_int_eq(plugin->key(COUNT_OF(keys), &key), RP_E_END);
}
END_TEST

/* ---- numbers ---- */

static void try_number(int key, const char *value, const char *wrong) {
    char text[512];
    char expected[512] = "";
    const char *unit = keys[key].unit;
    (void)snprintf(text, sizeof text, "[s]\n" THEN_PRIMARY "%s = %s\n%s", keys[key].name, value,
                   keys[key].companion);
    if (wrong != NULL) {
        (void)snprintf(expected, sizeof expected,
                       ":3: [s] %s = %s: %s; accepted: %u to %u (%s), default %s", keys[key].name,
                       value, wrong, keys[key].min, keys[key].max, unit, keys[key].fallback);
    }
    assert_says(text, expected);
}

START_TEST(a_number_is_taken_within_its_bounds_and_refused_without) {
    char value[32];
    if (keys[_i].type != RP_KEY_NUMBER) {
        return;
    }
    (void)snprintf(value, sizeof value, "%u", keys[_i].min);
    try_number(_i, value, NULL);
    (void)snprintf(value, sizeof value, "%u", keys[_i].max);
    try_number(_i, value, NULL);
    (void)snprintf(value, sizeof value, "%d", (int)keys[_i].min - 1);
    try_number(_i, value, "too small");
    (void)snprintf(value, sizeof value, "%u", keys[_i].max + 1);
    try_number(_i, value, "too large");
    try_number(_i, "4294967296", "too large");
    try_number(_i, "4294967297", "too large");
    try_number(_i, "18446744073709551617", "too large");
    try_number(_i, "99999999999999999999999999", "too large");
    try_number(_i, "", "empty");
    try_number(_i, "ten", "not a number");
    try_number(_i, "1x", "not a number");
    try_number(_i, "0x10", "not a number");
    try_number(_i, "1.5", "not a number");
    try_number(_i, "1 2", "not a number");
    try_number(_i, "1e3", "not a number");
    try_number(_i, "+1", "a number is written without a sign");
}
END_TEST

/* ---- choices ---- */

START_TEST(a_choice_is_one_of_its_words) {
    char words[256];
    char said[RP_ERROR_BYTES];
    char text[512];
    if (keys[_i].type != RP_KEY_CHOICE) {
        return;
    }
    const char *above = _i == 0 ? "" : THEN_PRIMARY;
    (void)snprintf(words, sizeof words, "%s", keys[_i].choices);
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        (void)snprintf(text, sizeof text, "[s]\n%s%s = %s\n", above, keys[_i].name, word);
        assert_says(text, "");
        /* Words are not abbreviated, and their case counts. */
        word[strlen(word) - 1] = '\0';
        (void)snprintf(text, sizeof text, "[s]\n%s%s = %s\n", above, keys[_i].name, word);
        load(text, said, sizeof said, NULL);
        ck_assert_ptr_nonnull(strstr(said, "unknown; did you mean"));
    }
}
END_TEST

/* ---- defaults ---- */

/* read_index waits longer: while a bulk transaction runs, the primary's WAL is flushed, and so
 * replayed, every 200 ms. */
static const char *default_of(const char *policy, const char *key, const char *usual) {
    const bool own = strcmp(policy, "read_index") == 0 && strcmp(key, "max_wait_ms") == 0;
    return own ? "300" : usual;
}

/* Written out they change nothing. */
START_TEST(a_default_written_out_is_the_default) {
    static const char *const policies[] = {"replica_then_primary", "read_index", "replica_backoff"};
    if (keys[_i].fallback == NULL) {
        return;
    }
    for (int i = 0; i < COUNT_OF(policies); i++) {
        char said[RP_ERROR_BYTES];
        char without[4096];
        char with[4096];
        char text[512];
        (void)snprintf(text, sizeof text, "[s]\npolicy = %s\n", policies[i]);
        load(text, said, sizeof said, without);
        ck_assert_str_eq(said, "");
        (void)snprintf(text, sizeof text, "[s]\npolicy = %s\n%s = %s\n", policies[i], keys[_i].name,
                       default_of(policies[i], keys[_i].name, keys[_i].fallback));
        load(text, said, sizeof said, with);
        ck_assert_str_eq(said, "");
        ck_assert_str_eq(with, without);
    }
}
END_TEST

/* ---- errors, word by word ---- */

#define POLICIES                                                                                   \
    "replica_then_primary, read_index, replica_backoff, primary_only or replica_only, required"

static const struct {
    const char *text;
    const char *said;
} errors[] = {
    /* unknown keys and words */
    {"[s]\npolicy = replica_then_primry\n", ":2: [s] policy = replica_then_primry: unknown; did "
                                            "you mean replica_then_primary? accepted: " POLICIES},
    {"[s]\npolicy = quorum\n", ":2: [s] policy = quorum: unknown; accepted: " POLICIES},
    {"[s]\npolicy =\n", ":2: [s] policy = : empty; accepted: " POLICIES},
    {"[s]\nfirst_ms = 3\n", ":1: [s] policy: missing; accepted: " POLICIES},
    {"[s]\n" THEN_PRIMARY "replica_retry_mx_ms = 5\n",
     ":3: [s] replica_retry_mx_ms = 5: unknown key; did you mean replica_retry_max_ms?"},
    {"[s]\n" THEN_PRIMARY "Policy = primary_only\n",
     ":3: [s] Policy = primary_only: unknown key; did you mean policy?"},
    {"[s]\n" THEN_PRIMARY "zzzzzz = 1\n",
     ":3: [s] zzzzzz = 1: unknown key; known keys: policy, replica_retry_min_ms, "
     "replica_retry_max_ms, first_ms, max_wait_ms, when, replica_pick, max_lag_ms, "
     "on_replica_failure, "
     "primary_budget_per_s, primary_budget_burst, metric_prefix"},
    {"[s]\n" THEN_PRIMARY "when = Miss\n",
     ":3: [s] when = Miss: unknown; did you mean miss? accepted: miss or always, default miss"},
    {"[s]\n" THEN_PRIMARY "replica_pick = random\n",
     ":3: [s] replica_pick = random: unknown; accepted: same, next or freshest, default "
     "same"},

    {"[s]\npolicy = read_index\nmax_wait_ms = x\n",
     ":3: [s] max_wait_ms = x: not a number; accepted: 0 to 60000 (ms), default 300"},
    {"[s]\npolicy = replica_backoff\nmax_wait_ms = x\n",
     ":3: [s] max_wait_ms = x: not a number; accepted: 0 to 60000 (ms), default 200"},

    /* the minimum and the maximum */
    {"[s]\n" THEN_PRIMARY "replica_retry_min_ms = 201\n",
     ":3: [s] replica_retry_min_ms = 201 is above replica_retry_max_ms = 200 (the default); the "
     "minimum must not exceed the maximum, unless the maximum is 0 (no retry)"},
    {"[s]\n" THEN_PRIMARY "replica_retry_max_ms = 49\n",
     ":3: [s] replica_retry_min_ms = 50 (the default) is above replica_retry_max_ms = 49; the "
     "minimum must not exceed the maximum, unless the maximum is 0 (no retry)"},
    {"[s]\nreplica_retry_max_ms = 6\n" THEN_PRIMARY "replica_retry_min_ms = 7\n",
     ":4: [s] replica_retry_min_ms = 7 is above replica_retry_max_ms = 6; the minimum must not "
     "exceed the maximum, unless the maximum is 0 (no retry)"},
    {"[s]\n" THEN_PRIMARY "replica_retry_max_ms = 0\n", ""},
    {"[s]\n" THEN_PRIMARY "replica_retry_min_ms = 60000\nreplica_retry_max_ms = 0\n", ""},
    {"[s]\n" THEN_PRIMARY "replica_retry_min_ms = 200\n", ""},
    {"[s]\n" THEN_PRIMARY "replica_retry_max_ms = 50\n", ""},

    /* the burst and its rate */
    {"[s]\n" THEN_PRIMARY "primary_budget_burst = 5\n",
     ":3: [s] primary_budget_burst = 5: a burst without a rate; set primary_budget_per_s (1 to "
     "1000000) as well, or leave the burst out"},
    {"[s]\n" THEN_PRIMARY "primary_budget_per_s = 0\nprimary_budget_burst = 5\n",
     ":4: [s] primary_budget_burst = 5: a burst without a rate; set primary_budget_per_s (1 to "
     "1000000) as well, or leave the burst out"},
    {"[s]\n" THEN_PRIMARY "primary_budget_burst = 0\n", ""},
    {"[s]\n" THEN_PRIMARY "primary_budget_per_s = 5\n", ""},

    /* metric_prefix */
    {"[s]\n" THEN_PRIMARY "metric_prefix = 1abc\n",
     ":3: [s] metric_prefix = 1abc: not a metric name; accepted: letters, digits, _ and ., "
     "beginning with a letter or _"},
    {"[s]\n" THEN_PRIMARY "metric_prefix = .abc\n",
     ":3: [s] metric_prefix = .abc: not a metric name; accepted: letters, digits, _ and ., "
     "beginning with a letter or _"},
    {"[s]\n" THEN_PRIMARY "metric_prefix = a-b\n",
     ":3: [s] metric_prefix = a-b: not a metric name; accepted: letters, digits, _ and ., "
     "beginning with a letter or _"},
    {"[s]\n" THEN_PRIMARY "metric_prefix = _a.B_9\n", ""},
    {"[s]\n" THEN_PRIMARY "metric_prefix = caf\xe9\n",
     ":3: [s] metric_prefix = caf\\xe9: not a metric name; accepted: letters, digits, _ and ., "
     "beginning with a letter or _"},
    /* a section is called the same in all errors */
    {"[caf\xc3\xa9]\n" THEN_PRIMARY "when = x\nprimary_budget_burst = 2\nmetric_prefix = -\n"
     "replica_retry_max_ms = 1\n",
     ":3: [caf\\xc3\\xa9] when = x: unknown; accepted: miss or always, default miss\n"
     ":6: [caf\\xc3\\xa9] replica_retry_min_ms = 50 (the default) is above "
     "replica_retry_max_ms = 1; the minimum must not exceed the maximum, unless the maximum is 0 "
     "(no retry)\n"
     ":4: [caf\\xc3\\xa9] primary_budget_burst = 2: a burst without a rate; set "
     "primary_budget_per_s (1 to 1000000) as well, or leave the burst out\n"
     ":5: [caf\\xc3\\xa9] metric_prefix = -: not a metric name; accepted: letters, digits, _ and "
     "., beginning with a letter or _"},

    /* the keys of all policies may stand in every section */
    {"[s]\npolicy = primary_only\nfirst_ms = 5\nwhen = always\nprimary_budget_per_s = 3\n", ""},

    /* all errors of a file in one go, section by section */
    {"[s]\npolicy = x\nfirst_ms = 0\nfoo = 1\n[t]\n" THEN_PRIMARY
     "replica_retry_min_ms = 300\nprimary_budget_burst = 2\nmetric_prefix = -\n[u]\n",
     ":2: [s] policy = x: unknown; accepted: " POLICIES "\n"
     ":3: [s] first_ms = 0: too small; accepted: 1 to 60000 (ms), default 2\n"
     ":4: [s] foo = 1: unknown key; known keys: policy, replica_retry_min_ms, "
     "replica_retry_max_ms, first_ms, max_wait_ms, when, replica_pick, max_lag_ms, "
     "on_replica_failure, "
     "primary_budget_per_s, primary_budget_burst, metric_prefix\n"
     ":7: [t] replica_retry_min_ms = 300 is above replica_retry_max_ms = 200 (the default); the "
     "minimum must not exceed the maximum, unless the maximum is 0 (no retry)\n"
     ":8: [t] primary_budget_burst = 2: a burst without a rate; set primary_budget_per_s (1 to "
     "1000000) as well, or leave the burst out\n"
     ":9: [t] metric_prefix = -: not a metric name; accepted: letters, digits, _ and ., beginning "
     "with a letter or _\n"
     ":10: [u] policy: missing; accepted: " POLICIES},
    /* a wrong value does not hide what is wrong with others, nor gives rise to further errors */
    {"[s]\npolicy = x\nfirst_ms = 0\nreplica_retry_min_ms = 300\n",
     ":2: [s] policy = x: unknown; accepted: " POLICIES "\n"
     ":3: [s] first_ms = 0: too small; accepted: 1 to 60000 (ms), default 2\n"
     ":4: [s] replica_retry_min_ms = 300 is above replica_retry_max_ms = 200 (the default); the "
     "minimum must not exceed the maximum, unless the maximum is 0 (no retry)"},
    {"[s]\n" THEN_PRIMARY "replica_retry_min_ms = 300\nreplica_retry_max_ms = 99999\n",
     ":4: [s] replica_retry_max_ms = 99999: too large; accepted: 0 to 60000 (ms), default 200"},
    {"[s]\n" THEN_PRIMARY "primary_budget_burst = 3\nprimary_budget_per_s = x\n",
     ":4: [s] primary_budget_per_s = x: not a number; accepted: 0 to 1000000 (reads per second), "
     "default 0"},
    {"", ": no section; there must be one for each read path of the host, such as "
         "[snapshots_since]"},
};

START_TEST(errors_say_what_is_wrong_and_what_is_accepted) {
    assert_says(errors[_i].text, errors[_i].said);
}
END_TEST

/* ---- names of metrics ---- */

static const struct {
    const char *text;
    const char *name;
} metric_names[] = {
    {"[snapshots_since]\n" THEN_PRIMARY, "run_engine.snapshots_since.replica_miss"},
    {"[s]\n" THEN_PRIMARY "metric_prefix =\n", "run_engine.s.replica_miss"},
    {"[s]\n" THEN_PRIMARY "metric_prefix = x\n", "x.replica_miss"},
    /* A section may be named as it likes; a metric may not. */
    {"[my reads-\xc3\xa9]\n" THEN_PRIMARY, "run_engine.my_reads___.replica_miss"},
    {"[0123456789012345678901234567890123456789012345678]\n" THEN_PRIMARY,
     "run_engine.0123456789012345678901234567890123456789012345678.replica_miss"},
};

/* A description does not tell of a retry and of none. */
START_TEST(where_nothing_retries_nothing_moves_on) {
    char said[RP_ERROR_BYTES];
    char description[4096];
    load("[s]\npolicy = replica_then_primary\nreplica_pick = next\n", said, sizeof said,
         description);
    ck_assert_ptr_nonnull(strstr(description, "a retry moves on to the next one"));
    load("[s]\npolicy = replica_then_primary\nreplica_pick = next\nreplica_retry_min_ms = 0\n"
         "replica_retry_max_ms = 0\n",
         said, sizeof said, description);
    ck_assert_ptr_null(strstr(description, "moves on"));
}
END_TEST

/* Nor of a bound that is not set, or of what another policy does with the same key. */
static const struct {
    const char *text;
    const char *said;
    const char *not_said;
} descriptions[] = {
    {"policy = replica_then_primary\n", "are not limited", "at once"},
    {"policy = replica_then_primary\n", "[s]", "is not asked"},
    {"policy = replica_backoff\n", "All waits together", "awaited"},
    {"policy = read_index\n", "Positions are awaited", "polls"},
    /* At least 1, 2, 4, ... ms: the last one ends with max_wait_ms, or is the first beyond it. */
    {"policy = replica_backoff\nfirst_ms = 2\nmax_wait_ms = 3\n", "(2 polls)", "3 polls"},
    {"policy = replica_backoff\nfirst_ms = 2\nmax_wait_ms = 4\n", "(3 polls)", "2 polls"},
};

START_TEST(a_description_says_what_bears_on_a_read) {
    char text[512];
    char said[RP_ERROR_BYTES];
    char description[4096];
    (void)snprintf(text, sizeof text, "[s]\n%s", descriptions[_i].text);
    load(text, said, sizeof said, description);
    ck_assert_ptr_nonnull(strstr(description, descriptions[_i].said));
    ck_assert_ptr_null(strstr(description, descriptions[_i].not_said));
}
END_TEST

START_TEST(metrics_are_named_after_prefix_or_section) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    ini_file_write(&file, metric_names[_i].text);
    struct rp_set *set = set_must_open(plugin, file.path);
    ck_assert_int_eq(plugin->metrics(set, 0, &metric), RP_OK);
    ck_assert_str_eq(metric.name, metric_names[_i].name);
    plugin->close(set);
}
END_TEST

/* As long as a line allows. */
START_TEST(the_longest_prefix) {
    static const char key[] = "metric_prefix=";
    char text[512];
    char prefix[200] = "";
    memset(prefix, 'p', 199 - (sizeof key - 1));
    (void)snprintf(text, sizeof text, "[s]\n" THEN_PRIMARY "%s%s\n", key, prefix);
    ini_file_write(&file, text);
    struct rp_set *set = set_must_open(plugin, file.path);
    struct rp_metric metric = {.struct_size = sizeof metric};
    for (uint32_t i = 0; i < COUNT_COUNT; i++) {
        ck_assert_int_eq(plugin->metrics(set, i, &metric), RP_OK);
        ck_assert_int_eq(strncmp(metric.name, prefix, strlen(prefix)), 0);
        ck_assert_int_eq(metric.name[strlen(prefix)], '.');
    }
    plugin->close(set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *table = tcase_create("options");
    suite_add_tcase(suite, table);
    tcase_add_checked_fixture(table, set_up, tear_down);
    tcase_add_loop_test(table, a_key_is_as_designed, 0, COUNT_OF(keys));
    tcase_add_loop_test(table, a_number_is_taken_within_its_bounds_and_refused_without, 0,
                        COUNT_OF(keys));
    tcase_add_loop_test(table, a_choice_is_one_of_its_words, 0, COUNT_OF(keys));
    tcase_add_loop_test(table, a_default_written_out_is_the_default, 0, COUNT_OF(keys));
    tcase_add_loop_test(table, errors_say_what_is_wrong_and_what_is_accepted, 0, COUNT_OF(errors));
    tcase_add_test(table, where_nothing_retries_nothing_moves_on);
    tcase_add_loop_test(table, a_description_says_what_bears_on_a_read, 0, COUNT_OF(descriptions));
    tcase_add_loop_test(table, metrics_are_named_after_prefix_or_section, 0,
                        COUNT_OF(metric_names));
    tcase_add_test(table, the_longest_prefix);
    return suite_run(suite);
}
