/*
 * options.c - the table of keys, the sentence of each, and the checks that concern several.
 */
#include "options.h"

#include "strict-ini/error_text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const when_choices[] = {"miss", "always", NULL};
static const char *const pick_choices[] = {"same", "next", "freshest", NULL};
static const char *const failure_choices[] = {"error", "primary", NULL};

#define AT(member) offsetof(struct rp_options, member)

#define MAX_MS     60000
#define MAX_BUDGET 1000000

/* ---- what each key says in `describe`, as a sentence that begins with a space ---- */

static void say_policy(struct text *text, const struct rp_options *options,
                       const struct rp_policy_kind *kind) {
    (void)options;
    text_add(text, " policy = %s. %s", kind->name, kind->summary);
}

/* What another key of a pair says for both. */
static void say_nothing(struct text *text, const struct rp_options *options,
                        const struct rp_policy_kind *kind) {
    (void)text;
    (void)options;
    (void)kind;
}

static void say_retry(struct text *text, const struct rp_options *options,
                      const struct rp_policy_kind *kind) {
    (void)kind;
    if (options->replica_retry_max_ms == 0) {
        text_add(text, " That retry is left out, since replica_retry_max_ms is 0.");
    } else {
        text_add(text, " The wait before the retry is %u to %u ms.", options->replica_retry_min_ms,
                 options->replica_retry_max_ms);
    }
}

static void say_first_wait(struct text *text, const struct rp_options *options,
                           const struct rp_policy_kind *kind) {
    (void)kind;
    if (options->max_wait_ms == 0) {
        return; /* there is none */
    }
    text_add(text, " The first wait is at most %u ms.", options->first_ms);
}

static void say_max_wait(struct text *text, const struct rp_options *options,
                         const struct rp_policy_kind *kind) {
    if (options->max_wait_ms == 0) {
        text_add(text, " Nothing is waited for: what a replica lacks is the primary's to answer.");
    } else if (options_are_used(kind, "first_ms")) {
        text_add(text, " All waits together take at most %u ms (%u polls).", options->max_wait_ms,
                 options_max_polls(options));
    } else {
        text_add(
            text,
            " Positions are awaited for at most %u ms; on its way to one the replica is read up "
            "to %u times.",
            options->max_wait_ms, RP_MAX_LOOKS);
    }
}

static void say_when(struct text *text, const struct rp_options *options,
                     const struct rp_policy_kind *kind) {
    (void)kind;
    text_add(text, " The primary is located %s.",
             options->when == RP_WHEN_ALWAYS ? "before every first read" : "after a miss");
    if (options->max_wait_ms > 0) {
        text_add(text, " A row missing on a replica that has reached the located position is "
                       "proven absent, without a read of the primary's tables.");
    }
}

/* Whether a replica can be asked once more. */
static bool retries(const struct rp_options *options, const struct rp_policy_kind *kind) {
    return options_are_used(kind, "max_wait_ms") ? options->max_wait_ms > 0
                                                 : options->replica_retry_max_ms > 0;
}

static void say_pick(struct text *text, const struct rp_options *options,
                     const struct rp_policy_kind *kind) {
    static const char *const words[] = {
        [RP_PICK_SAME] = "stays on the one that was asked",
        [RP_PICK_NEXT] = "moves on to the next one",
        [RP_PICK_FRESHEST] =
            ("goes to one that has reached the wanted position, or else to the one "
             "that is furthest")};
    if (retries(options, kind)) {
        text_add(text, " With several replicas, a retry %s.", words[options->replica_pick]);
    }
}

static void say_lag(struct text *text, const struct rp_options *options,
                    const struct rp_policy_kind *kind) {
    (void)kind;
    if (options->max_lag_ms != 0) {
        text_add(
            text,
            " A replica that is more than %u ms behind, or has been of unknown lag for longer, "
            "is not asked; if none is left, that is a failure of the replica.",
            options->max_lag_ms);
    }
}

static void say_failure(struct text *text, const struct rp_options *options,
                        const struct rp_policy_kind *kind) {
    (void)kind;
    text_add(text, " A failure of the replica %s.",
             options->on_replica_failure == RP_FAILURE_PRIMARY
                 ? "is served by the primary"
                 : "is an error; it is not shifted to the primary");
}

static void say_budget(struct text *text, const struct rp_options *options,
                       const struct rp_policy_kind *kind) {
    (void)kind;
    if (options->primary_budget_per_s == 0) {
        text_add(text, " Reads of the primary are not limited.");
    } else {
        text_add(text, " At most %u reads of the primary a second; more are shed.",
                 options->primary_budget_per_s);
    }
}

static void say_burst(struct text *text, const struct rp_options *options,
                      const struct rp_policy_kind *kind) {
    (void)kind;
    if (options->primary_budget_per_s != 0) {
        text_add(text, " Up to %u at once.", options->primary_budget_burst);
    }
}

static void say_prefix(struct text *text, const struct rp_options *options,
                       const struct rp_policy_kind *kind) {
    (void)kind;
    text_add(text, " Counters: %s.*", options->metric_prefix);
}

