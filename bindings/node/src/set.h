/*
 * set.h - a loaded INI file as JavaScript has it: sections, counters, and reads that only decide.
 *
 * All of it on the thread of its environment; each worker thread loads sets of its own, which may
 * count in shared memory.
 */
#ifndef READ_POLICY_NODE_SET_H
#define READ_POLICY_NODE_SET_H

#include "values.h"

#define READ_CHUNKS_MAX 4096u

struct set {
    uint32_t magic;
    uint32_t users; /* JavaScript's handle, and each cluster on it */
    const struct rp_plugin *plugin;
    struct rp_set *rp; /* NULL: closed */
    const struct rp_policy **policies;
    uint32_t policy_count;
    uint32_t chunk_count;
    struct rp_read *chunks[READ_CHUNKS_MAX]; /* of reads that only decide: none ever moves */
    struct texts texts;
    uint64_t random;
    struct record *record; /* memory of the array buffer that record_ref keeps */
    napi_ref record_ref;
    napi_ref shared_ref; /* what was given to `share` */
};

/* The set of a handle; NULL after a throw, if it is none, or closed. */
struct set *set_of(napi_env env, napi_value value);

/* The section of that number; NULL after a throw. */
const struct rp_policy *policy_of(napi_env env, const struct set *set, napi_value number);

/* A user that goes; the last one closes the set. */
void set_leave(napi_env env, struct set *set);

/* Adds the functions of sets to the exports. */
bool set_export(napi_env env, napi_value exports);

/* Zeroed memory of that size that JavaScript sees, as property `name` of `object`; NULL after a
 * throw. */
void *share_memory(napi_env env, napi_value object, const char *name, size_t bytes, napi_ref *kept);

#endif
