/*
 * exploration.c - the graph of a read's states.
 */
#include "exploration.h"

#include "candidate_reports.h"
#include "tests/lib/scripted_read.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each replay has a span of the clock of its own, long enough for the budget to be full again at
 * the beginning of the next. Entropies and positions lie outside of all of them, so a word of
 * struct rp_read that lies in the span is a time. So late a time that two halves of neighbours are
 * none, either: the upper half of a word that is looked at would be the nanoseconds of a time that
 * is a second or more after the beginning. */
#define SPAN_NS     (UINT64_C(1) << 39)
#define FIRST_NS    (UINT64_C(1) << 62)
#define LAST_NS     (UINT64_C(1) << 63)
#define RELATIVE_TO (UINT64_C(1) << 63) /* marks a word that was made relative */
#define BEFORE_NS   UINT64_C(1000000000)

void explored_section_open(struct explored_section *section, const struct configured *configured) {
    char lines[1024];
    write_lines(configured, lines, sizeof lines);
    section_open_as(&section->opened, configured->blind ? 0 : ALL_CAPABILITIES, "%s", lines);
    section->places =
        find_counters(section->opened.plugin.table, section->opened.set, SECTION_NAME);
    section->counters = (struct counters){{0}};
    section->clock_ns = FIRST_NS;
    section->has_budget = policy_uses(section->opened.plugin.table,
                                      policy_names[configured->policy], "primary_budget_per_s");
}

void explored_section_close(struct explored_section *section) {
    section_close(&section->opened);
}

static struct counters counters_now(const struct explored_section *section) {
    return read_counters(section->opened.plugin.table, section->opened.set, &section->places);
}

const struct rp_step *begin_read(const struct opened_section *section, const struct asked *asked,
                                 uint64_t begun_ns, struct rp_read *read) {
    const struct rp_request request = {
        .struct_size = sizeof request,
        .flags = (asked->in_transaction ? (uint32_t)RP_IN_TRANSACTION : 0) |
                 (asked->replicas_out ? (uint32_t)RP_REPLICAS_OUT : 0),
        .replicas = asked->replicas,
        .now_ns = begun_ns,
        .deadline_ns = asked->has_deadline ? begun_ns + (uint64_t)asked->deadline_ns : 0,
        .entropy = asked->entropy,
        .position = asked->position};
    *read = (struct rp_read){.struct_size = sizeof *read};
    return section->plugin.table->begin(section->policy, &request, read);
}

const struct rp_step *report_at(const struct opened_section *section, struct rp_read *read,
                                const struct rp_report *report, uint64_t begun_ns) {
    struct rp_report absolute = *report;
    absolute.now_ns += begun_ns;
    return section->plugin.table->next(read, &absolute);
}

uint32_t path_to(const struct exploration *exploration, uint32_t state, uint32_t path[MAX_DEPTH]) {
    uint32_t depth = exploration->states[state].history.steps;
    if (depth == 0 || depth > MAX_DEPTH) {
        errx(2, "a path of %u steps", depth);
    }
    for (uint32_t i = depth; i-- > 0;) {
        path[i] = state;
        state = exploration->states[state].parent;
    }
    return depth;
}

/* ---- replays ---- */

struct replay {
    struct rp_read read;
    uint64_t begun_ns;
};

/* Leaves as many tokens as the setting says, at the beginning of a span of its own. */
static void start_replay(struct replay *replay, struct explored_section *section,
                         const struct setting *setting) {
    const struct configured *configured = &setting->configured;
    section->clock_ns += SPAN_NS;
    if (section->clock_ns >= LAST_NS) {
        errx(2, "the clock has come to its end");
    }
    replay->begun_ns = section->clock_ns;
    for (uint32_t i = setting->asked.tokens;
         configured->budget_per_s > 0 && i < configured->budget_burst; i++) {
        if (!reaches_primary(&section->opened, replay->begun_ns)) {
            errx(2, "a full budget sheds");
        }
    }
}

/* Times become relative to the read's beginning, and addresses within it to its own. On a 32-bit
 * machine a time may begin at any multiple of four bytes. */
