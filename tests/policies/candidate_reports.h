/*
 * candidate_reports.h - what a host may report on a step, at every boundary, and what it must not.
 */
#ifndef CANDIDATE_REPORTS_H
#define CANDIDATE_REPORTS_H

#include "read_history.h"
#include "setting.h"

/* The position that callers bring, if any; located positions lie around it. */
#define CALLER_POSITION UINT64_C(100)

#define MAX_CANDIDATES 256u

struct candidate {
    struct rp_report report; /* its time is counted from the read's beginning */
    bool is_null;            /* NULL is reported */
    bool is_breach;          /* of the contract */
};

struct candidates {
    struct candidate list[MAX_CANDIDATES];
    uint32_t count;
};

/* All reports to try on the step under way. */
void list_candidates(const struct setting *setting, const struct read_history *history,
                     struct candidates *candidates);

#endif
