/*
 * candidate_reports.c - outcomes, positions and times, multiplied.
 */
#include "candidate_reports.h"

#include <err.h>

#define MS_NS INT64_C(1000000)

/* Past the longest wait there is. */
#define LONG_PAST_NS (61000 * MS_NS)

#define MAX_TIMES     8
#define MAX_POSITIONS 9

struct times {
    int64_t list[MAX_TIMES];
    uint32_t count;
};

static void add_time(struct times *times, int64_t time) {
    for (uint32_t i = 0; i < times->count; i++) {
        if (times->list[i] == time) {
            return;
        }
    }
    times->list[times->count++] = time;
}

static void list_times(const struct setting *setting, const struct read_history *history,
                       struct times *times) {
    const struct asked *asked = &setting->asked;
    const int64_t now = history->now_ns;
    const bool waits = history->step.kind == RP_STEP_WAIT;
    const bool timed = waits || history->step.kind == RP_STEP_AWAIT;
    times->count = 0;
    if (history->looks > 0 && !asked->many_looks) {
        const int64_t too_late = history->located_ns + LONG_PAST_NS;
        add_time(times, now > too_late ? now : too_late);
        return;
    }
    const bool onward = timed && history->awaited == AWAITED_ONWARD && history->looks < MAX_LOOKS;
    add_time(times,
             asked->clock == CLOCK_PROMPT && (waits || onward) ? history->step.until_ns : now);
    if (asked->clock == CLOCK_STANDING) {
        return;
    }
    if (now < LONG_PAST_NS) {
        add_time(times, now + LONG_PAST_NS); /* once in a read: what is past stays so */
    }
    if (asked->clock == CLOCK_PROMPT) {
        return;
    }
    add_time(times, now - MS_NS);
    if (timed) {
        add_time(times, history->step.until_ns);
    }
    if (asked->has_deadline && asked->deadline_ns >= now) {
        add_time(times, asked->deadline_ns);
        add_time(times, asked->deadline_ns + 1);
    }
}

struct position {
    uint64_t position;
    uint64_t flushed; /* located */
};

struct positions {
    struct position list[MAX_POSITIONS];
    uint32_t count;
};

static void add_position(struct positions *positions, uint64_t position, uint64_t flushed) {
    for (uint32_t i = 0; i < positions->count; i++) {
        if (positions->list[i].position == position && positions->list[i].flushed == flushed) {
            return;
        }
    }
    positions->list[positions->count++] = (struct position){position, flushed};
}

static void add_around(struct positions *positions, uint64_t position) {
    add_position(positions, 0, 0);
    if (position != 0) {
        add_position(positions, position - 1, 0);
        add_position(positions, position, 0);
    }
}

/* The caller's position lies beyond all that is inserted, between flushed and inserted, at either,
 * and before both; a flushed position beyond the inserted one there is not, and says nothing. */
static void add_located(const struct setting *setting, struct positions *positions) {
    add_position(positions, 0, 0);
    if (setting->asked.clock == CLOCK_FREE) { /* too many to combine with all times */
        add_position(positions, CALLER_POSITION - 50, 0);
        add_position(positions, CALLER_POSITION + 50, CALLER_POSITION + 20);
        return;
    }
    add_position(positions, 0, CALLER_POSITION);
    add_position(positions, CALLER_POSITION - 50, 0);
    add_position(positions, CALLER_POSITION, CALLER_POSITION - 20);
    add_position(positions, CALLER_POSITION + 50, 0);
    add_position(positions, CALLER_POSITION + 50, CALLER_POSITION - 20);
    add_position(positions, CALLER_POSITION + 50, CALLER_POSITION + 20);
    add_position(positions, CALLER_POSITION + 50, CALLER_POSITION + 50);
    add_position(positions, CALLER_POSITION + 50, CALLER_POSITION + 60);
}

/* Positions that come with the step's answers; a plain read's says nothing, however large. */
static struct positions list_positions(const struct setting *setting,
                                       const struct read_history *history) {
    struct positions positions = {.count = 0};
    switch (history->step.kind) {
    case RP_STEP_READ:
        add_position(&positions, 0, 0);
        if ((history->step.flags & RP_STEP_WITH_POSITION) == 0) {
            add_position(&positions, 1000, 0);
            break;
        }
        add_around(&positions, history->is_current ? history->located : 0);
        add_around(&positions, setting->asked.position);
        if (history->is_current) {
            add_position(&positions, history->awaited_position, 0);
            add_position(&positions, history->located + 1, 0);
        }
        break;
    case RP_STEP_LOCATE:
        add_located(setting, &positions);
        break;
    case RP_STEP_AWAIT:
        add_around(&positions, history->step.position);
        add_position(&positions, history->step.position + 1, 0);
        break;
    default:
        add_position(&positions, 0, 0);
        break;
    }
    return positions;
}