static void read_words_of(const struct replay *replay, uint64_t words[READ_WORDS]) {
    char *const bytes = (char *)words;
    memcpy(bytes, &replay->read, sizeof replay->read);
    for (size_t at = 0; at + sizeof(uint64_t) <= sizeof replay->read; at += sizeof(uintptr_t)) {
        uint64_t time_ns;
        uintptr_t address;
        memcpy(&time_ns, bytes + at, sizeof time_ns);
        memcpy(&address, bytes + at, sizeof address);
        if (time_ns >= replay->begun_ns - BEFORE_NS && time_ns < replay->begun_ns + SPAN_NS / 2) {
            time_ns = time_ns - replay->begun_ns + RELATIVE_TO;
            memcpy(bytes + at, &time_ns, sizeof time_ns);
        } else if (address >= (uintptr_t)&replay->read &&
                   address < (uintptr_t)(&replay->read + 1)) {
            address -= (uintptr_t)&replay->read;
            memcpy(bytes + at, &address, sizeof address);
        }
    }
}

/* Comes to the state again. False if it is not the same. */
static bool replay_to(struct replay *replay, struct explored_section *section,
                      const struct setting *setting, const struct exploration *exploration,
                      uint32_t state) {
    uint32_t path[MAX_DEPTH];
    uint32_t depth = path_to(exploration, state, path);
    start_replay(replay, section, setting);
    const struct rp_step *step =
        begin_read(&section->opened, &setting->asked, replay->begun_ns, &replay->read);
    for (uint32_t i = 1; i < depth && step->kind != RP_STEP_DONE; i++) {
        step = report_at(&section->opened, &replay->read, &exploration->states[path[i]].report,
                         replay->begun_ns);
    }
    uint64_t words[READ_WORDS];
    read_words_of(replay, words);
    return memcmp(words, exploration->states[state].read_words, sizeof words) == 0;
}

/* ---- states ---- */

static uint64_t hash_of(const struct state *state) {
    uint64_t words[sizeof state->history / 8 + READ_WORDS];
    memcpy(words, &state->history, sizeof state->history);
    memcpy(words + sizeof state->history / 8, state->read_words, sizeof state->read_words);
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return hash;
}

static bool same_state(const struct state *one, const struct state *other) {
    return memcmp(&one->history, &other->history, sizeof one->history) == 0 &&
           memcmp(one->read_words, other->read_words, sizeof one->read_words) == 0;
}

/* The place of the state in the table, or the empty one where it belongs. */
static uint32_t *place_of(const struct exploration *exploration, const struct state *state) {
    const uint32_t mask = exploration->table_capacity - 1;
    uint32_t at = (uint32_t)hash_of(state) & mask;
    while (exploration->table[at] != 0 &&
           !same_state(&exploration->states[exploration->table[at] - 1], state)) {
        at = (at + 1) & mask;
    }
    return &exploration->table[at];
}

static void *grown(void *block, uint32_t *capacity, size_t size) {
    *capacity = *capacity == 0 ? 256 : *capacity * 2;
    void *larger = reallocarray(block, *capacity, size);
    if (larger == NULL) {
        err(2, "the exploration");
    }
    return larger;
}

static void grow_table(struct exploration *exploration) {
    free(exploration->table);
    exploration->table_capacity =
        exploration->table_capacity == 0 ? 1024 : exploration->table_capacity * 2;
    exploration->table = calloc(exploration->table_capacity, sizeof *exploration->table);
    if (exploration->table == NULL) {
        err(2, "the exploration");
    }
    for (uint32_t i = 0; i < exploration->state_count; i++) {
        *place_of(exploration, &exploration->states[i]) = i + 1;
    }
}

/* Adds the state, or its paths to the same one that is there already. */
static void add_state(struct exploration *exploration, const struct state *state) {
    if (exploration->state_count * 2 >= exploration->table_capacity) {
        grow_table(exploration);
    }
    uint32_t *place = place_of(exploration, state);
    if (*place != 0) {
        exploration->states[*place - 1].paths += state->paths;
        return;
    }
    if (exploration->state_count == exploration->state_capacity) {
        exploration->states =
            grown(exploration->states, &exploration->state_capacity, sizeof *exploration->states);
    }
    exploration->states[exploration->state_count++] = *state;
    *place = exploration->state_count;
}

