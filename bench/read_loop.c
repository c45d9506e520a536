/*
 * read_loop.c - the loop, and the times that it reports to the policy.
 */
#include "read_loop.h"

#include "host-sample/base/monotonic.h"

#include <stddef.h>
#include <time.h>

#define A_WAIT_NS      UINT64_C(300000000) /* longer than any wait of the sections measured */
#define A_READ_NS      UINT64_C(2000)
#define A_LOOKUP_NS    UINT64_C(5000000000)
#define LOCATED_AT     UINT64_C(0x16B374D848)
#define SPREAD_ENTROPY UINT64_C(0x9E3779B97F4A7C15)

struct read_loop read_loop_along(const struct read_path *path) {
    struct read_loop loop = {.replicas = path->replicas, .now_ns = monotonic_ns()};
    uint64_t after_ns = 0;
    for (uint32_t i = 0; path->outcomes[i] != READ_PATH_END; i++) {
        if (path->outcomes[i] == RP_WAITED) {
            after_ns += A_WAIT_NS;
        }
        loop.after_ns[i] = after_ns;
        loop.report[i] = (struct rp_report){.struct_size = sizeof loop.report[i],
                                            .outcome = path->outcomes[i],
                                            .position = LOCATED_AT};
        loop.reports++;
    }
    return loop;
}

__attribute__((noinline)) const struct rp_step *read_loop_run(struct read_loop *loop,
                                                              uint32_t reads) {
    struct rp_read read = {.struct_size = sizeof read};
    struct rp_request request = {.struct_size = sizeof request, .replicas = loop->replicas};
    const struct rp_step *step = NULL;
    uint32_t turn = 0;
    for (uint32_t i = 0; i < reads; i++) {
        uint64_t now =
            loop->calls == READ_CALLS_WITH_CLOCK ? monotonic_ns() : (loop->now_ns += A_READ_NS);
        request.now_ns = now;
        request.deadline_ns = now + A_LOOKUP_NS;
        request.entropy = now * SPREAD_ENTROPY;
        /* The arguments must be in memory, even where nothing is called. */
        __asm__ volatile("" : : "r"(&request), "r"(&read) : "memory");
        if (loop->calls != READ_CALLS_NONE) {
            step = loop->table->begin(loop->policies[turn], &request, &read);
        }
        for (uint32_t k = 0; k < loop->reports; k++) {
            if (loop->calls == READ_CALLS_WITH_CLOCK) {
                now = monotonic_ns();
            }
            loop->report[k].now_ns = now + loop->after_ns[k];
            __asm__ volatile("" : : "r"(&loop->report[k]) : "memory");
            if (loop->calls != READ_CALLS_NONE) {
                step = loop->table->next(&read, &loop->report[k]);
            }
        }
        turn = turn + 1 < loop->policy_count ? turn + 1 : 0;
    }
    return step;
}

static uint64_t cpu_ns(void) {
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}

double read_loop_time(struct read_loop *loop, uint32_t reads) {
    uint64_t begun = cpu_ns();
    (void)read_loop_run(loop, reads);
    return (double)(cpu_ns() - begun) / reads;
}

bool read_loop_is_on_path(const struct read_loop *loop, const struct read_path *path) {
    struct rp_read read = {.struct_size = sizeof read};
    struct rp_request request = {.struct_size = sizeof request,
                                 .replicas = path->replicas,
                                 .now_ns = loop->now_ns,
                                 .deadline_ns = loop->now_ns + A_LOOKUP_NS};
    const struct rp_step *step = loop->table->begin(loop->policies[0], &request, &read);
    for (uint32_t k = 0; k < loop->reports; k++) {
        if (step->kind == RP_STEP_DONE) {
            return false;
        }
        struct rp_report report = loop->report[k];
        report.now_ns = loop->now_ns + loop->after_ns[k];
        step = loop->table->next(&read, &report);
    }
    return step->kind == RP_STEP_DONE && step->verdict == path->verdict &&
           step->served_by == path->served_by;
}
