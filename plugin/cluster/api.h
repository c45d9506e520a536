/*
 * api.h - the functions of struct rp_cluster_calls.
 */
#ifndef CLUSTER_API_H
#define CLUSTER_API_H

#include "plugin/read_policy.h"

extern const struct rp_cluster_calls cluster_calls;

#endif
