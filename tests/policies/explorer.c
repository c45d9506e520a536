/*
 * explorer.c - every reachable sequence of reports, for every policy and every boundary setting,
 * through the built shared object; the invariants of docs/DESIGN.md are checked at every step of
 * it.
 *
 *   explorer         every value of every option and of every part of a request, and all
 *                    combinations of those that meet in one decision
 *   explorer --full  all combinations of all of them
 *   explorer I5      the first, but checks the invariants of that number only
 *   explorer NAME    the first, but the policy of that name only, and no reloads
 *   explorer rules   explores nothing: whether every policy loads
 *
 * Exit status 0 if all invariants hold.
 */
#include "candidate_reports.h"
#include "coverage.h"
#include "exploration.h"
#include "reload_exploration.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS INT64_C(1000000)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct explorer {
    bool full;
    int alone; /* enum explored_policy, or -1: all */
    struct exploration exploration;
    struct totals totals;
    struct coverage coverage;
};

/* ---- what hosts ask ---- */

static const uint64_t entropies[] = {UINT64_C(0x0123456789abcdef), 0, UINT64_MAX,
                                     UINT64_C(0xfedcba9876543210)};
static const uint32_t replica_counts[] = {1, 2, 0, 7, UINT32_MAX};

struct deadlines {
    int64_t list[8];
    uint32_t count;
};

static void add_deadline(struct deadlines *deadlines, int64_t deadline) {
    for (uint32_t i = 0; i < deadlines->count; i++) {
        if (deadlines->list[i] == deadline) {
            return;
        }
    }
    deadlines->list[deadlines->count++] = deadline;
}

/* Already past, now, before and within the first wait, at its end and after it. Longer waits meet
 * the deadlines of longer settings. */
static struct deadlines deadlines_of(const struct configured *configured) {
    int64_t shortest = configured->retry_min_ms * MS_NS;
    int64_t longest = configured->retry_max_ms * MS_NS;
    if (configured->policy == BACKOFF) {
        shortest = configured->first_ms * MS_NS / 2;
        longest = configured->max_wait_ms * MS_NS;
    } else if (configured->policy != THEN_PRIMARY) {
        shortest = longest = configured->max_wait_ms * MS_NS;
    }
    struct deadlines deadlines = {.count = 0};
    add_deadline(&deadlines, -1);
    add_deadline(&deadlines, 0);
    add_deadline(&deadlines, shortest > 0 ? shortest - 1 : 0);
    add_deadline(&deadlines, (shortest + longest) / 2);
    add_deadline(&deadlines, longest);
    add_deadline(&deadlines, longest + MS_NS);
    return deadlines;
}

/* Whether what is combined without --full meets in this setting: any deadline, and a clock that
 * runs free, with all that bears on waits and awaits. The number of replicas, the entropy and the
 * pick choose a replica, and the budget whether the primary is read: neither bears on these. */
static bool is_usual(const struct setting *setting) {
    const struct asked *asked = &setting->asked;
    return asked->replicas == 1 && !asked->in_transaction && asked->entropy == entropies[0] &&
           setting->configured.pick == SAME && setting->configured.budget_per_s == 0;
}

static bool visit(struct explorer *explorer, struct explored_section *section,
                  const struct setting *setting) {
    return explore(&explorer->exploration, section, setting, &explorer->totals);
}

/* Clocks: as free as can be, except that the times of many polls are too many to combine. */
static bool visit_clocks(struct explorer *explorer, struct explored_section *section,
                         struct setting *setting) {
    const uint32_t free_polls = explorer->full ? 6 : 4;
    const bool many_polls =
        setting->configured.policy == BACKOFF && poll_limit(&setting->configured) > free_polls;
    if (!many_polls && (explorer->full || is_usual(setting))) {
        setting->asked.clock = CLOCK_FREE;
        if (!visit(explorer, section, setting)) {
            return false;
        }
        if (setting->configured.policy != READ_INDEX) {
            return true; /* it has no looks */
        }
    }
    setting->asked.clock = CLOCK_PROMPT;
    setting->asked.many_looks =
        explorer->full || (is_usual(setting) && !setting->configured.failover);
    if (!visit(explorer, section, setting)) {
        return false;
    }
    setting->asked.many_looks = false;
    setting->asked.clock = CLOCK_STANDING;
    return !many_polls || visit(explorer, section, setting);
}

