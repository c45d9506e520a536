/*
 * report.h - the figures of several sections side by side, as a table or as CSV.
 */
#ifndef REPORT_H
#define REPORT_H

#include "figures.h"

#include <stdio.h>

struct section_figures {
    const char *section;
    struct figures *figures;
};

/* A row for each figure, a column for each section. */
void report_table(FILE *out, const struct section_figures *sections, size_t count);

/* A line for each section, after a header line; times are in microseconds. */
void report_csv(FILE *out, const struct section_figures *sections, size_t count);

#endif
