/*
 * entry.c - the plugin's table and the one symbol that it exports.
 */
#include "cluster/api.h"
#include "describe.h"
#include "diagram.h"
#include "machine.h"
#include "options.h"
#include "read_policy.h"
#include "set.h"
#include "shared_state.h"

#include <assert.h>

/* The frozen prefix, and the order of what follows it: hosts compiled long ago rely on them. */
static_assert(offsetof(struct rp_plugin, magic) == 0, "frozen");
static_assert(offsetof(struct rp_plugin, struct_size) == 4, "frozen");
static_assert(offsetof(struct rp_plugin, abi_major) == 8, "frozen");
static_assert(offsetof(struct rp_plugin, abi_minor) == 12, "frozen");
static_assert(offsetof(struct rp_plugin, name) == 16, "frozen");
#define AFTER_NAME(pointers) (16 + (pointers) * sizeof(void *))
static_assert(offsetof(struct rp_plugin, version) == AFTER_NAME(1), "frozen");
static_assert(offsetof(struct rp_plugin, open) == AFTER_NAME(2), "frozen");
static_assert(offsetof(struct rp_plugin, reload) == AFTER_NAME(3), "frozen");
static_assert(offsetof(struct rp_plugin, policy) == AFTER_NAME(4), "frozen");
static_assert(offsetof(struct rp_plugin, begin) == AFTER_NAME(5), "frozen");
static_assert(offsetof(struct rp_plugin, next) == AFTER_NAME(6), "frozen");
static_assert(offsetof(struct rp_plugin, metrics) == AFTER_NAME(7), "frozen");
static_assert(offsetof(struct rp_plugin, describe) == AFTER_NAME(8), "frozen");
static_assert(offsetof(struct rp_plugin, close) == AFTER_NAME(9), "frozen");
static_assert(offsetof(struct rp_plugin, section) == AFTER_NAME(10), "frozen");
static_assert(offsetof(struct rp_plugin, key) == AFTER_NAME(11), "frozen");
static_assert(offsetof(struct rp_plugin, diagram) == AFTER_NAME(12), "frozen");
static_assert(offsetof(struct rp_plugin, shared_bytes) == AFTER_NAME(13), "frozen");
static_assert(offsetof(struct rp_plugin, share) == AFTER_NAME(14), "frozen");
static_assert(offsetof(struct rp_plugin, kind) == AFTER_NAME(15), "frozen");
static_assert(offsetof(struct rp_plugin, notes) == AFTER_NAME(16), "frozen");
static_assert(offsetof(struct rp_plugin, open_text) == AFTER_NAME(17), "frozen");
static_assert(offsetof(struct rp_plugin, reload_text) == AFTER_NAME(18), "frozen");
static_assert(offsetof(struct rp_plugin, cluster) == AFTER_NAME(19), "frozen");
static_assert(offsetof(struct rp_plugin, budget) == AFTER_NAME(20), "frozen");

static_assert(sizeof(struct rp_request) == 48, "part of the ABI");
static_assert(sizeof(struct rp_report) == 32, "part of the ABI");
static_assert(sizeof(struct rp_read) == RP_READ_BYTES, "part of the ABI");
static_assert(sizeof(struct rp_step) == 56 + 2 * sizeof(void *), "part of the ABI");

static const struct rp_plugin plugin = {
    .magic = RP_PLUGIN_MAGIC,
    .struct_size = sizeof plugin,
    .abi_major = RP_ABI_MAJOR,
    .abi_minor = RP_ABI_MINOR,
    .name = "read-policy",
    .version = READ_POLICY_VERSION,
    .open = set_open,
    .reload = set_reload,
    .policy = set_policy,
    .begin = machine_begin,
    .next = machine_next,
    .metrics = set_metrics,
    .describe = describe_policy,
    .close = set_close,
    .section = set_section,
    .key = options_key,
    .diagram = diagram_policy,
    .shared_bytes = shared_bytes,
    .share = set_share,
    .kind = options_kind,
    .notes = set_notes,
    .open_text = set_open_text,
    .reload_text = set_reload_text,
    .cluster = &cluster_calls,
    .budget = set_budget,
};

/* The one exported symbol, RP_ENTRY_SYMBOL. */
__attribute__((visibility("default"))) const struct rp_plugin *read_policy_plugin_v1(void) {
    return &plugin;
}
