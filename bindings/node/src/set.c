/*
 * set.c - see set.h.
 */
#include "set.h"

#include <stdlib.h>
#include <string.h>

#define SET_MAGIC 0x52505345u /* tells our handles from another's */

#define READS_PER_CHUNK 256u

/* ---- lives ---- */

struct set *set_of(napi_env env, napi_value value) {
    void *data = NULL;
    if (napi_get_value_external(env, value, &data) != napi_ok || data == NULL ||
        *(const uint32_t *)data != SET_MAGIC) {
        (void)throw_type_error(env, "not a policy set");
        return NULL;
    }
    struct set *set = data;
    if (set->rp == NULL) {
        (void)throw_status(env, RP_E_ARGUMENT, "the policy set is closed");
        return NULL;
    }
    return set;
}

static void release_references(napi_env env, struct set *set) {
    if (set->record_ref != NULL) {
        (void)napi_delete_reference(env, set->record_ref);
        set->record_ref = NULL;
    }
    if (set->shared_ref != NULL) {
        (void)napi_delete_reference(env, set->shared_ref);
        set->shared_ref = NULL;
    }
}

/* Everything but the handle itself. */
static void close_set(napi_env env, struct set *set) {
    set->plugin->close(set->rp);
    set->rp = NULL;
    for (uint32_t i = 0; i < set->chunk_count; i++) {
        free(set->chunks[i]);
    }
    set->chunk_count = 0;
    free(set->policies);
    set->policies = NULL;
    set->policy_count = 0;
    release_references(env, set);
}

void set_leave(napi_env env, struct set *set) {
    if (--set->users == 0) {
        close_set(env, set);
        free(set);
    }
}

static void finalize(napi_env env, void *data, void *hint) {
    (void)hint;
    set_leave(env, data);
}

void *share_memory(napi_env env, napi_value object, const char *name, size_t bytes,
                   napi_ref *kept) {
    void *memory = NULL;
    napi_value buffer;
    if (napi_create_arraybuffer(env, bytes, &memory, &buffer) != napi_ok ||
        napi_create_reference(env, buffer, 1, kept) != napi_ok ||
        napi_set_named_property(env, object, name, buffer) != napi_ok) {
        (void)throw_status(env, RP_E_MEMORY, "out of memory");
        return NULL;
    }
    memset(memory, 0, bytes);
    return memory;
}

/* {handle, record}, or NULL after a throw; then the caller still has the set. */
static napi_value make_handle(napi_env env, struct set *set) {
    napi_value object;
    napi_value handle;
    if (napi_create_object(env, &object) != napi_ok) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    set->record = share_memory(env, object, "record", sizeof *set->record, &set->record_ref);
    if (set->record == NULL) {
        return NULL;
    }
    if (napi_create_external(env, set, finalize, NULL, &handle) != napi_ok) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    (void)napi_set_named_property(env, object, "handle", handle);
    return object;
}

/* A set of a file, or of a text that `length` is given for; NULL after a throw. */
static napi_value make_set(napi_env env, const char *source, const size_t *length, const char *name,
                           uint32_t capabilities) {
    char error[RP_ERROR_BYTES] = "";
    struct set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    set->magic = SET_MAGIC;
    set->users = 1;
    set->plugin = read_policy_plugin_v1();
    set->random = random_seed();
    int32_t status = RP_E_ARGUMENT;
    if (length == NULL) {
        status = set->plugin->open(source, capabilities, &set->rp, error, sizeof error);
    } else if (*length <= UINT32_MAX) {
        status = set->plugin->open_text(source, (uint32_t)*length, name, capabilities, &set->rp,
                                        error, sizeof error);
    }
    napi_value object = status == RP_OK ? make_handle(env, set) : throw_status(env, status, error);
    if (object == NULL) {
        close_set(env, set);
        free(set);
    }
    return object;
}

/* open(isText, pathOrText, name, capabilities) */
static napi_value open_set(napi_env env, napi_callback_info info) {
    napi_value values[4];
    bool is_text;
    uint32_t capabilities;
    size_t length;
    if (!take_arguments(env, info, 4, values) || !take_u32(env, values[3], &capabilities)) {
        return NULL;
    }
    if (napi_get_value_bool(env, values[0], &is_text) != napi_ok) {
        return throw_type_error(env, "expected a boolean");
    }
    napi_value object = NULL;
    size_t *text_length = is_text ? &length : NULL;
    char *name = take_text(env, values[2], NULL);
    char *source = name != NULL ? take_text(env, values[1], text_length) : NULL;
    if (source != NULL) {
        object = make_set(env, source, text_length, name, capabilities);
    }
    free(source);
    free(name);
    return object;
}

