/*
 * options.c - the table of keys, and the checks that concern several of them.
 */
#include "options.h"

#include <stdio.h>
#include <string.h>

static const char *const when_choices[] = {"miss", "always", NULL};
static const char *const pick_choices[] = {"same", "next", NULL};
static const char *const failure_choices[] = {"error", "primary", NULL};

#define AT(member) offsetof(struct rp_options, member)

#define MAX_MS     60000
#define MAX_BUDGET 1000000

const struct ini_key rp_option_keys[RP_OPTION_COUNT] = {
    {.name = "policy",
     .type = INI_CHOICE,
     .choices = rp_policy_names,
     .unit = "",
     .offset = AT(policy),
     .help = "What decides where a read goes next."},
    {.name = "replica_retry_min_ms",
     .type = INI_NUMBER,
     .max = MAX_MS,
     .fallback = "50",
     .unit = "ms",
     .offset = AT(replica_retry_min_ms),
     .help = "Shortest wait before the replica is read again."},
    {.name = "replica_retry_max_ms",
     .type = INI_NUMBER,
     .max = MAX_MS,
     .fallback = "200",
     .unit = "ms",
     .offset = AT(replica_retry_max_ms),
     .help = "Longest wait before the replica is read again; 0 skips the retry."},
    {.name = "first_ms",
     .type = INI_NUMBER,
     .min = 1,
     .max = MAX_MS,
     .fallback = "2",
     .unit = "ms",
     .offset = AT(first_ms),
     .help = "Longest first wait of replica_backoff; each later one is up to twice as long."},
    {.name = "max_wait_ms",
     .type = INI_NUMBER,
     .max = MAX_MS,
     .fallback = "200",
     .unit = "ms",
     .offset = AT(max_wait_ms),
     .help = "Longest wait for a position (read_index, each) or of all polls together "
             "(replica_backoff); 0 waits not at all."},
    {.name = "when",
     .type = INI_CHOICE,
     .choices = when_choices,
     .fallback = "miss",
     .unit = "",
     .offset = AT(when),
     .help =
         "Whether read_index locates the primary after a miss or always before the first read."},
    {.name = "replica_pick",
     .type = INI_CHOICE,
     .choices = pick_choices,
     .fallback = "same",
     .unit = "",
     .offset = AT(replica_pick),
     .help = "With several replicas: whether a retry stays on the one that was asked or moves on."},
    {.name = "on_replica_failure",
     .type = INI_CHOICE,
     .choices = failure_choices,
     .fallback = "error",
     .unit = "",
     .offset = AT(on_replica_failure),
     .help = "Whether a read that fails on a replica (not: misses) is an error or goes to the "
             "primary."},
    {.name = "primary_budget_per_s",
     .type = INI_NUMBER,
     .max = MAX_BUDGET,
     .fallback = "0",
     .unit = "reads per second",
     .offset = AT(primary_budget_per_s),
     .help = "How many fallback reads of the primary this process, or all that share its "
             "state, may make; 0 sets no limit."},
    {.name = "primary_budget_burst",
     .type = INI_NUMBER,
     .max = MAX_BUDGET,
     .fallback = "0",
     .unit = "reads",
     .offset = AT(primary_budget_burst),
     .help = "How many of them may come at once; 0 takes the value of primary_budget_per_s."},
    {.name = "metric_prefix",
     .type = INI_TEXT,
     .max = INI_MAX_VALUE_BYTES,
     .fallback = "",
     .unit = "",
     .offset = AT(metric_prefix),
     .help =
         "What the names of the counters begin with; empty takes `run_engine.` and the section's "
         "name."},
};

/* " (the default)" where the file does not set the key: else the reader looks for it in vain. */
static const char *origin(const struct ini_section *section, const char *key) {
    return ini_find(section, key) != NULL ? "" : " (the default)";
}

/* The line of a key, or of the section's header where the key is not set. */
static unsigned line_of(const struct ini_section *section, const char *key) {
    const struct ini_entry *entry = ini_find(section, key);
    return entry != NULL ? entry->line : section->line;
}

static void check_retry_bounds(const struct ini_document *document,
                               const struct ini_section *section, const struct rp_options *options,
                               struct ini_errors *errors) {
    const char *min_key = "replica_retry_min_ms";
    const char *max_key = "replica_retry_max_ms";
    if (options->replica_retry_max_ms == 0 ||
        options->replica_retry_min_ms <= options->replica_retry_max_ms) {
        return;
    }
    const char *at = ini_find(section, min_key) != NULL ? min_key : max_key;
    ini_errors_add(errors,
                   "%s:%u: [%s] %s = %u%s is above %s = %u%s; the minimum must not exceed the "
                   "maximum, unless the maximum is 0 (no retry)",
                   document->path, line_of(section, at), section->name, min_key,
                   options->replica_retry_min_ms, origin(section, min_key), max_key,
                   options->replica_retry_max_ms, origin(section, max_key));
}

