/*
 * load.h - reads snapshot-host.ini, by the table of its keys.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config.h"

/* Reads the file and the token file that it may name. False with every error, one per line, in err.
 */
bool host_config_load(struct host_config *config, const char *path, char *err, size_t err_length);

/* Of memory from calloc: its secrets are wiped. */
void host_config_free(struct host_config *config);

/* Writes every section's keys as text, for --keys. */
void host_config_describe_keys(struct ini_text_sink sink);

#endif
