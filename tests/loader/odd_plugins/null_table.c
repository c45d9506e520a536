/*
 * null_table.c - has no table to give.
 */
#include "good_table.h"

const struct rp_plugin *read_policy_plugin_v1(void) {
    return NULL;
}
