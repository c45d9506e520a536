/*
 * opening.h - a cluster begins, with all the memory that it will ever have, and ends.
 */
#ifndef CLUSTER_OPENING_H
#define CLUSTER_OPENING_H

#include "plugin/read_policy.h"

/* No clock tells a later time: 292 years. Sums of times stay above the time now, or a timer would
 * be due for ever. */
#define LATEST_NS ((uint64_t)INT64_MAX)

/* As struct rp_cluster_calls has them. */
int32_t cluster_open(struct rp_set *set, const struct rp_cluster_options *options,
                     struct rp_cluster **opened, char *err, uint32_t errlen);
uint32_t cluster_close(struct rp_cluster *cluster);

#endif
