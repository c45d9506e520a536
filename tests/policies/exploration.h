/*
 * exploration.h - every sequence of reports that one setting allows.
 *
 * The states of a read form a graph: the same history and the same bytes of struct rp_read, times
 * counted from the read's beginning, are the same state, however it was reached. Each state is
 * visited once, each report is tried in it once, and the number of paths follows from the graph.
 *
 * A read under way may be neither moved nor copied, so a state is come to by replaying its reports
 * from the beginning, each time at another time of the clock. That the replay comes to the same
 * state again is checked: the plugin's answers depend on its arguments alone, and only on
 * differences of time.
 */
#ifndef EXPLORATION_H
#define EXPLORATION_H

#include "invariants.h"

#define READ_WORDS (RP_READ_BYTES / 8u)

/* A state of a read in which a step is under way. */
struct state {
    struct read_history history;
    uint64_t read_words[READ_WORDS]; /* times in it counted from the beginning */
    struct rp_report report;         /* that led here from `parent`; its time likewise */
    uint32_t parent;                 /* index; of the first state: itself */
    double paths;                    /* number of sequences of reports that lead here */
};

/* A report that ended the read. */
struct ending {
    uint32_t state;
    struct rp_report report;
    struct rp_step step;
};

struct exploration {
    const char *only;     /* "I5": check the invariants of that number only; NULL: all */
    struct state *states; /* in the order of their number of steps */
    uint32_t state_count;
    uint32_t state_capacity;
    uint32_t *table; /* open hashing: index + 1 into states; 0: empty */
    uint32_t table_capacity;
    struct ending *endings; /* by reports within the contract */
    uint32_t ending_count;
    uint32_t ending_capacity;
};

/* The totals of all explorations. */
struct totals {
    uint64_t settings;
    uint64_t states;
    uint64_t reports; /* tried, those out of contract included */
    uint64_t breaches;
    double paths;
    uint32_t longest[POLICY_COUNT]; /* steps of the longest read */
};

/* A section that is explored, with the state of its clock and counters. */
struct explored_section {
    struct opened_section opened;
    struct counter_places places;
    struct counters counters;
    uint64_t clock_ns; /* when the next replay begins */
    bool has_budget;   /* its policy draws on the primary's budget, if one is configured */
};

void explored_section_open(struct explored_section *section, const struct configured *configured);
void explored_section_close(struct explored_section *section);

/* Whether an invariant of that statement ("I5: ...") is to be checked. */
bool is_checked(const struct exploration *exploration, const char *statement);

/* Forgets the last exploration and makes the next. False, and a report on stderr, if an invariant
 * is violated. The setting's `configured` must be the section's. */
bool explore(struct exploration *exploration, struct explored_section *section,
             const struct setting *setting, struct totals *totals);
void exploration_free(struct exploration *exploration);

/* The states from the first to this one, as indexes; returns their number. */
#define MAX_DEPTH 64u
uint32_t path_to(const struct exploration *exploration, uint32_t state, uint32_t path[MAX_DEPTH]);

/* Begins the read that the setting asks for. */
const struct rp_step *begin_read(const struct opened_section *section, const struct asked *asked,
                                 uint64_t begun_ns, struct rp_read *read);
/* Reports with the time counted from begun_ns. */
const struct rp_step *report_at(const struct opened_section *section, struct rp_read *read,
                                const struct rp_report *report, uint64_t begun_ns);

#endif
