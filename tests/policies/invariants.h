/*
 * invariants.h - what must hold of every read, whatever is reported, by the numbers of
 * docs/DESIGN.md. I11 is in reload_exploration.h, I12 in test_allocations.c, I21 in coverage.h; I10
 * and I20, and what the budget is charged (I18), in exploration.c.
 */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "read_history.h"
#include "setting.h"
#include "tests/lib/plugin_fixture.h"

/* One report, and what came of it. */
struct transition {
    const struct setting *setting;
    const struct rp_report *report;   /* NULL: the read began, or NULL was reported */
    const struct read_history *told;  /* with the report; told->step is what was reported on */
    const struct read_history *after; /* and with the new step, unless that is done */
    const struct rp_step *step;       /* the new step, as the plugin gave it */
    uint64_t begun_ns;
    struct counters counted; /* by how much they grew, if the new step is done */
    bool out_of_contract;    /* the report is none that the step can have */
};

struct invariant {
    const char *name;
    const char *statement;
    bool of_breaches; /* checked for reports that break the contract, else for all others */
    /* NULL if it holds, else what is wrong. */
    const char *(*check)(const struct transition *transition);
};

extern const struct invariant invariants[];
extern const unsigned invariant_count;

#endif
