/*
 * set.c - loading and reloading, all or nothing.
 *
 * A load stages a plan for every section that is new or changed; only when the whole file is known
 * to be good are they published. Until then nothing that a read or a metrics scrape can see has
 * changed.
 */
#include "set.h"

#include "counters.h"
#include "notes.h"
#include "options.h"
#include "policy.h"
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Changed configurations that a set keeps: each costs a few kB for each section that changed. */
#define MAX_RELOADS 1024u

#define NS_PER_S UINT64_C(1000000000)

struct rp_set {
    _Atomic(struct rp_policy *) first; /* in the order of the file; grows at its end only */
    char *path;                        /* or the name of a text */
    char *notes;                       /* on what was loaded last; NULL: none */
    bool of_text;                      /* opened from text in memory */
    uint32_t capabilities;
    uint32_t reloads;             /* that changed something */
    struct shared_memory *shared; /* the host's, from share on; else NULL */
};

static struct rp_policy *next_of(const struct rp_policy *policy) {
    return atomic_load_explicit(&policy->next, memory_order_acquire);
}

static struct rp_policy *first_of(const struct rp_set *set) {
    return atomic_load_explicit(&set->first, memory_order_acquire);
}

static struct rp_policy *find_in(struct rp_policy *policy, const char *name) {
    while (policy != NULL && strcmp(policy->name, name) != 0) {
        policy = next_of(policy);
    }
    return policy;
}

uint64_t set_least_max_lag_ns(const struct rp_set *set) {
    uint64_t least = 0;
    for (const struct rp_policy *policy = first_of(set); policy != NULL; policy = next_of(policy)) {
        const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
        if (plan->max_lag_ns != 0 && (least == 0 || plan->max_lag_ns < least)) {
            least = plan->max_lag_ns;
        }
    }
    return least;
}

static void free_policies(struct rp_policy *policy) {
    while (policy != NULL) {
        struct rp_policy *next = next_of(policy);
        struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_relaxed);
        while (plan != NULL) {
            struct rp_plan *older = plan->older;
            free(plan);
            plan = older;
        }
        free(policy->staged);
        free(policy);
        policy = next;
    }
}

static struct rp_policy *new_policy(const char *name) {
    struct rp_policy *policy = aligned_alloc(CACHE_LINE_BYTES, sizeof *policy);
    if (policy != NULL) {
        memset(policy, 0, sizeof *policy);
        /* The document refuses longer section names. */
        memcpy(policy->name, name, strlen(name) + 1);
        policy->state = &policy->own;
    }
    return policy;
}

/* What one load has found so far. */
struct load {
    struct rp_set *set;
    const struct ini_document *document;
    struct ini_errors *errors;
    struct rp_policy *added; /* sections that the set does not have yet, in the file's order */
    struct rp_policy *last_added;
    uint32_t staged;                    /* plans to be published */
    uint32_t incapable;                 /* errors that are about capabilities */
    const struct rp_policy_kind *sound; /* the policy whose rules were checked last */
};

static void check_capabilities(struct load *load, const struct ini_section *section,
                               const struct rp_policy_kind *kind) {
    static const struct {
        uint32_t bit;
        const char *name;
    } known[] = {
        {RP_CAN_REPORT_POSITIONS, "report positions (RP_CAN_REPORT_POSITIONS)"},
        {RP_CAN_AWAIT_POSITION, "await a position (RP_CAN_AWAIT_POSITION)"},
    };
    const struct ini_entry *entry = ini_find(section, "policy");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if ((kind->needs & known[i].bit) != 0 && (load->set->capabilities & known[i].bit) == 0) {
            load->incapable++;
            ini_errors_add(load->errors,
                           "%s:%u: [%s] policy = %s: it needs a host that can %s, and this one did "
                           "not declare that it can; choose another policy",
                           load->document->path, entry != NULL ? entry->line : section->line,
                           section->shown, kind->name, known[i].name);
        }
    }
}

/* A fault of the plugin, not of the file; still, no read may follow such a policy. */
static void check_rules(struct load *load, const struct ini_section *section, int32_t policy) {
    const struct rp_policy_kind *kind = rp_policy_kinds[policy];
    char fault[256];
    if (load->sound == kind) {
        return;
    }
    if (rules_are_sound(kind, rp_policy_names[policy], fault, sizeof fault)) {
        load->sound = kind;
        return;
    }
    ini_errors_add(load->errors,
                   "%s:%u: [%s] policy = %s: its rules in this plugin are broken (%s); choose "
                   "another policy",
                   load->document->path, section->line, section->shown, rp_policy_names[policy],
                   fault);
}

