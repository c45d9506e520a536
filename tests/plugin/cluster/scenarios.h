/*
 * scenarios.h - small worlds in which the facts that are fed to policies have been wrong: what each
 * begins with, and what happens in it, sooner or later.
 */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "play.h"

enum { MAX_WORLD_EVENTS = 8 };

struct scenario {
    const char *name;
    const char *what;
    int standbys;
    int known; /* servers that the cluster knows; 0: all */
    int32_t expect[MAX_WORLD_SERVERS];
    void (*set_up)(struct play *play); /* when the cluster knows its servers; or NULL */
    void (*events[MAX_WORLD_EVENTS])(
        struct play *play); /* in this order, at any moments; NULL ends */
    bool asynchronous;      /* commits are acknowledged before they are flushed */
    unsigned deeply; /* bit p: under policy p it takes two deviations to see what it is there for */
    bool at_random;  /* only: it would take too long in every order */
    bool stays_split;     /* nobody ends it: reads that miss go on failing */
    int out;              /* this server is out in the end; 0: none */
    bool blind_to_floors; /* see play.h: a position has no timeline */
    bool proves_nothing;  /* by its nature: misses are the primary's to answer */
    bool never_fails;     /* every server answers in time, and nobody is in doubt: no read fails */
};

extern const struct scenario scenarios[];
extern const int scenario_count;

#endif
