/*
 * deadlines.c - queues of deadlines behind one timer.
 *
 * The timer is armed for the earliest deadline known when it was armed. Clearing a deadline does
 * not change it: it then fires once for nothing, and is armed for the earliest deadline at that
 * time.
 */
#include "deadlines.h"

#include <event2/event.h>
#include <time.h>

/* The coarse clock is read without a system call everywhere, and a few ms do not matter here. */
static int64_t now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void arm(struct deadlines *deadlines, int64_t due_ms) {
    /* At least 1 ms: the loop's clock is finer than ours, and may wake us a little too early. */
    int64_t from_now_ms = due_ms - now_ms();
    struct timeval delay;

    if (from_now_ms < 1) {
        from_now_ms = 1;
    }
    delay.tv_sec = (time_t)(from_now_ms / 1000);
    delay.tv_usec = (suseconds_t)(from_now_ms % 1000 * 1000);
    deadlines->armed = event_add(&deadlines->timer, &delay) == 0;
    deadlines->armed_for_ms = due_ms;
}

static void arm_for_earliest(struct deadlines *deadlines) {
    const struct deadline *earliest = NULL;

    for (uint32_t i = 0; i < deadlines->queue_count; i++) {
        const struct deadline *first = deadline_first(&deadlines->queues[i]);

        if (first != NULL && (earliest == NULL || first->due_ms < earliest->due_ms)) {
            earliest = first;
        }
    }
    if (earliest != NULL) {
        arm(deadlines, earliest->due_ms);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct deadlines *deadlines = arg;
    int64_t now = now_ms();

    (void)fd;
    (void)what;
    deadlines->armed = false;
    for (uint32_t i = 0; i < deadlines->queue_count; i++) {
        struct deadline_queue *queue = &deadlines->queues[i];
        struct deadline *first;

        while ((first = deadline_first(queue)) != NULL && first->due_ms <= now) {
            deadline_clear(first);
            deadlines->passed(deadlines->context, queue, first);
        }
    }
    arm_for_earliest(deadlines);
}

void deadlines_init(struct deadlines *deadlines, struct event_base *base,
                    struct deadline_queue *queues, uint32_t queue_count, deadline_passed *passed,
                    void *context) {
    *deadlines = (struct deadlines){
        .queues = queues, .queue_count = queue_count, .passed = passed, .context = context};
    evtimer_assign(&deadlines->timer, base, on_timer, deadlines);
    for (uint32_t i = 0; i < queue_count; i++) {
        TAILQ_INIT(&queues[i].waiting);
        queues[i].owner = deadlines;
    }
}

void deadlines_free(struct deadlines *deadlines) {
    struct deadline *first;

    for (uint32_t i = 0; i < deadlines->queue_count; i++) {
        while ((first = deadline_first(&deadlines->queues[i])) != NULL) {
            deadline_clear(first);
        }
    }
    event_del(&deadlines->timer);
}

void deadline_set(struct deadline *deadline, struct deadline_queue *queue) {
    struct deadlines *deadlines = queue->owner;

    deadline_clear(deadline);
    deadline->queue = queue;
    deadline->due_ms = now_ms() + queue->length_ms;
    TAILQ_INSERT_TAIL(&queue->waiting, deadline, entry);
    if (!deadlines->armed || deadline->due_ms < deadlines->armed_for_ms) {
        arm(deadlines, deadline->due_ms);
    }
}

void deadline_clear(struct deadline *deadline) {
    if (deadline->queue != NULL) {
        TAILQ_REMOVE(&deadline->queue->waiting, deadline, entry);
        deadline->queue = NULL;
    }
}

struct deadline *deadline_first(const struct deadline_queue *queue) {
    return TAILQ_FIRST(&queue->waiting);
}
