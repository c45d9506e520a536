/*
 * reload_exploration.h - I11: a reload never changes a read under way.
 */
#ifndef RELOAD_EXPLORATION_H
#define RELOAD_EXPLORATION_H

#include "exploration.h"

/* Explores some settings of each policy; then reads are taken along their paths again, and the file
 * is changed to another policy and reloaded after one of the steps, each in turn. False, and a
 * report on stderr, if a read went another way. Adds to *reloads. */
bool explore_reloads(struct exploration *exploration, struct totals *totals, uint64_t *reloads);

#endif