static void add_ending(struct exploration *exploration, uint32_t state,
                       const struct rp_report *report, const struct rp_step *step) {
    if (exploration->ending_count == exploration->ending_capacity) {
        exploration->endings = grown(exploration->endings, &exploration->ending_capacity,
                                     sizeof *exploration->endings);
    }
    exploration->endings[exploration->ending_count++] =
        (struct ending){.state = state, .report = *report, .step = *step};
}

void exploration_free(struct exploration *exploration) {
    free(exploration->states);
    free(exploration->table);
    free(exploration->endings);
    *exploration = (struct exploration){.only = exploration->only};
}

/* ---- what is said of a violation ---- */

static void tell_step(const struct read_history *history) {
    static const char *const kinds[] = {"read", "wait", "locate", "await", "done"};
    const struct step_seen *step = &history->step;
    (void)fprintf(stderr, "  at %+.6f ms: %s %s %u, flags %u, until %+.6f ms, position %llu\n",
                  (double)history->now_ns / 1e6, kinds[step->kind],
                  step->kind == RP_STEP_READ && step->target == RP_TARGET_PRIMARY ? "primary"
                                                                                  : "replica",
                  step->replica, step->flags, (double)step->until_ns / 1e6,
                  (unsigned long long)step->position);
}

static void tell_report(const struct rp_report *report) {
    (void)fprintf(stderr, "  reported at %+.6f ms: outcome %d, position %llu, flushed %llu\n",
                  (double)(int64_t)report->now_ns / 1e6, report->outcome,
                  (unsigned long long)report->position, (unsigned long long)report->flushed);
}

static void tell_path(const struct exploration *exploration, const struct setting *setting,
                      uint32_t state) {
    char text[512];
    write_setting(setting, text, sizeof text);
    (void)fprintf(stderr, "%s\n", text);
    uint32_t path[MAX_DEPTH];
    uint32_t depth = exploration->state_count == 0 ? 0 : path_to(exploration, state, path);
    for (uint32_t i = 0; i < depth; i++) {
        if (i > 0) {
            tell_report(&exploration->states[path[i]].report);
        }
        tell_step(&exploration->states[path[i]].history);
    }
}

static void tell_violation(const struct exploration *exploration, uint32_t state,
                           const struct transition *t, const char *name, const char *statement,
                           const char *what) {
    (void)fprintf(stderr, "VIOLATED: %s (%s): %s\n", statement, name, what);
    tell_path(exploration, t->setting, state);
    if (t->report != NULL) {
        tell_report(t->report);
    }
    if (t->step->kind != RP_STEP_DONE) {
        tell_step(t->after);
        return;
    }
    (void)fprintf(stderr, "  done: verdict %d by %d, level %d, during %s: %s\n", t->step->verdict,
                  t->step->served_by, t->step->log_level,
                  t->step->failed_during != NULL ? t->step->failed_during : "-", t->step->message);
}

/* ---- one transition ---- */

bool is_checked(const struct exploration *exploration, const char *statement) {
    const char *only = exploration->only;
    return only == NULL ||
           (strncmp(statement, only, strlen(only)) == 0 && statement[strlen(only)] == ':');
}

static bool check_invariants(const struct exploration *exploration, uint32_t state,
                             const struct transition *t) {
    for (unsigned i = 0; i < invariant_count; i++) {
        if (invariants[i].of_breaches != t->out_of_contract ||
            !is_checked(exploration, invariants[i].statement)) {
            continue;
        }
        const char *what = invariants[i].check(t);
        if (what != NULL) {
            tell_violation(exploration, state, t, invariants[i].name, invariants[i].statement,
                           what);
            return false;
        }
    }
    return true;
}

