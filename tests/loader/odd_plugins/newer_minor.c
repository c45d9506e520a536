/*
 * newer_minor.c - a table of a later minor version: longer than this header knows.
 */
#include "good_table.h"

struct newer_table {
    struct rp_plugin known;
    void (*later[8])(void);
};

static struct newer_table table = {.known = {GOOD_MEMBERS}};

const struct rp_plugin *read_policy_plugin_v1(void) {
    table.known.struct_size = sizeof table;
    table.known.abi_minor = 99;
    return &table.known;
}
