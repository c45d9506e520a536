/*
 * addon.c - the Node-API module: the plugin, linked in, for JavaScript.
 *
 * The functions here are the package's own, called by lib/ only; people use index.js. The module
 * has no state of its own, so every worker thread may load it.
 */
#include "cluster.h"
#include "set.h"

NAPI_MODULE_INIT() {
    const struct rp_plugin *plugin = read_policy_plugin_v1();
    if (plugin->magic != RP_PLUGIN_MAGIC || plugin->abi_major != RP_ABI_MAJOR ||
        !RP_HAS(plugin, cluster)) {
        return throw_status(env, RP_E_ARGUMENT, "the plugin that was linked in is another's");
    }
    put_text(env, exports, "version", plugin->version);
    put_text(env, exports, "afterColumn", RP_AFTER_COLUMN);
    return set_export(env, exports) && cluster_export(env, exports) ? exports : NULL;
}
