/*
 * read_loop.h - the same read over and over, through a table of begin and next.
 *
 * The loop is one function that the compiler does not inline, so that callgrind can count what
 * happens in it, and so that tables differ in their cost and in nothing else.
 */
#ifndef READ_LOOP_H
#define READ_LOOP_H

#include "bare_calls.h"

#include <stdbool.h>
#include <stdint.h>

#define READ_PATH_MAX_REPORTS 6

/* A read, described by the outcomes of its steps. */
struct read_path {
    const char *policy;                          /* section of the policy file */
    const char *name;                            /* what happens */
    uint32_t replicas;                           /* offered */
    int32_t verdict;                             /* what it must end with */
    int32_t served_by;                           /* and by whom */
    int32_t outcomes[READ_PATH_MAX_REPORTS + 1]; /* enum rp_outcome, ended by READ_PATH_END */
};
#define READ_PATH_END (-1)

/* Where the calls go. */
enum read_calls {
    READ_CALLS_NONE, /* nowhere: the loop alone */
    READ_CALLS_MADE,
    READ_CALLS_WITH_CLOCK /* the clock is read before each call, as a host does */
};

struct read_loop {
    const struct bare_calls *table;
    const struct rp_policy *const *policies; /* taken in turn */
    uint32_t policy_count;
    uint32_t replicas;
    enum read_calls calls;
    uint32_t reports;
    uint64_t after_ns[READ_PATH_MAX_REPORTS]; /* time of each report after the read's start */
    struct rp_report report[READ_PATH_MAX_REPORTS];
    uint64_t now_ns; /* of the next read, where the clock is not read; grows by 2 us per read */
};

/* A loop that follows a path; its table, policies and calls are still to be set. */
struct read_loop read_loop_along(const struct read_path *path);

/* Runs `reads` reads. Returns the last step of the last one (NULL: READ_CALLS_NONE). */
const struct rp_step *read_loop_run(struct read_loop *loop, uint32_t reads);

/* Nanoseconds of this thread's CPU time per read, over `reads` of them. */
double read_loop_time(struct read_loop *loop, uint32_t reads);

/* Runs one read; returns whether it takes exactly the path's steps and ends as the path says. */
bool read_loop_is_on_path(const struct read_loop *loop, const struct read_path *path);

#endif
