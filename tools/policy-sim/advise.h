/*
 * advise.h - looks for the section that meets goals, among candidates.
 */
#ifndef ADVISE_H
#define ADVISE_H

#include "options.h"
#include "runs.h"

#include <stdbool.h>

#define ADVISE_TEXT_BYTES 32768u

/* The candidates for that scenario as a policy file; returns its length. */
uint32_t advise_candidates(const struct rp_plugin *plugin, const struct sim_options *options,
                           char text[ADVISE_TEXT_BYTES]);

/* Sorts the sections of the runs, which are over: the best first, then the best that differs from
 * it. The rest are released. True if the best meets all goals. */
bool advise_choose(struct runs *runs, const struct sim_options *options);

/* The lines of that section of the candidates, for an INI file. */
void advise_print_lines(FILE *out, const char *text, const char *section);

#endif
