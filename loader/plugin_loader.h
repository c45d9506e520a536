/*
 * plugin_loader.h - loads a read policy plugin and checks that this host can use it.
 */
#ifndef PLUGIN_LOADER_H
#define PLUGIN_LOADER_H

#include "plugin/read_policy.h"

#include <stdbool.h>
#include <sys/stat.h>

struct loaded_plugin {
    void *handle; /* of dlopen */
    const struct rp_plugin *table;
    struct stat file; /* as it was loaded */
};

/* Loads the shared object. False with a message in err that names file, symbol, what was expected
 * and what was found. [control] */
bool plugin_load(struct loaded_plugin *plugin, const char *path, char *err, size_t err_length);

/* The same, of a plugin that has a cluster: those of ABI 1.0 have none, and are refused. [control]
 */
bool plugin_load_with_cluster(struct loaded_plugin *plugin, const char *path, char *err,
                              size_t err_length);

/* Whether the path leads to another file by now, which a restart would load, or to the same one
 * written anew. False if there is none. [control] */
bool plugin_file_is_new(const struct loaded_plugin *plugin, const char *path);

/* The table must no longer be used afterwards. [control] */
void plugin_unload(struct loaded_plugin *plugin);

#endif
