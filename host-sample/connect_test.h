/*
 * connect_test.h - `snapshot-host -t --connect`: what the servers say of themselves.
 */
#ifndef CONNECT_TEST_H
#define CONNECT_TEST_H

#include "host-sample/config/config.h"
#include "plugin/read_policy.h"

#include <stdbool.h>

/* Dials every server, asks for some seconds, and prints on standard output what each one is, what
 * is wrong and what the role lacks. False if something would keep lookups from being answered as
 * they should be. */
bool connect_test(const struct host_config *config, const struct rp_plugin *plugin,
                  struct rp_set *set);

#endif