/* Stages the plan of one section, unless nothing changed. False if memory ran out. */
static bool stage_section(struct load *load, const struct ini_section *section) {
    struct rp_options options;
    unsigned before = load->errors->count;
    options_read(load->document, section, &options, load->errors);
    if (options_policy_is_good(section)) {
        check_capabilities(load, section, rp_policy_kinds[options.policy]);
        check_rules(load, section, options.policy);
    }
    if (load->errors->count != before) {
        return !load->errors->out_of_memory;
    }

    struct rp_policy *policy = find_in(first_of(load->set), section->name);
    if (policy != NULL) {
        const struct rp_plan *current =
            atomic_load_explicit(&policy->current, memory_order_relaxed);
        if (memcmp(&current->options, &options, sizeof options) == 0) {
            return true;
        }
    } else {
        policy = new_policy(section->name);
        if (policy == NULL) {
            return false;
        }
        if (load->last_added != NULL) {
            atomic_store_explicit(&load->last_added->next, policy, memory_order_relaxed);
        } else {
            load->added = policy;
        }
        load->last_added = policy;
    }
    policy->staged = malloc(sizeof *policy->staged);
    if (policy->staged == NULL) {
        return false;
    }
    plan_compile(policy->staged, &options, load->set->capabilities, policy);
    load->staged++;
    return true;
}

static bool stage_all(struct load *load) {
    if (load->document->section_count == 0 && load->errors->count == 0) {
        ini_errors_add(load->errors,
                       "%s: no section; there must be one for each read path of the host, such as "
                       "[snapshots_since]",
                       load->document->path);
    }
    for (const struct ini_section *section = load->document->sections; section != NULL;
         section = section->next) {
        if (!stage_section(load, section)) {
            return false;
        }
    }
    for (const struct rp_policy *policy = first_of(load->set); policy != NULL;
         policy = next_of(policy)) {
        if (!load->document->incomplete && ini_find_section(load->document, policy->name) == NULL) {
            ini_errors_add(load->errors,
                           "%s: the section [%s] is missing; it is loaded, and the host may be "
                           "using it, so it must stay until the host is restarted",
                           load->document->path, policy->name);
        }
    }
    return true;
}

static void set_rate(struct rp_policy *policy, const struct rp_plan *plan) {
    budget_set_rate(&policy->state->budget, plan->budget_interval_ns,
                    plan->options.primary_budget_burst);
}

static void publish_policy(struct rp_policy *policy) {
    struct rp_plan *plan = policy->staged;
    policy->staged = NULL;
    if (plan != NULL) {
        plan->older = atomic_load_explicit(&policy->current, memory_order_relaxed);
        /* Release pairs with the acquire in machine.c. */
        atomic_store_explicit(&policy->current, plan, memory_order_release);
        set_rate(policy, plan);
    }
}

static void publish(struct load *load) {
    struct rp_policy *last = NULL;
    for (struct rp_policy *policy = first_of(load->set); policy != NULL; policy = next_of(policy)) {
        publish_policy(policy);
        last = policy;
    }
    for (struct rp_policy *policy = load->added; policy != NULL; policy = next_of(policy)) {
        publish_policy(policy);
    }
    atomic_store_explicit(last != NULL ? &last->next : &load->set->first, load->added,
                          memory_order_release);
    load->added = NULL;
}

/* Finds the state of sections in shared memory. Nothing is changed if there is no room for all. */
static bool take_shared_states(struct rp_policy *first, struct shared_memory *shared,
                               struct ini_errors *errors) {
    for (const struct rp_policy *policy = first; policy != NULL; policy = next_of(policy)) {
        if (shared_section(shared, policy->name) == NULL) {
            ini_errors_add(errors,
                           "[%s]: the shared memory has no room for the state of one more section; "
                           "names that were used before keep theirs",
                           policy->name);
            return false;
        }
    }
    for (struct rp_policy *policy = first; policy != NULL; policy = next_of(policy)) {
        policy->state = shared_section(shared, policy->name);
    }
    return true;
}

static void unstage(struct load *load) {
    for (struct rp_policy *policy = first_of(load->set); policy != NULL; policy = next_of(policy)) {
        free(policy->staged);
        policy->staged = NULL;
    }
    free_policies(load->added);
}