/* reload(set, text or null) */
static napi_value reload(napi_env env, napi_callback_info info) {
    napi_value values[2];
    char error[RP_ERROR_BYTES] = "";
    napi_valuetype type;
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    if (set == NULL || napi_typeof(env, values[1], &type) != napi_ok) {
        return NULL;
    }
    int32_t status;
    if (type == napi_string) {
        size_t length;
        char *text = take_text(env, values[1], &length);
        if (text == NULL) {
            return NULL;
        }
        status = length > UINT32_MAX ? RP_E_ARGUMENT
                                     : set->plugin->reload_text(set->rp, text, (uint32_t)length,
                                                                error, sizeof error);
        free(text);
    } else {
        status = set->plugin->reload(set->rp, error, sizeof error);
    }
    return status == RP_OK ? NULL : throw_status(env, status, error);
}

/* close(set): false while a cluster uses it */
static napi_value close_handle(napi_env env, napi_callback_info info) {
    napi_value values[1];
    napi_value result;
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    if (set == NULL) {
        return NULL;
    }
    bool alone = set->users == 1;
    if (alone) {
        close_set(env, set);
    }
    return napi_get_boolean(env, alone, &result) == napi_ok ? result : NULL;
}

/* sharedBytes(set, sections) */
static napi_value shared_bytes(napi_env env, napi_callback_info info) {
    napi_value values[2];
    napi_value result;
    uint32_t sections;
    if (!take_arguments(env, info, 2, values) || !take_u32(env, values[1], &sections)) {
        return NULL;
    }
    const struct set *set = set_of(env, values[0]);
    if (set == NULL) {
        return NULL;
    }
    double bytes = (double)set->plugin->shared_bytes(sections);
    return napi_create_double(env, bytes, &result) == napi_ok ? result : NULL;
}

/* share(set, typedArray): kept until the set is closed */
static napi_value share(napi_env env, napi_callback_info info) {
    napi_value values[2];
    char error[RP_ERROR_BYTES] = "";
    void *memory;
    size_t bytes;
    napi_typedarray_type type;
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    if (set == NULL) {
        return NULL;
    }
    if (set->shared_ref != NULL) {
        return throw_status(env, RP_E_ARGUMENT, "the policy set has shared memory already");
    }
    if (napi_get_typedarray_info(env, values[1], &type, &bytes, &memory, NULL, NULL) != napi_ok ||
        type != napi_uint8_array) {
        return throw_type_error(env, "expected a Uint8Array");
    }
    if (napi_create_reference(env, values[1], 1, &set->shared_ref) != napi_ok) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    int32_t status = set->plugin->share(set->rp, memory, bytes, error, sizeof error);
    if (status != RP_OK) {
        (void)napi_delete_reference(env, set->shared_ref);
        set->shared_ref = NULL;
        return throw_status(env, status, error);
    }
    return NULL;
}

/* ---- sections ---- */

const struct rp_policy *policy_of(napi_env env, const struct set *set, napi_value number) {
    uint32_t index;
    if (!take_u32(env, number, &index)) {
        return NULL;
    }
    if (index >= set->policy_count) {
        (void)throw_type_error(env, "no such policy");
        return NULL;
    }
    return set->policies[index];
}

/* policy(set, name): its number, or -1. JavaScript asks once for each name. */
static napi_value policy_number(napi_env env, napi_callback_info info) {
    napi_value values[2];
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    char *name = set != NULL ? take_text(env, values[1], NULL) : NULL;
    if (name == NULL) {
        return NULL;
    }
    const struct rp_policy *policy = set->plugin->policy(set->rp, name);
    free(name);
    if (policy == NULL) {
        return make_int(env, -1);
    }
    const struct rp_policy **more =
        realloc(set->policies, (set->policy_count + 1) * sizeof *set->policies);
    if (more == NULL) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    set->policies = more;
    set->policies[set->policy_count++] = policy;
    return make_int(env, (int32_t)set->policy_count - 1);
}

