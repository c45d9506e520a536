/*
 * kind_table.h - prints every policy that a section may choose, and what each promises.
 */
#ifndef KIND_TABLE_H
#define KIND_TABLE_H

#include "plugin/read_policy.h"
#include "table_form.h"

#include <stdbool.h>
#include <stdio.h>

/* The plugin's table must have `kind` (RP_HAS). False if the plugin broke its contract. */
bool kind_table_print(FILE *out, const struct rp_plugin *plugin, enum table_form form);

#endif
