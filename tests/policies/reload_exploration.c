/*
 * reload_exploration.c - reads along known paths, with a reload in the middle.
 */
#include "reload_exploration.h"

#include "candidate_reports.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

/* A set takes 1024 changed files; each read needs two. */
#define READS_OF_A_SET 500u

static const struct configured explored[] = {
    {.policy = THEN_PRIMARY, .retry_min_ms = 50, .retry_max_ms = 200, .first_ms = 1},
    {.policy = THEN_PRIMARY, .first_ms = 1, .failover = true, .pick = NEXT},
    {.policy = READ_INDEX, .max_wait_ms = 200, .first_ms = 1, .failover = true},
    {.policy = READ_INDEX, .max_wait_ms = 200, .first_ms = 1, .always = true, .pick = FRESHEST},
    {.policy = BACKOFF, .max_wait_ms = 20, .first_ms = 3, .pick = NEXT},
    {.policy = PRIMARY_ONLY, .first_ms = 1},
    {.policy = REPLICA_ONLY, .first_ms = 1},
};
#define EXPLORED_COUNT (sizeof explored / sizeof explored[0])

static bool same_step(const struct rp_step *step, const struct read_history *history,
                      uint64_t begun_ns) {
    struct read_history now;
    history_begin(&now);
    history_add_step(&now, step, begun_ns);
    return memcmp(&now.step, &history->step, sizeof now.step) == 0;
}

static bool same_text(const char *one, const char *other) {
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool same_end(const struct rp_step *step, const struct rp_step *expected) {
    return step->kind == expected->kind && step->verdict == expected->verdict &&
           step->served_by == expected->served_by && step->log_level == expected->log_level &&
           same_text(step->failed_during, expected->failed_during) &&
           same_text(step->message, expected->message);
}

static const char statement[] = "I11: a reload never changes a read in flight";

struct reloading {
    struct opened_section section;
    const struct setting *setting;
    const struct exploration *exploration;
    char own_lines[1024];
    char other_lines[1024];
    uint64_t begun_ns;
};

/* One read along the path to the ending, with the reload after the `cut`-th step. */
static bool read_again(struct reloading *reloading, const struct ending *ending, uint32_t cut) {
    const struct exploration *exploration = reloading->exploration;
    uint32_t path[MAX_DEPTH];
    const uint32_t depth = path_to(exploration, ending->state, path);
    struct rp_read read;
    reloading->begun_ns += UINT64_C(1) << 42;
    const struct rp_step *step =
        begin_read(&reloading->section, &reloading->setting->asked, reloading->begun_ns, &read);
    for (uint32_t i = 0; i < depth; i++) {
        if (step->kind == RP_STEP_DONE ||
            !same_step(step, &exploration->states[path[i]].history, reloading->begun_ns)) {
            return false;
        }
        if (i == cut) {
            section_reload(&reloading->section, "%s", reloading->other_lines);
        }
        const struct rp_report *report =
            i + 1 < depth ? &exploration->states[path[i + 1]].report : &ending->report;
        step = report_at(&reloading->section, &read, report, reloading->begun_ns);
    }
    const bool same = same_end(step, &ending->step);
    section_reload(&reloading->section, "%s", reloading->own_lines);
    /* The step of a read that is over is not touched by reloads either. */
    return same && same_end(step, &ending->step);
}

/* Spreads the reads that a set allows over all endings and all steps before them. */
static bool read_all_again(struct reloading *reloading, uint64_t *reloads) {
    const struct exploration *exploration = reloading->exploration;
    const uint32_t stride = exploration->ending_count / READS_OF_A_SET + 1;
    for (uint32_t i = 0; i < exploration->ending_count; i += stride) {
        const struct ending *ending = &exploration->endings[i];
        const uint32_t cut = i / stride % exploration->states[ending->state].history.steps;
        *reloads += 2;
        if (!read_again(reloading, ending, cut)) {
            char text[512];
            write_setting(reloading->setting, text, sizeof text);
            (void)fprintf(stderr, "VIOLATED: %s\n%s\n  ending %u, reloaded after step %u\n",
                          statement, text, i, cut + 1);
            return false;
        }
    }
    return true;
}

static bool explore_one(struct exploration *exploration, struct totals *totals, size_t index,
                        uint64_t *reloads) {
    const struct setting setting = {.configured = explored[index],
                                    .asked = {.replicas = 3,
                                              .position = CALLER_POSITION,
                                              .has_deadline = true,
                                              .deadline_ns = 400000000,
                                              .entropy = UINT64_C(0x0123456789abcdef)}};
    struct explored_section section;
    explored_section_open(&section, &setting.configured);
    bool ok = explore(exploration, &section, &setting, totals);
    explored_section_close(&section);
    struct reloading reloading = {
        .setting = &setting, .exploration = exploration, .begun_ns = UINT64_C(1) << 60};
    write_lines(&setting.configured, reloading.own_lines, sizeof reloading.own_lines);
    for (size_t other = 0; ok && other < EXPLORED_COUNT; other++) {
        if (other == index) {
            continue;
        }
        write_lines(&explored[other], reloading.other_lines, sizeof reloading.other_lines);
        section_open(&reloading.section, "%s", reloading.own_lines);
        ok = read_all_again(&reloading, reloads);
        section_close(&reloading.section);
    }
    return ok;
}

bool explore_reloads(struct exploration *exploration, struct totals *totals, uint64_t *reloads) {
    for (size_t i = 0; i < EXPLORED_COUNT; i++) {
        if (is_checked(exploration, statement) && !explore_one(exploration, totals, i, reloads)) {
            return false;
        }
    }
    return true;
}
