/*
 * runs.h - what the commands that simulate share: the plugin, the policies, and a run of each
 * section that was chosen.
 */
#ifndef RUNS_H
#define RUNS_H

#include "loader/plugin_loader.h"
#include "options.h"
#include "tools/policy-sim/engine/policy_text.h"
#include "tools/policy-sim/report/report.h"

#include <stdbool.h>

/* All zero before the first call. Each function returns false with one line or more in err. */
struct runs {
    struct loaded_plugin plugin;
    struct policy_text policies;
    char *text;         /* of the policies, if it was read from a file */
    struct rp_set *set; /* for the sections' names */
    struct section_figures sections[OPTIONS_MAX_SECTIONS];
    size_t section_count;
    char err[RP_ERROR_BYTES];
};

/* path: NULL: find_plugin. */
bool runs_load_plugin(struct runs *runs, const char *path);

bool runs_read_file(struct runs *runs, const char *path);

/* The sections to run: those named; without any, all that there are. */
bool runs_choose(struct runs *runs, const char *const *names, uint32_t count);

bool runs_simulate(struct runs *runs, const struct scenario *scenario);

/* To standard output, and into the picture; what was not met is warned of on standard error. */
bool runs_report(struct runs *runs, const struct sim_options *options);

void runs_release(struct runs *runs);

#endif