/* sections(set) */
static napi_value sections(napi_env env, napi_callback_info info) {
    napi_value values[1];
    napi_value list;
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    if (set == NULL || napi_create_array(env, &list) != napi_ok) {
        return NULL;
    }
    const char *name;
    for (uint32_t i = 0; (name = set->plugin->section(set->rp, i)) != NULL; i++) {
        napi_value text = make_text(env, name);
        if (text == NULL || napi_set_element(env, list, i, text) != napi_ok) {
            return NULL;
        }
    }
    return list;
}

/* A text that the plugin writes into a buffer of any size, as snprintf does. */
typedef uint32_t writer(const struct set *set, const struct rp_policy *policy, char *buf,
                        uint32_t len);

static uint32_t write_describe(const struct set *set, const struct rp_policy *policy, char *buf,
                               uint32_t len) {
    return set->plugin->describe(policy, buf, len);
}

static uint32_t write_diagram(const struct set *set, const struct rp_policy *policy, char *buf,
                              uint32_t len) {
    return set->plugin->diagram(policy, buf, len);
}

static uint32_t write_notes(const struct set *set, const struct rp_policy *policy, char *buf,
                            uint32_t len) {
    (void)policy;
    return set->plugin->notes(set->rp, buf, len);
}

static napi_value written(napi_env env, const struct set *set, const struct rp_policy *policy,
                          writer *write) {
    uint32_t length = write(set, policy, NULL, 0);
    char *text = malloc((size_t)length + 1);
    if (text == NULL) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    text[0] = '\0';
    (void)write(set, policy, text, length + 1);
    napi_value value = make_text(env, text);
    free(text);
    return value;
}

static napi_value written_of_policy(napi_env env, napi_callback_info info, writer *write) {
    napi_value values[2];
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    const struct set *set = set_of(env, values[0]);
    const struct rp_policy *policy = set != NULL ? policy_of(env, set, values[1]) : NULL;
    return policy != NULL ? written(env, set, policy, write) : NULL;
}

static napi_value describe(napi_env env, napi_callback_info info) {
    return written_of_policy(env, info, write_describe);
}

static napi_value diagram(napi_env env, napi_callback_info info) {
    return written_of_policy(env, info, write_diagram);
}

static napi_value notes(napi_env env, napi_callback_info info) {
    napi_value values[1];
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    const struct set *set = set_of(env, values[0]);
    return set != NULL ? written(env, set, NULL, write_notes) : NULL;
}

/* metrics(set) */
static napi_value metrics(napi_env env, napi_callback_info info) {
    napi_value values[1];
    napi_value list;
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    const struct set *set = set_of(env, values[0]);
    if (set == NULL || napi_create_array(env, &list) != napi_ok) {
        return NULL;
    }
    struct rp_metric metric = {.struct_size = sizeof metric};
    for (uint32_t i = 0; set->plugin->metrics(set->rp, i, &metric) == RP_OK; i++) {
        napi_value object = make_metric(env, &metric);
        if (object == NULL || napi_set_element(env, list, i, object) != napi_ok) {
            return NULL;
        }
    }
    return list;
}

/* budget(set, policy): {perSecond, burst, left}, or null without a limit */
static napi_value budget(napi_env env, napi_callback_info info) {
    napi_value values[2];
    napi_value object;
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    const struct set *set = set_of(env, values[0]);
    const struct rp_policy *policy = set != NULL ? policy_of(env, set, values[1]) : NULL;
    if (policy == NULL) {
        return NULL;
    }
    struct rp_budget_info left = {.struct_size = sizeof left};
    int32_t status = set->plugin->budget(policy, clock_ns(), &left);
    if (status != RP_OK) {
        return throw_status(env, status, "the budget cannot be told");
    }
    if (left.per_s == 0) {
        return make_text(env, NULL);
    }
    if (napi_create_object(env, &object) != napi_ok) {
        return NULL;
    }
    put_number(env, object, "perSecond", left.per_s);
    put_number(env, object, "burst", left.burst);
    put_number(env, object, "left", left.left);
    return object;
}

