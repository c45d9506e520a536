/*
 * coverage.h - whether the explorer's settings reach all of the plugin: each of its policies, and
 * more than one value of each key that a policy uses.
 */
#ifndef COVERAGE_H
#define COVERAGE_H

#include "exploration.h"

/* The values that one key had in the settings of one policy. */
struct key_seen {
    char name[64];
    char value[64]; /* the first */
    bool varied;    /* there was another */
};

#define MAX_KEYS_SEEN 32u
struct coverage {
    struct key_seen keys[POLICY_COUNT][MAX_KEYS_SEEN];
    struct rp_kind kinds[POLICY_COUNT]; /* what the plugin promises of each */
};

/* Asks the plugin for its policies. False, and a report on stderr, if one does not load or is not
 * explored. */
bool coverage_begin(struct coverage *coverage, const struct exploration *exploration,
                    const struct rp_plugin *plugin);

/* A section of this configuration is explored. */
void coverage_note(struct coverage *coverage, const struct configured *configured);

/* At the end; alone: the only policy that was explored, or -1. False, and a report on stderr, if a
 * key was not varied, or a read was shorter or longer than its policy says. */
bool coverage_is_full(const struct coverage *coverage, const struct exploration *exploration,
                      const struct rp_plugin *plugin, int alone, const struct totals *totals);

#endif
