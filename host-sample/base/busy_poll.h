/*
 * busy_poll.h - polls for an answer that is about to come, instead of sleeping until it does.
 *
 * Putting a processor to sleep and waking it takes longer than a server on the same machine or rack
 * takes to answer a point read. While such an answer is awaited, the loop may therefore poll for a
 * while. How long adapts, as KVM's halt polling does (Linux,
 * Documentation/virt/kvm/halt-polling.rst): the window doubles where a little more of it would have
 * seen the answer, and closes where the answer took longer than the limit, or where none comes, so
 * a server that is far away or hangs costs nothing. Between two polls the processor is offered to
 * others (sched_yield), because the server may need it to answer.
 *
 * Whether it pays is the machine's to say: where a sleeping thread's processor is given to the
 * server that it waits for, neither has to be woken on another one, and polling is what takes
 * longer. So the other way is tried now and then, for a round of answers, and kept if more of them
 * come; the more often it was in vain, the less often.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef BUSY_POLL_H
#define BUSY_POLL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/* So many turns in vain close the window. */
enum { BUSY_POLL_PATIENCE = 64 };

/* Answers of a round; the first of them, which do not count: the scheduler follows with a delay;
 * and the rounds between two trials. */
enum {
    BUSY_POLL_ROUND = 256,
    BUSY_POLL_SETTLING = 64,
    BUSY_POLL_FIRST_TRIAL = 3,
    BUSY_POLL_LEAST_ROUNDS = 15,
    BUSY_POLL_MOST_ROUNDS = 255
};

/* Which way is the better one: that in which more answers come. What an answer takes by itself does
 * not tell, for whoever gets it has to be woken, too, and to ask again. All zero: it polls, and
 * nothing is known. */
struct busy_poll_trial {
    bool sleeps;         /* the way that is gone: the window stays closed */
    bool under_way;      /* it is not the usual one */
    uint32_t answers;    /* in this round */
    uint32_t counted;    /* of them */
    uint64_t took_ns;    /* by those, each since the one before it */
    uint64_t usually_ns; /* by one, in the last round of the usual way */
    uint32_t rounds;     /* since the last trial */
    uint32_t due_rounds; /* when there is the next one; 0: the first one */
};

struct busy_poll {
    uint64_t limit_ns; /* of the window; 0 never polls */
    uint64_t window_ns;
    uint32_t
        late_turns;   /* turns in a row that have polled to the window's end, without an answer */
    uint32_t answers; /* in this turn of the loop */
    uint64_t answered_ns; /* when the first of them came */
    uint64_t before_ns;   /* and that of the last turn that had any; 0: none had */
    struct busy_poll_trial trial;
};

/* Of a turn with an answer. */
enum busy_poll_end {
    BUSY_POLL_SEEN,   /* it came within the window */
    BUSY_POLL_LATE,   /* it came only after the window, while the loop slept */
    BUSY_POLL_CLOSED, /* there was no window: it was slept for at once */
    BUSY_POLL_ENDS
};

/* From now on. What was found out by another limit says nothing. */
static inline void busy_poll_set_limit(struct busy_poll *poll, uint64_t limit_ns) {
    if (limit_ns != poll->limit_ns) {
        poll->trial = (struct busy_poll_trial){.sleeps = false};
    }
    poll->limit_ns = limit_ns;
    poll->window_ns = poll->window_ns < limit_ns ? poll->window_ns : limit_ns;
}

/* An answer has arrived. */
static inline void busy_poll_answered(struct busy_poll *poll, uint64_t now_ns) {
    if (poll->answers++ == 0) {
        poll->answered_ns = now_ns;
    }
}

/* A turn has brought so many answers, the first of them so long after the one of the turn before:
 * finds out which way is the better one. */
void busy_poll_count(struct busy_poll *poll, uint32_t answers, uint64_t after_ns);

/* An answer came so long after the turn had begun: how the window did, and adapts it. */
enum busy_poll_end busy_poll_adapt(struct busy_poll *poll, uint64_t took_ns);

/* A turn of the loop that has something to do: polls while the window lasts, then sleeps. *end is
 * BUSY_POLL_ENDS where no answer came. False if the loop failed. */
bool busy_poll_turn(struct busy_poll *poll, struct event_base *base, enum busy_poll_end *end);

#endif
