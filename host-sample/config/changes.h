/*
 * changes.h - what another configuration changes, and what it cannot while the host runs.
 *
 * Texts name sections and keys, never a value: some are secrets.
 */
#ifndef CONFIG_CHANGES_H
#define CONFIG_CHANGES_H

#include "config.h"

#include <stddef.h>
#include <stdint.h>

/* What is set up once, and more lookups than there is room for, stays in `config` as it is in
 * `running`. Names it: "[listen] port, [plugin] path"; "": nothing. */
void config_keep_fixed(struct host_config *config, const struct host_config *running,
                       uint32_t most_lookups, char *names, size_t length);

/* Names what differs: "[server.c] added, [limits] max_lookups"; "": nothing. */
void config_name_changes(const struct host_config *from, const struct host_config *to, char *names,
                         size_t length);

#endif