static void check_budget(const struct ini_document *document, const struct ini_section *section,
                         const struct rp_options *options, struct ini_errors *errors) {
    if (options->primary_budget_burst == 0 || options->primary_budget_per_s != 0) {
        return;
    }
    ini_errors_add(errors,
                   "%s:%u: [%s] primary_budget_burst = %u: a burst without a rate; set "
                   "primary_budget_per_s (1 to %d) as well, or leave the burst out",
                   document->path, line_of(section, "primary_budget_burst"), section->name,
                   options->primary_budget_burst, MAX_BUDGET);
}

/* Letters, digits, "_" and "." (which hosts turn to "_"), not beginning with a digit: so that every
 * metrics system takes the names. */
static const char prefix_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.0123456789";

static void check_metric_prefix(const struct ini_document *document,
                                const struct ini_section *section, const struct rp_options *options,
                                struct ini_errors *errors) {
    const char *prefix = options->metric_prefix;
    if (prefix[strspn(prefix, prefix_bytes)] == '\0' && strchr("0123456789.", prefix[0]) == NULL) {
        return;
    }
    if (prefix[0] == '\0') {
        return;
    }
    ini_errors_add(
        errors,
        "%s:%u: [%s] metric_prefix = %s: not a metric name; accepted: letters, digits, _ "
        "and ., beginning with a letter or _",
        document->path, line_of(section, "metric_prefix"), section->name, prefix);
}

/* Whether all of these keys, ended by NULL, have good values: else a check of them together would
 * speak of values that are not the file's. */
static bool all_good(const struct ini_section *section, const char *const *names) {
    for (; *names != NULL; names++) {
        for (size_t i = 0; i < RP_OPTION_COUNT; i++) {
            if (strcmp(rp_option_keys[i].name, *names) == 0 &&
                !ini_is_good(section, &rp_option_keys[i])) {
                return false;
            }
        }
    }
    return true;
}

bool options_policy_is_good(const struct ini_section *section) {
    return all_good(section, (const char *const[]){"policy", NULL});
}

/* A section may be named as it likes; what no metric's name may hold becomes "_". */
static void set_default_prefix(struct rp_options *options, const char *section) {
    (void)snprintf(options->metric_prefix, sizeof options->metric_prefix, "run_engine.%s", section);
    for (char *at = options->metric_prefix; *at != '\0'; at++) {
        if (strchr(prefix_bytes, *at) == NULL) {
            *at = '_';
        }
    }
}

void options_read(const struct ini_document *document, const struct ini_section *section,
                  struct rp_options *options, struct ini_errors *errors) {
    static const char *const retry[] = {"replica_retry_min_ms", "replica_retry_max_ms", NULL};
    static const char *const budget[] = {"primary_budget_per_s", "primary_budget_burst", NULL};
    /* All bytes count when a reload compares options, so none may be left to chance. */
    memset(options, 0, sizeof *options);
    ini_read_section(document, section, rp_option_keys, RP_OPTION_COUNT, options, errors);
    if (all_good(section, retry)) {
        check_retry_bounds(document, section, options, errors);
    }
    if (all_good(section, budget)) {
        check_budget(document, section, options, errors);
    }
    check_metric_prefix(document, section, options, errors);
    if (options->primary_budget_burst == 0) {
        options->primary_budget_burst = options->primary_budget_per_s;
    }
    if (options->metric_prefix[0] == '\0') {
        set_default_prefix(options, section->name);
    }
}

int32_t options_key(uint32_t index, struct rp_key *key) {
    static const int32_t types[] = {
        [INI_NUMBER] = RP_KEY_NUMBER, [INI_CHOICE] = RP_KEY_CHOICE, [INI_TEXT] = RP_KEY_TEXT};
    const size_t room = sizeof key->choices / sizeof key->choices[0];
    if (key == NULL || key->struct_size < sizeof *key) {
        return RP_E_ARGUMENT;
    }
    if (index >= RP_OPTION_COUNT) {
        return RP_E_END;
    }
    const struct ini_key *row = &rp_option_keys[index];
    *key = (struct rp_key){.struct_size = key->struct_size,
                           .type = types[row->type],
                           .min = row->min,
                           .max = row->max,
                           .name = row->name,
                           .default_value = row->fallback,
                           .unit = row->unit,
                           .help = row->help};
    for (size_t i = 0; row->choices != NULL && row->choices[i] != NULL && i + 1 < room; i++) {
        key->choices[i] = row->choices[i];
    }
    return RP_OK;
}
