/*
 * config_notes.h - what is no error in a configuration, but may not be what was meant.
 */
#ifndef CONFIG_NOTES_H
#define CONFIG_NOTES_H

#include "host-sample/config/config.h"

/* Adds a line for each to `notes`: no token, servers that are one, keys that have no effect any
 * more, password files that libpq will not use, and waits that are longer than a lookup may take
 * (the policy file is read for those; what is wrong with it is not told here). */
void config_notes(const struct host_config *config, struct ini_errors *notes);

#endif
