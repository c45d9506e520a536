/*
 * advise.c - see advise.h.
 */
#include "advise.h"

#include "tools/policy-sim/model/quantity.h"

#include <inttypes.h>
#include <string.h>

/* ---- candidates ------------------------------------------------------------------------------ */

struct base {
    const char *name;
    const char *lines;
    bool waits;      /* and so may ask another replica */
    bool falls_back; /* and so has a budget; that of another policy would bound nothing */
};

static const struct base bases[] = {
    {"at_once", "policy = replica_then_primary\nreplica_retry_max_ms = 0\n", false, true},
    {"retry_20_50",
     "policy = replica_then_primary\nreplica_retry_min_ms = 20\nreplica_retry_max_ms = 50\n", true,
     true},
    {"retry_50_200",
     "policy = replica_then_primary\nreplica_retry_min_ms = 50\nreplica_retry_max_ms = 200\n", true,
     true},
    {"retry_200_500",
     "policy = replica_then_primary\nreplica_retry_min_ms = 200\nreplica_retry_max_ms = 500\n",
     true, true},
    {"index_20", "policy = read_index\nmax_wait_ms = 20\n", true, true},
    {"index_100", "policy = read_index\nmax_wait_ms = 100\n", true, true},
    {"index_300", "policy = read_index\nmax_wait_ms = 300\n", true, true},
    {"index_1000", "policy = read_index\nmax_wait_ms = 1000\n", true, true},
    {"index_always", "policy = read_index\nwhen = always\nmax_wait_ms = 300\n", true, true},
    {"backoff", "policy = replica_backoff\n", true, true},
    {"primary", "policy = primary_only\n", false, false},
};
#define BASES (sizeof bases / sizeof bases[0])

struct candidates {
    char *text;
    uint32_t length;
    char budget[96]; /* its lines; "": none can be given */
};

static void add(struct candidates *to, const struct base *base, const char *suffix,
                const char *more, const char *budget) {
    const uint32_t left = ADVISE_TEXT_BYTES - to->length;
    const int length = snprintf(to->text + to->length, left, "[%s%s%s]\n%s%s%s", base->name, suffix,
                                budget[0] != '\0' ? "_budget" : "", base->lines, more, budget);
    if (length > 0 && (uint32_t)length < left) {
        to->length += (uint32_t)length;
    }
    to->text[to->length] = '\0';
}

static void add_all(struct candidates *to, const struct base *base, const char *suffix,
                    const char *more) {
    if (base->falls_back && to->budget[0] != '\0') {
        add(to, base, suffix, more, to->budget);
    }
    add(to, base, suffix, more, "");
}

/* In any second a process reads the primary at most rate + burst times. */
static void choose_budget(struct candidates *to, const struct sim_options *options) {
    const uint32_t each = options->goals.primary_reads / options->scenario.processes;
    if (each >= 2) {
        const uint32_t burst = each / 4 > 0 ? each / 4 : 1;
        (void)snprintf(to->budget, sizeof to->budget,
                       "primary_budget_per_s = %" PRIu32 "\nprimary_budget_burst = %" PRIu32 "\n",
                       each - burst, burst);
    }
}

/* The newest way of choosing among replicas that the plugin has besides the default; NULL: none. */
static const char *other_pick(const struct rp_plugin *plugin) {
    struct rp_key key = {.struct_size = sizeof key};
    const char *pick = NULL;
    for (uint32_t i = 0; RP_HAS(plugin, key) && plugin->key(i, &key) == RP_OK; i++) {
        if (strcmp(key.name, "replica_pick") != 0 || key.choices == NULL) {
            continue;
        }
        for (const char *const *choice = key.choices; *choice != NULL; choice++) {
            pick = strcmp(*choice, key.default_value) != 0 ? *choice : pick;
        }
    }
    return pick;
}

uint32_t advise_candidates(const struct rp_plugin *plugin, const struct sim_options *options,
                           char text[ADVISE_TEXT_BYTES]) {
    struct candidates candidates = {.text = text};
    const char *pick = options->scenario.replica_count > 1 ? other_pick(plugin) : NULL;
    char suffix[32] = "";
    char lines[64] = "";
    if (pick != NULL) {
        (void)snprintf(suffix, sizeof suffix, "_%.24s", pick);
        (void)snprintf(lines, sizeof lines, "replica_pick = %.24s\n", pick);
    }
    choose_budget(&candidates, options);
    text[0] = '\0';
    for (size_t i = 0; i < BASES; i++) {
        add_all(&candidates, &bases[i], "", "");
        if (pick != NULL && bases[i].waits) {
            add_all(&candidates, &bases[i], suffix, lines);
        }
    }
    return candidates.length;
}