/* text(set, number) */
static napi_value text_of(napi_env env, napi_callback_info info) {
    napi_value values[2];
    uint32_t number;
    if (!take_arguments(env, info, 2, values) || !take_u32(env, values[1], &number)) {
        return NULL;
    }
    const struct set *set = set_of(env, values[0]);
    if (set == NULL) {
        return NULL;
    }
    if (number >= set->texts.count) {
        return throw_type_error(env, "no such text");
    }
    return make_text(env, set->texts.at[number]);
}

/* ---- reads that only decide ---- */

static struct rp_read *read_at(napi_env env, struct set *set, uint32_t slot) {
    uint32_t chunk = slot / READS_PER_CHUNK;
    if (chunk > set->chunk_count || chunk >= READ_CHUNKS_MAX) {
        (void)throw_type_error(env, "no such read");
        return NULL;
    }
    if (chunk == set->chunk_count) {
        set->chunks[chunk] = calloc(READS_PER_CHUNK, sizeof **set->chunks);
        if (set->chunks[chunk] == NULL) {
            (void)throw_status(env, RP_E_MEMORY, "out of memory");
            return NULL;
        }
        set->chunk_count++;
    }
    return &set->chunks[chunk][slot % READS_PER_CHUNK];
}

static napi_value record_step(napi_env env, struct set *set, const struct rp_step *step,
                              uint64_t now_ns) {
    bool done = step->kind == RP_STEP_DONE;
    *set->record = (struct record){
        .kind = step->kind,
        .server = (int32_t)step->replica,
        .flags = (int32_t)step->flags,
        .target = step->target,
        .verdict = step->verdict,
        .served_by = step->served_by,
        .log_level = step->log_level,
        .counted = done ? step->counted : 0,
        .text = -1,
        .failed_during = texts_number(&set->texts, done ? step->failed_during : NULL),
        .message = texts_number(&set->texts, done ? step->message : NULL),
        .reason = -1,
        .wait_ms = ms_until(now_ns, step->until_ns),
    };
    return make_int(env, step->kind);
}

/* begin(set, policy, slot, replicas, flags, deadlineMs): the first step's kind, the rest in the
 * record. Slots are JavaScript's to give out, from 0 without gaps. */
static napi_value begin(napi_env env, napi_callback_info info) {
    napi_value values[6];
    uint32_t slot;
    double deadline_ms;
    struct rp_request request = {.struct_size = sizeof request};
    if (!take_arguments(env, info, 6, values) || !take_u32(env, values[2], &slot) ||
        !take_u32(env, values[3], &request.replicas) || !take_u32(env, values[4], &request.flags) ||
        !take_double(env, values[5], &deadline_ms)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    const struct rp_policy *policy = set != NULL ? policy_of(env, set, values[1]) : NULL;
    struct rp_read *read = policy != NULL ? read_at(env, set, slot) : NULL;
    if (read == NULL) {
        return NULL;
    }
    *read = (struct rp_read){.struct_size = sizeof *read};
    request.now_ns = clock_ns();
    request.deadline_ns = time_after_ms(request.now_ns, deadline_ms);
    request.entropy = rp_random(&set->random);
    return record_step(env, set, set->plugin->begin(policy, &request, read), request.now_ns);
}

/* next(set, slot, outcome): as begin. */
static napi_value next(napi_env env, napi_callback_info info) {
    napi_value values[3];
    uint32_t slot;
    uint32_t outcome;
    if (!take_arguments(env, info, 3, values) || !take_u32(env, values[1], &slot) ||
        !take_u32(env, values[2], &outcome)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    struct rp_read *read = set != NULL ? read_at(env, set, slot) : NULL;
    if (read == NULL) {
        return NULL;
    }
    const struct rp_report report = {
        .struct_size = sizeof report, .outcome = (int32_t)outcome, .now_ns = clock_ns()};
    return record_step(env, set, set->plugin->next(read, &report), report.now_ns);
}

/* ---- exports ---- */

bool set_export(napi_env env, napi_value exports) {
    static const struct named_function functions[] = {
        {"open", open_set},      {"reload", reload},
        {"close", close_handle}, {"sharedBytes", shared_bytes},
        {"share", share},        {"policy", policy_number},
        {"sections", sections},  {"describe", describe},
        {"diagram", diagram},    {"notes", notes},
        {"metrics", metrics},    {"budget", budget},
        {"text", text_of},       {"begin", begin},
        {"next", next},
    };
    return export_functions(env, exports, functions, sizeof functions / sizeof functions[0]);
}