/* ---- the table ---- */

/* Where the default depends on the policy, the table has the usual one. */
#define READ_INDEX_MAX_WAIT "300"
static const struct {
    const char *policy;
    const char *key;
    const char *fallback;
} own_defaults[] = {{"read_index", "max_wait_ms", READ_INDEX_MAX_WAIT}};

/* KEY(name, what says it, and its struct ini_key) */
#define KEYS(KEY)                                                                                  \
    KEY(policy, say_policy, .type = INI_CHOICE, .choices = rp_policy_names, .unit = "",            \
        .help = "What decides where a read goes next.")                                            \
    KEY(replica_retry_min_ms, say_nothing, .type = INI_NUMBER, .max = MAX_MS, .fallback = "50",    \
        .unit = "ms", .help = "Shortest wait before the replica is read again.")                   \
    KEY(replica_retry_max_ms, say_retry, .type = INI_NUMBER, .max = MAX_MS, .fallback = "200",     \
        .unit = "ms", .help = "Longest wait before the replica is read again; 0 skips the retry.") \
    KEY(first_ms, say_first_wait, .type = INI_NUMBER, .min = 1, .max = MAX_MS, .fallback = "2",    \
        .unit = "ms",                                                                              \
        .help = "Longest first wait of replica_backoff; each later one is up to twice as long.")   \
    KEY(max_wait_ms, say_max_wait, .type = INI_NUMBER, .max = MAX_MS, .fallback = "200",           \
        .unit = "ms",                                                                              \
        .help = "Longest wait for the positions that were located (read_index) or of all polls "   \
                "together (replica_backoff); 0 means no wait. Under read_index the default "       \
                "is " READ_INDEX_MAX_WAIT ".")                                                     \
    KEY(when, say_when, .type = INI_CHOICE, .choices = when_choices, .fallback = "miss",           \
        .unit = "",                                                                                \
        .help = "Whether read_index locates the primary after a miss or always before the first "  \
                "read.")                                                                           \
    KEY(replica_pick, say_pick, .type = INI_CHOICE, .choices = pick_choices, .fallback = "same",   \
        .unit = "",                                                                                \
        .help = "With several replicas: whether a retry stays on the one that was asked, moves "   \
                "on, or goes to the one that is furthest.")                                        \
    KEY(max_lag_ms, say_lag, .type = INI_NUMBER, .max = MAX_MS, .fallback = "0", .unit = "ms",     \
        .help = "How far a replica may be behind, or of unknown lag, and still be asked; if none " \
                "is left, on_replica_failure decides. 0 sets no bound.")                           \
    KEY(on_replica_failure, say_failure, .type = INI_CHOICE, .choices = failure_choices,           \
        .fallback = "error", .unit = "",                                                           \
        .help = "Whether a read that fails on a replica (not: misses) is an error or goes to the " \
                "primary.")                                                                        \
    KEY(primary_budget_per_s, say_budget, .type = INI_NUMBER, .max = MAX_BUDGET, .fallback = "0",  \
        .unit = "reads per second",                                                                \
        .help = "How many fallback reads of the primary this process, or all that share its "      \
                "state, may make; 0 sets no limit.")                                               \
    KEY(primary_budget_burst, say_burst, .type = INI_NUMBER, .max = MAX_BUDGET, .fallback = "0",   \
        .unit = "reads",                                                                           \
        .help = "How many of them may come at once; 0 takes the value of primary_budget_per_s.")   \
    KEY(metric_prefix, say_prefix, .type = INI_TEXT, .max = INI_MAX_VALUE_BYTES, .fallback = "",   \
        .unit = "",                                                                                \
        .help = "What the names of the counters begin with; empty takes `run_engine.` and the "    \
                "section's name.")

#define ROW(name_, say, ...) {.name = #name_, .offset = AT(name_), __VA_ARGS__},
static const struct ini_key option_keys[RP_OPTION_COUNT] = {KEYS(ROW)};

#define SAY(name, say, ...) say,
static void (*const sayings[RP_OPTION_COUNT])(struct text *, const struct rp_options *,
                                              const struct rp_policy_kind *) = {KEYS(SAY)};

#define ONE(...) +1 /* NOLINT(bugprone-macro-parentheses): a term of a sum */
static_assert(0 KEYS(ONE) == RP_OPTION_COUNT, "RP_OPTION_COUNT says how many keys there are");

bool options_are_used(const struct rp_policy_kind *kind, const char *key) {
    const char *const *used = kind->keys;
    while (*used != NULL && strcmp(*used, key) != 0) {
        used++;
    }
    return *used != NULL || strcmp(key, "policy") == 0;
}

void options_say(struct text *text, const struct rp_options *options,
                 const struct rp_policy_kind *kind) {
    for (size_t i = 0; i < RP_OPTION_COUNT; i++) {
        if (options_are_used(kind, option_keys[i].name)) {
            sayings[i](text, options, kind);
        }
    }
}