/* I10: after done, further reports change nothing. The counters are compared afterwards. */
static bool is_sticky(const struct explored_section *section, struct replay *replay,
                      const struct rp_step *done) {
    static const int32_t outcomes[] = {RP_FOUND, RP_MISSING, RP_FAILED, RP_WAITED, RP_LOCATED, -1};
    const struct rp_plugin *plugin = section->opened.plugin.table;
    const struct rp_step content = *done;
    bool same = plugin->next(&replay->read, NULL) == done;
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        const struct rp_report report = {.struct_size = sizeof report,
                                         .outcome = outcomes[i],
                                         .now_ns = replay->begun_ns,
                                         .position = 1000};
        same = same && plugin->next(&replay->read, &report) == done;
    }
    return same && memcmp(&content, done, sizeof content) == 0;
}

/* A token is taken exactly by the reads that came to the primary after a replica: so the next read
 * finds as many as the explorer's own count says. */
static bool charges_rightly(struct explored_section *section, const struct replay *replay,
                            const struct transition *t) {
    const struct configured *configured = &t->setting->configured;
    if (configured->budget_per_s == 0 || !section->has_budget) {
        return true;
    }
    const int64_t interval = INT64_C(1000000000) / configured->budget_per_s;
    const int64_t full = configured->budget_burst * interval;
    const int64_t charge = t->told->primary_reads > 0 && !is_direct(t->setting) ? interval : 0;
    const int64_t now = t->told->now_ns;
    const int64_t credit = t->setting->asked.tokens * interval + now;
    /* Charged and credited in any order the same, as long as the bucket was not full in between; a
     * read that was charged when it was full may have gained what it was charged. */
    const int64_t least = (credit > full ? full : credit) - charge;
    const int64_t most = credit - charge > full ? full : credit - charge;
    const bool admitted = reaches_primary(&section->opened, replay->begun_ns + (uint64_t)now);
    section->counters.value[COUNT_SHED] += !admitted;
    return admitted ? most >= interval : least < interval;
}

static const char sticky_statement[] = "I10: after done, further reports change nothing";
static const char charge_statement[] =
    "I18: each fallback read of the primary takes one token, and nothing else does";
static const char purity_statement[] =
    "I20: what comes of a report depends on the read's arguments and on differences of time alone";

static bool check_done(struct explored_section *section, const struct exploration *exploration,
                       uint32_t state, struct replay *replay, struct transition *t) {
    const bool sticky = is_sticky(section, replay, t->step);
    const struct counters now = counters_now(section);
    for (int i = 0; i < COUNT_COUNT; i++) {
        t->counted.value[i] = now.value[i] - section->counters.value[i];
    }
    section->counters = now;
    if (!sticky && is_checked(exploration, sticky_statement)) {
        tell_violation(exploration, state, t, "is_sticky", sticky_statement, "they do");
        return false;
    }
    if (!charges_rightly(section, replay, t) && is_checked(exploration, charge_statement)) {
        tell_violation(exploration, state, t, "charges_rightly", charge_statement,
                       "the next read found too few or too many");
        return false;
    }
    return true;
}

/* ---- the walk ---- */

struct walk {
    struct exploration *exploration;
    struct explored_section *section;
    const struct setting *setting;
    struct totals *totals;
};

/* The result of a report in a state (or of begin, if `candidate` is NULL): checked, and explored
 * later. */
static bool take_step(struct walk *walk, uint32_t state, struct replay *replay,
                      const struct candidate *candidate, struct state *next,
                      const struct rp_step *step) {
    const bool done = step->kind == RP_STEP_DONE;
    const struct read_history told = next->history;
    struct transition t = {.setting = walk->setting,
                           .told = &told,
                           .after = &next->history,
                           .step = step,
                           .begun_ns = replay->begun_ns};
    if (candidate != NULL) {
        t.report = candidate->is_null ? NULL : &candidate->report;
        t.out_of_contract = candidate->is_breach;
        walk->totals->reports++;
        walk->totals->breaches += candidate->is_breach;
    }
    if (done && !check_done(walk->section, walk->exploration, state, replay, &t)) {
        return false;
    }
    if (!done) {
        history_add_step(&next->history, step, replay->begun_ns);
    }
    if (!check_invariants(walk->exploration, state, &t)) {
        return false;
    }
    uint32_t *longest = &walk->totals->longest[walk->setting->configured.policy];
    *longest = next->history.steps > *longest ? next->history.steps : *longest;
    if (done) {
        walk->totals->paths += next->paths;
        if (candidate != NULL && !candidate->is_breach) {
            add_ending(walk->exploration, state, &candidate->report, step);
        }
    } else {
        read_words_of(replay, next->read_words);
        add_state(walk->exploration, next);
    }
    return true;
}

