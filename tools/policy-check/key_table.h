/*
 * key_table.h - prints the table of all keys of an INI section, for people, manual page and README.
 */
#ifndef KEY_TABLE_H
#define KEY_TABLE_H

#include "plugin/read_policy.h"
#include "table_form.h"

#include <stdbool.h>
#include <stdio.h>

/* The plugin's table must have `key` (RP_HAS). False if the plugin broke its contract. */
bool key_table_print(FILE *out, const struct rp_plugin *plugin, enum table_form form);

#endif