/* The outcomes that a step can have, as a set. */
static uint32_t proper_outcomes(int32_t kind) {
    switch (kind) {
    case RP_STEP_READ:
        return 1u << RP_FOUND | 1u << RP_PARTIAL | 1u << RP_MISSING | 1u << RP_FAILED;
    case RP_STEP_WAIT:
        return 1u << RP_WAITED;
    case RP_STEP_LOCATE:
        return 1u << RP_LOCATED | 1u << RP_FAILED;
    default:
        return 1u << RP_REACHED | 1u << RP_NOT_REACHED | 1u << RP_FAILED;
    }
}

static struct candidate *add(struct candidates *candidates, int32_t outcome, int64_t now_ns,
                             struct position position) {
    if (candidates->count == MAX_CANDIDATES) {
        errx(2, "MAX_CANDIDATES is too small");
    }
    struct candidate *candidate = &candidates->list[candidates->count++];
    *candidate = (struct candidate){.report = {.struct_size = sizeof candidate->report,
                                               .outcome = outcome,
                                               .now_ns = (uint64_t)now_ns,
                                               .position = position.position,
                                               .flushed = position.flushed}};
    return candidate;
}

static void add_proper(const struct setting *setting, const struct read_history *history,
                       struct candidates *candidates) {
    const uint32_t outcomes = proper_outcomes(history->step.kind);
    const struct positions positions = list_positions(setting, history);
    struct times times;
    list_times(setting, history, &times);
    for (int32_t outcome = RP_FOUND; outcome <= RP_NOT_REACHED; outcome++) {
        if ((outcomes & 1u << outcome) == 0) {
            continue;
        }
        /* Nobody asks where a server is that has failed. */
        const uint32_t count = outcome == RP_FAILED ? 1 : positions.count;
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t j = 0; j < times.count; j++) {
                (void)add(candidates, outcome, times.list[j], positions.list[i]);
            }
        }
    }
}

static void add_breaches(const struct read_history *history, struct candidates *candidates) {
    static const struct position beyond = {1000, 1000};
    static const int32_t unknown[] = {-1,
                                      RP_NOT_REACHED + 1,
                                      RP_NOT_REACHED + 2,
                                      RP_NOT_REACHED + 3,
                                      RP_NOT_REACHED + 4,
                                      RP_NOT_REACHED + 5,
                                      RP_NOT_REACHED + 6,
                                      100,
                                      255,
                                      INT32_MIN,
                                      INT32_MAX};
    const uint32_t outcomes = proper_outcomes(history->step.kind);
    for (int32_t outcome = RP_FOUND; outcome <= RP_NOT_REACHED; outcome++) {
        if ((outcomes & 1u << outcome) == 0) {
            add(candidates, outcome, history->now_ns, beyond)->is_breach = true;
        }
    }
    for (uint32_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        add(candidates, unknown[i], history->now_ns, beyond)->is_breach = true;
    }
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t sizes[] = {0, 4, offsetof(struct rp_report, flushed) - 1};
        struct candidate *small = add(candidates, RP_FOUND, history->now_ns, beyond);
        small->is_breach = true;
        small->report.struct_size = sizes[i];
    }
    struct candidate *null = add(candidates, RP_FOUND, history->now_ns, beyond);
    null->is_breach = null->is_null = true;
}

/* What breaks the contract does so at any time, with any budget and any replica: deep in a read it
 * is tried where these do not vary. */
#define DEEP_FROM 4u

static bool tries_breaches(const struct setting *setting, const struct read_history *history) {
    return history->steps < DEEP_FROM ||
           (setting->asked.clock != CLOCK_FREE && setting->configured.budget_per_s == 0 &&
            setting->configured.pick == SAME);
}

void list_candidates(const struct setting *setting, const struct read_history *history,
                     struct candidates *candidates) {
    candidates->count = 0;
    add_proper(setting, history, candidates);
    if (tries_breaches(setting, history)) {
        add_breaches(history, candidates);
    }
}
