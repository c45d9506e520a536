/*
 * busy_poll.c - the window, and loop turns that do not sleep.
 */
#include "busy_poll.h"

#include "monotonic.h"

#include <sched.h>

#define SMALLEST_WINDOW_NS UINT64_C(10000)

/* ---- which way ------------------------------------------------------------------------------- */

/* By more than chance: a sixteenth. */
static bool is_won(const struct busy_poll_trial *trial, uint64_t each_ns) {
    return each_ns < trial->usually_ns - trial->usually_ns / 16;
}

static void end_trial(struct busy_poll_trial *trial, uint64_t each_ns) {
    if (is_won(trial, each_ns)) {
        trial->due_rounds = BUSY_POLL_LEAST_ROUNDS;
    } else {
        const uint32_t later = 2 * trial->due_rounds + 1;
        trial->sleeps = !trial->sleeps;
        trial->due_rounds = later < BUSY_POLL_MOST_ROUNDS ? later : BUSY_POLL_MOST_ROUNDS;
    }
    trial->under_way = false;
    trial->rounds = 0;
}

static void end_round(struct busy_poll_trial *trial) {
    const uint64_t each_ns = trial->took_ns / trial->counted;
    if (trial->due_rounds == 0) {
        trial->due_rounds = BUSY_POLL_FIRST_TRIAL;
    }
    if (trial->under_way) {
        end_trial(trial, each_ns);
    } else {
        trial->usually_ns = each_ns;
        trial->under_way = ++trial->rounds >= trial->due_rounds;
        trial->sleeps ^= trial->under_way;
    }
    trial->answers = trial->counted = 0;
    trial->took_ns = 0;
}

void busy_poll_count(struct busy_poll *poll, uint32_t answers, uint64_t after_ns) {
    struct busy_poll_trial *trial = &poll->trial;
    const uint64_t most_ns = 4 * poll->limit_ns; /* nobody asked, or the machine stood still */
    if (trial->answers >= BUSY_POLL_SETTLING) {
        trial->counted += answers;
        trial->took_ns += after_ns < most_ns ? after_ns : most_ns;
    }
    trial->answers += answers;
    if (trial->answers >= BUSY_POLL_ROUND && trial->counted > 0) {
        end_round(trial);
    }
}

/* ---- the window ------------------------------------------------------------------------------ */

static enum busy_poll_end end_of(const struct busy_poll *poll, uint64_t took_ns) {
    if (poll->window_ns == 0) {
        return BUSY_POLL_CLOSED;
    }
    return took_ns <= poll->window_ns ? BUSY_POLL_SEEN : BUSY_POLL_LATE;
}

static uint64_t wider_window(const struct busy_poll *poll) {
    const uint64_t twice = 2 * poll->window_ns;
    const uint64_t wider = twice > SMALLEST_WINDOW_NS ? twice : SMALLEST_WINDOW_NS;
    return wider < poll->limit_ns ? wider : poll->limit_ns;
}

enum busy_poll_end busy_poll_adapt(struct busy_poll *poll, uint64_t took_ns) {
    const enum busy_poll_end end = end_of(poll, took_ns);
    if (poll->trial.sleeps) {
        poll->window_ns = 0;
    } else if (end != BUSY_POLL_SEEN) {
        poll->window_ns = took_ns <= poll->limit_ns ? wider_window(poll) : 0;
    }
    return end;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Handles the events that are ready. False if there were none; *good tells whether the loop works.
 */
static bool look(struct event_base *base, bool *good) {
    const int active = event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE);
    (void)event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1);
    *good = event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK) == 0;
    return active > 0 || event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1) > 0;
}

static bool poll_or_sleep(uint64_t until_ns, struct event_base *base) {
    bool good = true;
    while (good && monotonic_ns() < until_ns) {
        if (look(base, &good)) {
            return good;
        }
        (void)sched_yield();
    }
    return good && event_base_loop(base, EVLOOP_ONCE) == 0;
}

bool busy_poll_turn(struct busy_poll *poll, struct event_base *base, enum busy_poll_end *end) {
    const uint64_t began_ns = monotonic_ns();
    poll->answers = 0;
    *end = BUSY_POLL_ENDS;
    const bool good = poll_or_sleep(began_ns + poll->window_ns, base);
    if (poll->answers > 0) {
        poll->late_turns = 0;
        busy_poll_count(poll, poll->answers, poll->answered_ns - poll->before_ns);
        poll->before_ns = poll->answered_ns;
        *end = busy_poll_adapt(poll, poll->answered_ns - began_ns);
    } else if (monotonic_ns() - began_ns > poll->window_ns &&
               ++poll->late_turns >= BUSY_POLL_PATIENCE) {
        poll->late_turns = 0;
        poll->window_ns = 0;
    }
    return good;
}
