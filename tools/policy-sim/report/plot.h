/*
 * plot.h - draws a run second by second, by gnuplot.
 */
#ifndef PLOT_H
#define PLOT_H

#include "report.h"

/* Whether there is a gnuplot to run, and a file may be written there; else false and one line in
 * err. For before a long run: nothing is left there. */
bool plot_possible(const char *path, char *err, size_t err_length);

/* Lag, reads of the primary, added latency and sheds of all sections into a PNG file. False with
 * one line in err; gnuplot's own words go to standard error. */
bool plot_png(const char *path, const struct section_figures *sections, size_t count, char *err,
              size_t err_length);

#endif