static int32_t verdict_of(const struct load *load, bool staged) {
    const struct ini_errors *errors = load->errors;
    if (!staged || errors->out_of_memory) {
        return RP_E_MEMORY;
    }
    if (errors->count > 0) {
        return load->incapable == errors->count ? RP_E_CAPABILITY : RP_E_CONFIG;
    }
    if (load->staged > 0 && load->set->reloads >= MAX_RELOADS) {
        return RP_E_LIMIT;
    }
    return RP_OK;
}

static void say_too_many_reloads(struct ini_errors *errors, const char *path) {
    ini_errors_add(
        errors,
        "%s: %u changed configurations are kept already, and no more can be; restart the "
        "host to load this one",
        path, MAX_RELOADS);
}

static void say_out_of_memory(const char *path, char *err, uint32_t errlen) {
    struct ini_errors errors;
    ini_errors_init(&errors, err, errlen);
    ini_errors_add(&errors, "%s: out of memory", path);
}

/* Text in memory; NULL: the set's file. */
struct source {
    const char *text;
    uint32_t length;
};

/* Whatever happens, the set is afterwards unchanged or completely changed. */
static int32_t load_source(struct rp_set *set, struct source source, char *err, uint32_t errlen) {
    struct ini_errors errors;
    ini_errors_init(&errors, err, errlen);
    struct ini_document *document =
        source.text == NULL ? ini_load(set->path, &errors)
                            : ini_load_text(set->path, source.text, source.length, &errors);
    struct load load = {.set = set, .document = document, .errors = &errors};
    char *notes = NULL;
    bool staged = document != NULL && stage_all(&load) && notes_write(document, &notes);
    int32_t status =
        document == NULL && !errors.out_of_memory ? RP_E_CONFIG : verdict_of(&load, staged);
    if (status == RP_E_LIMIT) {
        say_too_many_reloads(&errors, set->path);
    } else if (status == RP_OK && set->shared != NULL &&
               !take_shared_states(load.added, set->shared, &errors)) {
        status = RP_E_LIMIT;
    }
    if (status == RP_OK) {
        publish(&load);
        set->reloads += load.staged > 0;
        free(set->notes);
        set->notes = notes;
    } else {
        unstage(&load);
        free(notes);
    }
    if (status == RP_E_MEMORY) {
        say_out_of_memory(set->path, err, errlen);
    }
    ini_free(document);
    return status;
}

static int32_t refuse_arguments(const char *function, char *err, uint32_t errlen) {
    if (err != NULL) {
        (void)snprintf(err, errlen, "%s: an argument is NULL that must not be", function);
    }
    return RP_E_ARGUMENT;
}

static int32_t open_source(const char *function, struct source source, const char *name,
                           uint32_t capabilities, struct rp_set **set, char *err, uint32_t errlen) {
    if (set != NULL) {
        *set = NULL;
    }
    if (name == NULL || set == NULL || (err == NULL && errlen != 0)) {
        return refuse_arguments(function, err, errlen);
    }
    int32_t status = RP_E_MEMORY;
    struct rp_set *opened = calloc(1, sizeof *opened);
    char *path = strdup(name);
    if (opened != NULL && path != NULL) {
        opened->path = path;
        opened->of_text = source.text != NULL;
        opened->capabilities = capabilities;
        status = load_source(opened, source, err, errlen);
    } else {
        say_out_of_memory(name, err, errlen);
    }
    if (status == RP_OK) {
        /* The first load is no reload. */
        opened->reloads = 0;
        *set = opened;
    } else {
        free(path);
        free(opened);
    }
    return status;
}

int32_t set_open(const char *ini_path, uint32_t capabilities, struct rp_set **set, char *err,
                 uint32_t errlen) {
    return open_source("open", (struct source){NULL, 0}, ini_path, capabilities, set, err, errlen);
}

int32_t set_open_text(const char *text, uint32_t length, const char *name, uint32_t capabilities,
                      struct rp_set **set, char *err, uint32_t errlen) {
    return open_source("open_text", (struct source){text, length}, text != NULL ? name : NULL,
                       capabilities, set, err, errlen);
}

static int32_t refuse_source(const struct rp_set *set, char *err, uint32_t errlen) {
    struct ini_errors errors;
    ini_errors_init(&errors, err, errlen);
    ini_errors_add(&errors, "%s: %s", set->path,
                   set->of_text ? "opened from text, so there is no file to read again; "
                                  "reload_text takes another text"
                                : "opened from a file, which reload reads again; reload_text is "
                                  "for sets of open_text");
    return RP_E_ARGUMENT;
}