void advise_print_lines(FILE *out, const char *text, const char *section) {
    char head[64];
    (void)snprintf(head, sizeof head, "[%s]\n", section);
    const char *begin = strstr(text, head);
    if (begin != NULL) {
        const char *next = strstr(begin + 1, "\n[");
        size_t length = next != NULL ? (size_t)(next + 1 - begin) : strlen(begin);
        (void)fwrite(begin, 1, length, out);
    }
}

/* ---- choice ---------------------------------------------------------------------------------- */

/* By how much a figure is above its goal, in thousandths of the goal; 0: it is met. */
static uint64_t excess(uint64_t figure, uint64_t goal) {
    return figure <= goal ? 0 : goal == 0 ? 1000000 : (figure - goal) * 1000 / goal + 1;
}

/* By how much it misses the goals, all together. A row that is there and reported not found meets
 * no goal. */
static uint64_t missed_by(const struct figures *figures, const struct goals *goals) {
    const uint64_t shed_at_most = figures->lookups * goals->shed / SHARE_ALL;
    uint64_t sum = figures->wrong > 0 ? UINT32_MAX : 0;
    sum += excess(figures->ends[ENDED_SHED], shed_at_most);
    if (goals->primary_reads > 0) {
        sum += excess(figures_peak_primary_reads(figures), goals->primary_reads);
    }
    if (goals->p99_ns > 0) {
        sum += excess(latency_histogram_percentile(&figures->added, 99), goals->p99_ns);
    }
    return sum;
}

/* What is better first: the goals; what clients get; how long they wait; what the primary bears. */
struct score {
    uint64_t missed_by, unanswered, p99_ns, primary_peak, primary_reads;
};

static struct score score_of(const struct figures *figures, const struct goals *goals) {
    const uint64_t unanswered =
        figures->ends[ENDED_SHED] + figures->ends[ENDED_FAILED] + figures->ends[ENDED_REFUSED];
    return (struct score){
        .missed_by = missed_by(figures, goals),
        /* By the thousand: a handful more is chance, and outweighs no wait. */
        .unanswered = figures->lookups == 0 ? 0 : unanswered * 1000 / figures->lookups,
        .p99_ns = latency_histogram_percentile(&figures->added, 99),
        .primary_peak = figures_peak_primary_reads(figures),
        .primary_reads = figures->primary_reads,
    };
}

static bool is_better(const struct score *one, const struct score *other) {
    const uint64_t pairs[][2] = {{one->missed_by, other->missed_by},
                                 {one->unanswered, other->unanswered},
                                 {one->p99_ns, other->p99_ns},
                                 {one->primary_peak, other->primary_peak},
                                 {one->primary_reads, other->primary_reads}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i][0] != pairs[i][1]) {
            return pairs[i][0] < pairs[i][1];
        }
    }
    return false;
}

/* Equal figures are no other choice: a budget, say, that was never used up. */
static bool is_same(const struct score *one, const struct score *other) {
    return !is_better(one, other) && !is_better(other, one);
}

static void swap(struct runs *runs, size_t one, size_t other) {
    const struct section_figures section = runs->sections[one];
    runs->sections[one] = runs->sections[other];
    runs->sections[other] = section;
}

bool advise_choose(struct runs *runs, const struct sim_options *options) {
    const struct goals *goals = &options->goals;
    size_t best = 0;
    size_t second = 0;
    for (size_t i = 1; i < runs->section_count; i++) {
        const struct score score = score_of(runs->sections[i].figures, goals);
        const struct score so_far = score_of(runs->sections[best].figures, goals);
        best = is_better(&score, &so_far) ? i : best;
    }
    swap(runs, 0, best);
    const struct score first = score_of(runs->sections[0].figures, goals);
    for (size_t i = 1; i < runs->section_count; i++) {
        const struct score score = score_of(runs->sections[i].figures, goals);
        const struct score so_far = score_of(runs->sections[second].figures, goals);
        if (!is_same(&score, &first) && (second == 0 || is_better(&score, &so_far))) {
            second = i;
        }
    }
    if (second != 0) {
        swap(runs, 1, second);
    }
    const size_t keep = second != 0 ? 2 : 1;
    for (size_t i = keep; i < runs->section_count; i++) {
        figures_free(runs->sections[i].figures);
    }
    runs->section_count = keep;
    return first.missed_by == 0;
}
