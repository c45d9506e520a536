/*
 * good_table.h - a table that every host accepts; the odd plugins change one thing in it.
 *
 * None of it is ever called.
 */
#ifndef GOOD_TABLE_H
#define GOOD_TABLE_H

#include "plugin/read_policy.h"

static inline int32_t odd_open(const char *ini_path, uint32_t capabilities, struct rp_set **set,
                               char *err, uint32_t errlen) {
    (void)ini_path;
    (void)capabilities;
    (void)set;
    (void)err;
    (void)errlen;
    return RP_E_CONFIG;
}

static inline int32_t odd_reload(struct rp_set *set, char *err, uint32_t errlen) {
    (void)set;
    (void)err;
    (void)errlen;
    return RP_E_CONFIG;
}

static inline const struct rp_policy *odd_policy(struct rp_set *set, const char *section) {
    (void)set;
    (void)section;
    return NULL;
}

static inline const struct rp_step *
odd_begin(const struct rp_policy *policy, const struct rp_request *request, struct rp_read *read) {
    (void)policy;
    (void)request;
    (void)read;
    return NULL;
}

static inline const struct rp_step *odd_next(struct rp_read *read, const struct rp_report *report) {
    (void)read;
    (void)report;
    return NULL;
}

static inline int32_t odd_metrics(const struct rp_set *set, uint32_t index,
                                  struct rp_metric *metric) {
    (void)set;
    (void)index;
    (void)metric;
    return RP_E_END;
}

static inline uint32_t odd_describe(const struct rp_policy *policy, char *buf, uint32_t len) {
    (void)policy;
    (void)buf;
    (void)len;
    return 0;
}

static inline void odd_close(struct rp_set *set) {
    (void)set;
}

/* The members of ABI 1.0; those that came later are left out. */
#define GOOD_MEMBERS                                                                               \
    .magic = RP_PLUGIN_MAGIC, .struct_size = RP_PLUGIN_MIN_SIZE, .abi_major = RP_ABI_MAJOR,        \
    .abi_minor = 0, .name = "odd", .version = "1", .open = odd_open, .reload = odd_reload,         \
    .policy = odd_policy, .begin = odd_begin, .next = odd_next, .metrics = odd_metrics,            \
    .describe = odd_describe, .close = odd_close

const struct rp_plugin *read_policy_plugin_v1(void);

#endif
