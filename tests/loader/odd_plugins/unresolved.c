/*
 * unresolved.c - a correct table, in an object that needs a symbol which does not exist.
 */
#include "good_table.h"

int symbol_that_nobody_has(void);

static const struct rp_plugin table = {GOOD_MEMBERS};

const struct rp_plugin *read_policy_plugin_v1(void) {
    return symbol_that_nobody_has() != 0 ? &table : NULL;
}
