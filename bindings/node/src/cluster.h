/* cluster.h - the plugin's cluster as JavaScript drives it. */
#ifndef READ_POLICY_NODE_CLUSTER_H
#define READ_POLICY_NODE_CLUSTER_H

#include "values.h"

/* Adds the functions of clusters to the exports. */
bool cluster_export(napi_env env, napi_value exports);

#endif
