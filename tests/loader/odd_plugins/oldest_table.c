/*
 * oldest_table.c - the smallest table that is right: that of ABI 1.0.
 */
#include "good_table.h"

static const struct rp_plugin table = {GOOD_MEMBERS};

const struct rp_plugin *read_policy_plugin_v1(void) {
    return &table;
}