static bool try_report(struct walk *walk, uint32_t state, const struct candidate *candidate) {
    struct replay replay;
    if (!replay_to(&replay, walk->section, walk->setting, walk->exploration, state) &&
        is_checked(walk->exploration, purity_statement)) {
        (void)fprintf(stderr, "VIOLATED: %s\n", purity_statement);
        tell_path(walk->exploration, walk->setting, state);
        return false;
    }
    const struct state *from = &walk->exploration->states[state];
    struct state next = {.history = from->history,
                         .report = candidate->report,
                         .parent = state,
                         .paths = from->paths};
    const struct rp_step *step;
    if (candidate->is_null) {
        step = walk->section->opened.plugin.table->next(&replay.read, NULL);
    } else {
        step = report_at(&walk->section->opened, &replay.read, &candidate->report, replay.begun_ns);
    }
    struct rp_report report = candidate->report;
    report.outcome = candidate->is_breach ? -1 : report.outcome;
    history_add_report(&next.history, &report, walk->setting->asked.position);
    return take_step(walk, state, &replay, candidate, &next, step);
}

static bool try_begin(struct walk *walk) {
    struct replay replay;
    start_replay(&replay, walk->section, walk->setting);
    struct state first = {.paths = 1};
    history_begin(&first.history);
    const struct rp_step *step =
        begin_read(&walk->section->opened, &walk->setting->asked, replay.begun_ns, &replay.read);
    return take_step(walk, 0, &replay, NULL, &first, step);
}

/* Where there are replicas, RP_REPLICAS_OUT says nothing: the read begins byte for byte as it does
 * without, so all that follows is the same, and the invariants make no difference either. If it
 * does not, the setting is explored like any other. */
static bool says_nothing_new(struct explored_section *section, const struct setting *setting) {
    struct setting without = *setting;
    if (!setting->asked.replicas_out || setting->asked.replicas == 0) {
        return false;
    }
    without.asked.replicas_out = false;
    uint64_t words[2][READ_WORDS];
    for (int i = 0; i < 2; i++) {
        const struct setting *begun = i == 0 ? setting : &without;
        struct replay replay;
        start_replay(&replay, section, begun);
        (void)begin_read(&section->opened, &begun->asked, replay.begun_ns, &replay.read);
        read_words_of(&replay, words[i]);
    }
    section->counters = counters_now(section); /* some are shed at once */
    return memcmp(words[0], words[1], sizeof words[0]) == 0;
}

static void forget(struct exploration *exploration) {
    exploration->state_count = 0;
    exploration->ending_count = 0;
    if (exploration->table_capacity > 0) {
        memset(exploration->table, 0, exploration->table_capacity * sizeof *exploration->table);
    }
}

bool explore(struct exploration *exploration, struct explored_section *section,
             const struct setting *setting, struct totals *totals) {
    struct walk walk = {exploration, section, setting, totals};
    forget(exploration);
    if (section->clock_ns - FIRST_NS > (LAST_NS - FIRST_NS) / 2) {
        explored_section_close(section);
        explored_section_open(section, &setting->configured);
    }
    if (says_nothing_new(section, setting)) {
        return true;
    }
    if (!try_begin(&walk)) {
        return false;
    }
    for (uint32_t state = 0; state < exploration->state_count; state++) {
        struct candidates candidates;
        list_candidates(setting, &exploration->states[state].history, &candidates);
        for (uint32_t i = 0; i < candidates.count; i++) {
            if (!try_report(&walk, state, &candidates.list[i])) {
                return false;
            }
        }
    }
    totals->settings++;
    totals->states += exploration->state_count;
    return true;
}