int32_t set_reload(struct rp_set *set, char *err, uint32_t errlen) {
    if (set == NULL || (err == NULL && errlen != 0)) {
        return refuse_arguments("reload", err, errlen);
    }
    return set->of_text ? refuse_source(set, err, errlen)
                        : load_source(set, (struct source){NULL, 0}, err, errlen);
}

int32_t set_reload_text(struct rp_set *set, const char *text, uint32_t length, char *err,
                        uint32_t errlen) {
    if (set == NULL || text == NULL || (err == NULL && errlen != 0)) {
        return refuse_arguments("reload_text", err, errlen);
    }
    return set->of_text ? load_source(set, (struct source){text, length}, err, errlen)
                        : refuse_source(set, err, errlen);
}

uint32_t set_notes(struct rp_set *set, char *buf, uint32_t len) {
    struct text text = {.buf = buf, .len = len};
    if (buf == NULL && len != 0) {
        return 0;
    }
    text_add(&text, "%s", set != NULL && set->notes != NULL ? set->notes : "");
    return text.needed;
}

int32_t set_share(struct rp_set *set, void *memory, uint64_t bytes, char *err, uint32_t errlen) {
    if (set == NULL || memory == NULL || (err == NULL && errlen != 0)) {
        return refuse_arguments("share", err, errlen);
    }
    struct shared_memory *shared = shared_attach(memory, bytes, err, errlen);
    if (shared == NULL) {
        return RP_E_ARGUMENT;
    }
    struct ini_errors errors;
    ini_errors_init(&errors, err, errlen);
    if (!take_shared_states(first_of(set), shared, &errors)) {
        return RP_E_LIMIT;
    }
    set->shared = shared;
    for (struct rp_policy *policy = first_of(set); policy != NULL; policy = next_of(policy)) {
        set_rate(policy, atomic_load_explicit(&policy->current, memory_order_relaxed));
    }
    return RP_OK;
}

const struct rp_policy *set_policy(struct rp_set *set, const char *section) {
    return set == NULL || section == NULL ? NULL : find_in(first_of(set), section);
}

/* The policy of that index, or NULL. */
static const struct rp_policy *policy_at(const struct rp_set *set, uint32_t index) {
    const struct rp_policy *policy = first_of(set);
    while (policy != NULL && index-- > 0) {
        policy = next_of(policy);
    }
    return policy;
}

int32_t set_metrics(const struct rp_set *set, uint32_t index, struct rp_metric *metric) {
    if (set == NULL || metric == NULL || metric->struct_size < sizeof *metric) {
        return RP_E_ARGUMENT;
    }
    const struct rp_policy *policy = policy_at(set, index / COUNTER_COUNT);
    if (policy == NULL) {
        return RP_E_END;
    }
    const uint32_t counter = index % COUNTER_COUNT;
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    metric->name = plan->metric_names[counter];
    metric->section = policy->name;
    metric->value = atomic_load_explicit(&policy->state->counters[counter], memory_order_relaxed);
    counters_describe(counter, metric);
    return RP_OK;
}

int32_t set_budget(const struct rp_policy *policy, uint64_t now_ns, struct rp_budget_info *info) {
    if (policy == NULL || info == NULL || info->struct_size < sizeof *info) {
        return RP_E_ARGUMENT;
    }
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    const struct budget_state state = budget_look(&policy->state->budget, now_ns);
    const bool used = options_are_used(plan->kind, "primary_budget_per_s");
    info->burst = !used || state.interval_ns == 0 ? 0 : state.burst;
    info->left = used ? state.left : 0;
    if (!used) {
        info->per_s = 0;
    } else if (state.interval_ns == plan->budget_interval_ns) {
        info->per_s = plan->options.primary_budget_per_s;
    } else { /* another process has loaded another rate */
        info->per_s = state.interval_ns == 0
                          ? 0
                          : (uint32_t)((NS_PER_S + state.interval_ns / 2) / state.interval_ns);
    }
    return RP_OK;
}

const char *set_section(struct rp_set *set, uint32_t index) {
    const struct rp_policy *policy = set == NULL ? NULL : policy_at(set, index);
    return policy == NULL ? NULL : policy->name;
}

void set_close(struct rp_set *set) {
    if (set == NULL) {
        return;
    }
    free_policies(first_of(set));
    free(set->notes);
    free(set->path);
    free(set);
}
