/*
 * loaded.h - the two shared objects of a measurement: a plugin, and the bare calls to compare it
 * with.
 *
 * Every failure ends the program with a message: a measurement of nothing is worse than none.
 */
#ifndef LOADED_H
#define LOADED_H

#include "bare_calls.h"

/* Prints `program: ...` and ends the program. */
void give_up(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Paths hold a '/', as dlopen wants it. */
const struct rp_plugin *load_plugin(const char *path);
const struct bare_calls *load_bare_calls(const char *path);

/* Opens a set with every capability. */
struct rp_set *open_set(const struct rp_plugin *plugin, const char *ini_path);
const struct rp_policy *find_policy(const struct rp_plugin *plugin, struct rp_set *set,
                                    const char *section);

#endif
