/*
 * options.h - the command line of policy-sim and of policy-sim record.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "tools/policy-sim/model/scenario.h"

#include <limits.h>
#include <stdio.h>

#define OPTIONS_MAX_SECTIONS 64u

struct sim_options {
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
bool sim_options_parse(int argc, char **argv, struct sim_options *options, char *err,
                       size_t err_length);
void sim_options_free(struct sim_options *options);

bool record_options_parse(int argc, char **argv, struct record_options *options, char *err,
                          size_t err_length);

void sim_options_help(FILE *out);
void record_options_help(FILE *out);

#endif
