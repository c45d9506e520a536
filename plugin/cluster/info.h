/*
 * info.h - those functions of struct rp_cluster_calls by which a host looks at a cluster.
 */
#ifndef CLUSTER_INFO_H
#define CLUSTER_INFO_H

#include "plugin/read_policy.h"

#include <stddef.h>

/* How many bytes of a host's structure end with that member. */
#define UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))

/* As struct rp_cluster_calls has them. */
int32_t cluster_server(struct rp_cluster *cluster, uint32_t index, struct rp_server_info *info);
int32_t cluster_info(struct rp_cluster *cluster, struct rp_cluster_info *info);
int32_t cluster_notice(struct rp_cluster *cluster, struct rp_notice *notice);
int32_t cluster_metrics(const struct rp_cluster *cluster, uint32_t index, struct rp_metric *metric);

#endif