static bool visit_tokens(struct explorer *explorer, struct explored_section *section,
                         struct setting *setting) {
    const uint32_t burst = setting->configured.budget_burst;
    for (uint32_t tokens = section->has_budget ? 0 : burst; tokens <= burst; tokens++) {
        if (tokens > 1 && tokens < burst) {
            continue; /* empty, one, full */
        }
        setting->asked.tokens = tokens;
        if (!visit_clocks(explorer, section, setting)) {
            return false;
        }
    }
    return true;
}

static bool visit_deadlines(struct explorer *explorer, struct explored_section *section,
                            struct setting *setting) {
    const struct deadlines deadlines = deadlines_of(&setting->configured);
    setting->asked.has_deadline = false;
    if (!visit_tokens(explorer, section, setting)) {
        return false;
    }
    setting->asked.has_deadline = true;
    for (uint32_t i = 0; i < deadlines.count; i++) {
        setting->asked.deadline_ns = deadlines.list[i];
        if (!visit_tokens(explorer, section, setting)) {
            return false;
        }
    }
    return true;
}

/* Without --full, each number of replicas has one entropy of its own, and one replica has all. */
static bool visit_requests(struct explorer *explorer, struct explored_section *section,
                           struct setting *setting) {
    for (size_t i = 0; i < COUNT_OF(replica_counts) * COUNT_OF(entropies) * 8; i++) {
        const size_t entropy = i % COUNT_OF(entropies);
        const size_t count = i / COUNT_OF(entropies) % COUNT_OF(replica_counts);
        const size_t rest = i / COUNT_OF(entropies) / COUNT_OF(replica_counts);
        const bool out = rest / 4 != 0;
        if (!explorer->full && count > 0 && entropy != count % COUNT_OF(entropies)) {
            continue;
        }
        setting->asked = (struct asked){.replicas = replica_counts[count],
                                        .replicas_out = out,
                                        .in_transaction = rest % 2 != 0,
                                        .position = rest / 2 % 2 != 0 ? CALLER_POSITION : 0,
                                        .entropy = entropies[entropy]};
        const bool ok = explorer->full || is_usual(setting)
                            ? visit_deadlines(explorer, section, setting)
                            : visit_tokens(explorer, section, setting);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* ---- what operators configure ---- */

static bool visit_section(struct explorer *explorer, const struct configured *configured) {
    struct explored_section section;
    struct setting setting = {.configured = *configured};
    coverage_note(&explorer->coverage, configured);
    explored_section_open(&section, configured);
    const bool ok = visit_requests(explorer, &section, &setting);
    explored_section_close(&section);
    return ok;
}

static bool visit_budgets(struct explorer *explorer, struct configured *configured) {
    configured->budget_per_s = configured->budget_burst = 0;
    if (!visit_section(explorer, configured)) {
        return false;
    }
    configured->budget_per_s = 1;
    configured->budget_burst = 3;
    if (!visit_section(explorer, configured)) {
        return false;
    }
    if (configured->policy == READ_INDEX || (!explorer->full && configured->pick != SAME)) {
        return true; /* it needs positions; a floor's read by others asks no replica */
    }
    configured->blind = true;
    const bool ok = visit_section(explorer, configured);
    configured->blind = false;
    return ok;
}

static bool visit_choices(struct explorer *explorer, struct configured *configured) {
    for (int choice = 0; choice < 2 * PICK_COUNT; choice++) {
        configured->failover = choice % 2 != 0;
        configured->pick = (enum explored_pick)(choice / 2);
        if (!explorer->full && configured->pick == FRESHEST && configured->failover) {
            continue; /* the pick bears on flags alone */
        }
        if (!visit_budgets(explorer, configured)) {
            return false;
        }
    }
    return true;
}

static bool visit_replica_then_primary(struct explorer *explorer) {
    static const uint32_t bounds[][2] = {{50, 200}, {0, 0},   {50, 0},        {0, 1},
                                         {1, 1},    {50, 50}, {60000, 60000}, {0, 60000}};
    struct configured configured = {.policy = THEN_PRIMARY, .first_ms = 1, .max_wait_ms = 1};
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        configured.retry_min_ms = bounds[i][0];
        configured.retry_max_ms = bounds[i][1];
        if (!visit_choices(explorer, &configured)) {
            return false;
        }
    }
    return true;
}

static bool visit_replica_backoff(struct explorer *explorer) {
    static const uint32_t waits[][2] = {{2, 200},       {1, 0},      {1, 1},    {3, 20},
                                        {60000, 60000}, {1000, 100}, {1, 60000}};
    struct configured configured = {.policy = BACKOFF};
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        configured.first_ms = waits[i][0];
        configured.max_wait_ms = waits[i][1];
        if (!visit_choices(explorer, &configured)) {
            return false;
        }
    }
    return true;
}

