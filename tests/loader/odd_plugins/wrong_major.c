/*
 * wrong_major.c - a table of the next major version, and nothing of it where this one looks.
 */
#include "good_table.h"

static const struct rp_plugin table = {
    .magic = RP_PLUGIN_MAGIC, .struct_size = 16, .abi_major = 2, .abi_minor = 7};

const struct rp_plugin *read_policy_plugin_v1(void) {
    return &table;
}