uint32_t options_max_polls(const struct rp_options *options) {
    uint64_t waited = 0; /* halves of a millisecond */
    uint32_t polls = 0;
    while (waited < options->max_wait_ms * UINT64_C(2) && polls < RP_MAX_POLLS) {
        waited += (uint64_t)options->first_ms << polls;
        polls++;
    }
    return polls;
}

/* " (the default)" where the file does not set the key, so that nobody searches the file for it. */
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
                   document->path, line_of(section, at), section->shown, min_key,
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
                   document->path, line_of(section, "primary_budget_burst"), section->shown,
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
    char shown[INI_SHOWN_CAPACITY];
    ini_show(shown, prefix, strlen(prefix));
    ini_errors_add(
        errors,
        "%s:%u: [%s] metric_prefix = %s: not a metric name; accepted: letters, digits, _ "
        "and ., beginning with a letter or _",
        document->path, line_of(section, "metric_prefix"), section->shown, shown);
}

/* Whether all of these keys, ended by NULL, have good values: else a check of them together would
 * report values that are not in the file. */
static bool all_good(const struct ini_section *section, const char *const *names) {
    for (; *names != NULL; names++) {
        for (size_t i = 0; i < RP_OPTION_COUNT; i++) {
            if (strcmp(option_keys[i].name, *names) == 0 &&
                !ini_is_good(section, &option_keys[i])) {
                return false;
            }
        }
    }
    return true;
}

bool options_policy_is_good(const struct ini_section *section) {
    return all_good(section, (const char *const[]){"policy", NULL});
}

/* A section may have any name; characters that a metric's name may not contain become "_". */
static void set_default_prefix(struct rp_options *options, const char *section) {
    (void)snprintf(options->metric_prefix, sizeof options->metric_prefix, "run_engine.%s", section);
    for (char *at = options->metric_prefix; *at != '\0'; at++) {
        if (strchr(prefix_bytes, *at) == NULL) {
            *at = '_';
        }
    }
}

/* The table, with the defaults of the section's policy. */
static void list_keys(const struct ini_section *section, struct ini_key keys[RP_OPTION_COUNT]) {
    const struct ini_entry *policy = ini_find(section, "policy");
    memcpy(keys, option_keys, sizeof option_keys);
    for (size_t i = 0; i < sizeof own_defaults / sizeof own_defaults[0]; i++) {
        for (size_t k = 0; policy != NULL && k < RP_OPTION_COUNT; k++) {
            if (strcmp(policy->value, own_defaults[i].policy) == 0 &&
                strcmp(keys[k].name, own_defaults[i].key) == 0) {
                keys[k].fallback = own_defaults[i].fallback;
            }
        }
    }
}

void options_read(const struct ini_document *document, const struct ini_section *section,
                  struct rp_options *options, struct ini_errors *errors) {
    static const char *const retry[] = {"replica_retry_min_ms", "replica_retry_max_ms", NULL};
    static const char *const budget[] = {"primary_budget_per_s", "primary_budget_burst", NULL};
    /* A reload compares all bytes of the options, so none may be undefined. */
    memset(options, 0, sizeof *options);
    struct ini_key keys[RP_OPTION_COUNT];
    list_keys(section, keys);
    ini_read_section(document, section, keys, RP_OPTION_COUNT, options, errors);
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
    if (key == NULL || key->struct_size < offsetof(struct rp_key, choices)) {
        return RP_E_ARGUMENT;
    }
    if (index >= RP_OPTION_COUNT) {
        return RP_E_END;
    }
    const struct ini_key *row = &option_keys[index];
    struct rp_key full = {.struct_size = key->struct_size,
                          .type = types[row->type],
                          .min = row->min,
                          .max = row->max,
                          .name = row->name,
                          .default_value = row->fallback,
                          .unit = row->unit,
                          .help = row->help,
                          .choices = row->choices};
    const size_t few = sizeof full.few_choices / sizeof *full.few_choices - 1;
    for (size_t i = 0; row->choices != NULL && row->choices[i] != NULL && i < few; i++) {
        full.few_choices[i] = row->choices[i];
    }
    memcpy(key, &full, key->struct_size < sizeof full ? key->struct_size : sizeof full);
    return RP_OK;
}

int32_t options_kind(uint32_t index, struct rp_kind *kind) {
    if (kind == NULL || kind->struct_size < sizeof *kind) {
        return RP_E_ARGUMENT;
    }
    uint32_t count = 0;
    while (rp_policy_kinds[count] != NULL) {
        count++;
    }
    if (index >= count) {
        return RP_E_END;
    }
    const struct rp_policy_kind *row = rp_policy_kinds[index];
    *kind = (struct rp_kind){.struct_size = kind->struct_size,
                             .flags = row->reads_primary_first ? RP_KIND_PRIMARY_FIRST : 0,
                             .needs = row->needs,
                             .most_steps = row->most_steps,
                             .name = row->name,
                             .summary = row->summary,
                             .keys = row->keys};
    return RP_OK;
}
