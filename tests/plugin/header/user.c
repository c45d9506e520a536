/*
 * user.c - uses all of read_policy.h, as C and as C++; compiled by check_header.py, never run.
 */
#include "read_policy.h"

static void perform(void *context, const struct rp_step *step, struct rp_report *report) {
    (void)context;
    report->now_ns = step->until_ns;
    report->outcome = step->kind == RP_STEP_WAIT ? RP_WAITED : RP_FOUND;
}

int main(void) {
    static const struct rp_plugin *plugin;
    static const struct rp_policy *policy;
    static struct rp_request request;
    static struct rp_read read;
    static struct rp_metric metric;
    static struct rp_key key;
    static uint64_t state;
    if (!RP_HAS(plugin, section) || plugin->struct_size < RP_PLUGIN_MIN_SIZE) {
        return 1;
    }
    request.struct_size = sizeof request;
    request.flags = RP_IN_TRANSACTION;
    request.entropy = rp_random(&state) ^ rp_random_at(state, 1);
    read.struct_size = sizeof read;
    const struct rp_step *done = rp_run(plugin, policy, &request, &read, perform, &metric);
    return done->verdict == RP_VERDICT_FOUND && plugin->key(0, &key) == RP_OK ? 0 : 1;
}
