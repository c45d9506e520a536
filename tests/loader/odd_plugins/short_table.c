/*
 * short_table.c - a table that ends before begin, at the end of its memory.
 */
#include "good_table.h"

/* As much of the table as there is: what would follow is not in the object. */
struct short_table {
    uint32_t magic, struct_size, abi_major, abi_minor;
    const char *name, *version;
};

static const struct short_table table = {.magic = RP_PLUGIN_MAGIC,
                                         .struct_size = sizeof table,
                                         .abi_major = RP_ABI_MAJOR,
                                         .abi_minor = 0,
                                         .name = "short",
                                         .version = "1"};

const struct rp_plugin *read_policy_plugin_v1(void) {
    return (const struct rp_plugin *)(const void *)&table;
}
