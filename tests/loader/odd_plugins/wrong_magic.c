/*
 * wrong_magic.c - a table of something else.
 */
#include "good_table.h"

static const struct rp_plugin table = {.magic = 0x0badf00d, .abi_major = RP_ABI_MAJOR};

const struct rp_plugin *read_policy_plugin_v1(void) {
    return &table;
}
