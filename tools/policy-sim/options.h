/*
 * options.h - the command lines of policy-sim, and of its commands.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "tools/policy-sim/model/scenario.h"

#include <limits.h>
#include <stdio.h>

#define OPTIONS_MAX_SECTIONS 64u

/* Each has a bit, for the table of options. */
enum sim_command { COMMAND_SIMULATE = 1, COMMAND_REPLAY = 2, COMMAND_ADVISE = 4 };

/* What advise is to meet. */
struct goals {
    uint32_t primary_reads; /* in any one second; 0: no goal */
    uint64_t p99_ns;        /* added latency; 0: no goal */
    uint32_t shed;          /* share of all lookups */
};

struct sim_options {
    enum sim_command command;
    const char *day;      /* replay, advise */
    const char *save_day; /* NULL: not */
    struct goals goals;
    struct scenario scenario;
    bool replicas_given;
    const char *file;
    const char *sections[OPTIONS_MAX_SECTIONS]; /* none: all of the file */
    uint32_t section_count;
    const char *plugin; /* NULL: find_plugin */
    const char *plot;   /* NULL: no plot */
    bool csv;
    bool help;
    bool version;
};

struct record_options {
    const char *primary;
    const char *replica;
    const char *out;
    uint32_t seconds;
    uint64_t interval_ns;
    bool help;
    bool version;
};

/* False with one line in err. Texts point into argv; call sim_options_free in either case. */
bool sim_options_parse(enum sim_command of, int argc, char **argv, struct sim_options *options,
                       char *err, size_t err_length);
void sim_options_free(struct sim_options *options);

bool record_options_parse(int argc, char **argv, struct record_options *options, char *err,
                          size_t err_length);

void sim_options_help(enum sim_command of, FILE *out);
void record_options_help(FILE *out);

#endif