static bool visit_read_index(struct explorer *explorer) {
    static const uint32_t limits[] = {200, 0, 1, 60000};
    struct configured configured = {.policy = READ_INDEX, .first_ms = 1};
    for (size_t i = 0; i < COUNT_OF(limits) * 2; i++) {
        configured.max_wait_ms = limits[i / 2];
        configured.always = i % 2 != 0;
        if (!visit_choices(explorer, &configured)) {
            return false;
        }
    }
    return true;
}

static bool visit_primary_only(struct explorer *explorer) {
    struct configured configured = {
        .policy = PRIMARY_ONLY, .first_ms = 1, .max_wait_ms = 200, .retry_max_ms = 200};
    return visit_choices(explorer, &configured);
}

static bool visit_replica_only(struct explorer *explorer) {
    struct configured configured = {
        .policy = REPLICA_ONLY, .first_ms = 1, .max_wait_ms = 200, .retry_max_ms = 200};
    return visit_choices(explorer, &configured);
}

static bool visit_all(struct explorer *explorer) {
#define VISIT(policy, name) [policy] = visit_##name,
    static bool (*const visits[POLICY_COUNT])(struct explorer *) = {EXPLORED_POLICIES(VISIT)};
    bool ok = true;
    for (int policy = 0; policy < POLICY_COUNT && ok; policy++) {
        ok = (explorer->alone >= 0 && explorer->alone != policy) || visits[policy](explorer);
    }
    return ok;
}

static void print_totals(const struct totals *totals, uint64_t reloads) {
    printf("%llu settings, %llu states, %.4g paths, %llu reports of which %llu break the contract, "
           "%llu reloads in mid-read; longest reads:",
           (unsigned long long)totals->settings, (unsigned long long)totals->states, totals->paths,
           (unsigned long long)totals->reports, (unsigned long long)totals->breaches,
           (unsigned long long)reloads);
    for (int policy = 0; policy < POLICY_COUNT; policy++) {
        printf(" %s %u%s", policy_names[policy], totals->longest[policy],
               policy + 1 < POLICY_COUNT ? "," : " steps\n");
    }
}

static bool explore_all(struct explorer *explorer, const struct rp_plugin *plugin) {
    uint64_t reloads = 0;
    if (!coverage_begin(&explorer->coverage, &explorer->exploration, plugin)) {
        return false;
    }
    if (explorer->exploration.only != NULL && strcmp(explorer->exploration.only, "rules") == 0) {
        return true;
    }
    const bool ok = (explorer->alone >= 0 ||
                     explore_reloads(&explorer->exploration, &explorer->totals, &reloads)) &&
                    visit_all(explorer) &&
                    coverage_is_full(&explorer->coverage, &explorer->exploration, plugin,
                                     explorer->alone, &explorer->totals);
    print_totals(&explorer->totals, reloads);
    return ok;
}

int main(int argc, char **argv) {
    static struct explorer explorer;
    struct opened_plugin plugin;
    explorer.full = argc == 2 && strcmp(argv[1], "--full") == 0;
    explorer.alone = argc == 2 ? find_explored(argv[1]) : -1;
    if (argc == 2 && (argv[1][0] == 'I' || strcmp(argv[1], "rules") == 0)) {
        explorer.exploration.only = argv[1];
    } else if (argc > 1 && !explorer.full && explorer.alone < 0) {
        errx(2,
             "%s: neither an invariant nor a policy that has settings here (a new policy gets them "
             "by docs/HACKING.md)\nusage: explorer [--full | INVARIANT | POLICY | rules]",
             argv[1]);
    }
    plugin_open(&plugin);
    const bool ok = explore_all(&explorer, plugin.table);
    exploration_free(&explorer.exploration);
    plugin_close(&plugin);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
