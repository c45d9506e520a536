/*
 * scripted_read.h - one read, its reports and its result written as words, so that tests of a
 * policy can be tables of strings.
 *
 * Reports, separated by spaces: found partial missing failed waited located reached not_reached,
 * each with "@N" if it carries position N. "waited" and "not_reached" come at the time that the
 * step named; "+N" lets N ms pass before the next report.
 *
 * Steps, separated by spaces: "replica" ("replica@" with RP_STEP_WITH_POSITION), "primary", "wait",
 * "locate", "await@N". The replica's number follows if there are several: "replica:1".
 *
 * The end: "VERDICT by SERVED_BY LEVEL during FAILED_DURING counts COUNTER"; what is absent is left
 * out. LEVEL is quiet, warn or error.
 */
#ifndef SCRIPTED_READ_H
#define SCRIPTED_READ_H

#include "plugin_fixture.h"

#define SCRIPT_START_NS UINT64_C(1000000000000)
#define MS              UINT64_C(1000000)

struct scripted_read {
    uint32_t replicas;
    uint32_t flags;
    uint64_t position;
    uint64_t deadline_ns; /* absolute; 0: none */
    uint64_t entropy;
    const char *reports;
};

struct script_result {
    char steps[512];
    char end[256];
    uint64_t ended_ns;
};

/* Runs the read from SCRIPT_START_NS. It must end exactly with the last report. */
void run_script(const struct opened_section *section, const struct scripted_read *script,
                struct script_result *result);

/* The answer that takes a read to the primary soonest: failed locates, positions not reached,
 * misses. */
struct rp_report discouraging_report(const struct rp_step *step, uint64_t now_ns);

/* Runs a read at that time until it comes to the primary (true, and no further) or is shed. Its
 * deadline allows no wait. */
bool reaches_primary(const struct opened_section *section, uint64_t now_ns);

/* Runs reads to the primary until the budget is used up; returns how many came there. The section
 * must have one. */
uint32_t drain_budget(const struct opened_section *section, uint64_t now_ns);

#endif
