/*
 * known_servers.h - a cluster whose servers are known: a primary and its replica, whose answers to
 * questions about themselves are constants. So a measurement of reads needs to ask nobody.
 */
#ifndef KNOWN_SERVERS_H
#define KNOWN_SERVERS_H

#include "plugin/read_policy.h"

/* With room for so many open reads. Every failure ends the program. Closed with
 * plugin->cluster->close. */
struct rp_cluster *known_servers_open(const struct rp_plugin *plugin, struct rp_set *set,
                                      uint32_t max_reads, uint64_t now_ns);

/* The answer to an RP_ACTION_ASK. */
const char *known_servers_say(const struct rp_action *ask);

#endif
