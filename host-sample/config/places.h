/*
 * places.h - where the host listens: whether that can be, before it is tried.
 */
#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H

#include "config.h"

/* Addresses are addresses, and [listen] and [admin] have a place each. */
void config_check_places(const struct host_config *config, const struct ini_document *document,
                         struct ini_errors *errors);

#endif
