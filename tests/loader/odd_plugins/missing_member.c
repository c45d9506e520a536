/*
 * missing_member.c - a table that is long enough, and one member of it is NULL: MISSING says which.
 */
#include "good_table.h"

static struct rp_plugin table = {GOOD_MEMBERS};

const struct rp_plugin *read_policy_plugin_v1(void) {
    return (table.MISSING = NULL, &table);
}
