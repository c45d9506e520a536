/*
 * opening.c - see opening.h.
 */
#include "opening.h"

#include "cluster.h"
#include "gather.h"
#include "reports.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

#define MAX_READS          1000000u
#define MIN_POLL_MS        100u
#define MAX_POLL_MS        5000u
#define DEFAULT_POLL_MS    1000u
#define DEFAULT_TIMEOUT_MS 5000u
#define MAX_TIMEOUT_MS     3600000u

__attribute__((format(printf, 3, 4))) static int32_t refuse(char *err, uint32_t errlen,
                                                            const char *format, ...) {
    if (err != NULL && errlen > 0) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(err, errlen, format, arguments);
        va_end(arguments);
    }
    return RP_E_ARGUMENT;
}

/* Of a number in the options; but 0, if that is `zero`. */
struct bound {
    const char *name;
    uint32_t value, min, max;
    bool zero;
};

static int32_t check_options(const struct rp_cluster_options *options, char *err, uint32_t errlen) {
    if (options->struct_size < sizeof *options) {
        return refuse(err, errlen, "struct_size = %" PRIu32 ": at least %zu is accepted",
                      options->struct_size, sizeof *options);
    }
    const struct bound bounds[] = {
        {"max_servers", options->max_servers, 1, RP_CLUSTER_MAX_SERVERS, false},
        {"max_reads", options->max_reads, 1, MAX_READS, false},
        {"poll_ms", options->poll_ms, MIN_POLL_MS, MAX_POLL_MS, true},
        {"timeout_ms", options->timeout_ms, 0, MAX_TIMEOUT_MS, false},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const struct bound *bound = &bounds[i];
        const bool is_default = bound->zero && bound->value == 0;
        if (!is_default && (bound->value < bound->min || bound->value > bound->max)) {
            return refuse(
                err, errlen, "%s = %" PRIu32 ": %s%" PRIu32 " to %" PRIu32 " are accepted",
                bound->name, bound->value, bound->zero ? "0, or " : "", bound->min, bound->max);
        }
    }
    if (options->now_ns > LATEST_NS) {
        return refuse(err, errlen, "now_ns = %" PRIu64 ": at most 2^63 - 1 is accepted",
                      options->now_ns);
    }
    return RP_OK;
}

static int32_t refuse_memory(char *err, uint32_t errlen) {
    (void)refuse(err, errlen, "out of memory");
    return RP_E_MEMORY;
}

static void release(struct rp_cluster *cluster) {
    free(cluster->servers);
    free(cluster->reads_memory);
    free(cluster->drops.ring);
    free(cluster);
}

/* calloc knows no such alignment, and what does would touch memory that is not needed yet. */
static void *on_cache_line(void *memory) {
    const uintptr_t past = (uintptr_t)memory % CACHE_LINE_BYTES;
    return (char *)memory + (past == 0 ? 0 : CACHE_LINE_BYTES - past);
}

static void init_lists(struct rp_cluster *cluster) {
    TAILQ_INIT(&cluster->free_reads);
    TAILQ_INIT(&cluster->reported);
    TAILQ_INIT(&cluster->to_send);
    TAILQ_INIT(&cluster->locating);
    TAILQ_INIT(&cluster->located);
    TAILQ_INIT(&cluster->beside);
    TAILQ_INIT(&cluster->done);
}

static void init_asks(struct rp_cluster *cluster) {
    for (uint32_t i = 0; i < cluster->max_servers * ASK_KINDS; i++) {
        cluster->servers[i / ASK_KINDS].asks[i % ASK_KINDS].generation =
            id_before_first(cluster, ID_ASK, i);
    }
}

int32_t cluster_open(struct rp_set *set, const struct rp_cluster_options *options,
                     struct rp_cluster **opened, char *err, uint32_t errlen) {
    if (opened != NULL) {
        *opened = NULL;
    }
    if (set == NULL || options == NULL || opened == NULL) {
        return refuse(err, errlen, "set, options and cluster must not be NULL");
    }
    const int32_t status = check_options(options, err, errlen);
    if (status != RP_OK) {
        return status;
    }
    struct rp_cluster *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL) {
        return refuse_memory(err, errlen);
    }
    cluster->set = set;
    cluster->flags = options->flags;
    cluster->max_servers = options->max_servers;
    cluster->max_reads = options->max_reads;
    cluster->poll_ns = (options->poll_ms != 0 ? options->poll_ms : DEFAULT_POLL_MS) * MS;
    cluster->timeout_ns =
        (options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS) * MS;
    cluster->now_ns = options->now_ns;
    cluster->seed = cluster->random = options->seed;
    cluster->primary = NO_SERVER;
    cluster->promised_wake_ns = UINT64_MAX;
    cluster->asks_wait_ns = UINT64_MAX;
    cluster->last_entropy = UINT64_MAX;
    /* At most one drop for each action that can be out; they leave before anything new goes out. */
    cluster->drops.most = options->max_reads + options->max_servers * ASK_KINDS;
    cluster->servers = calloc(options->max_servers, sizeof *cluster->servers);
    cluster->reads_memory = calloc(options->max_reads + 1, sizeof *cluster->reads);
    cluster->drops.ring = calloc(cluster->drops.most, sizeof *cluster->drops.ring);
    if (cluster->servers == NULL || cluster->reads_memory == NULL || cluster->drops.ring == NULL) {
        release(cluster);
        return refuse_memory(err, errlen);
    }
    cluster->reads = on_cache_line(cluster->reads_memory);
    init_lists(cluster);
    init_asks(cluster);
    gather_init(cluster);
    *opened = cluster;
    return RP_OK;
}

uint32_t cluster_close(struct rp_cluster *cluster) {
    if (cluster == NULL) {
        return 0;
    }
    uint32_t open = cluster->reads_open;
    release(cluster);
    return open;
}
