/*
 * cluster.c - see cluster.h.
 */
#include "cluster.h"

#include "set.h"

#include <stdlib.h>
#include <string.h>

#define CLUSTER_MAGIC 0x5250434Cu

/* JavaScript names reads by its own small numbers, and questions by slots given out here. */
struct open_read {
    uint64_t id;
    uint64_t action; /* that is out last */
};

/* A cluster has no more questions out than this: a few to each server. */
#define ASKS_MAX 256u

struct cluster {
    uint32_t magic;
    uint32_t read_room;
    struct open_read *reads;
    uint64_t asks[ASKS_MAX]; /* ids; 0: free */
    struct set *set;
    const struct rp_cluster_calls *calls;
    struct rp_cluster *rp; /* NULL: closed */
    uint64_t random;
    uint64_t position; /* of the read that was done last */
    struct rp_notice notice;
    struct record *record;
    napi_ref record_ref;
};

/* ---- lives ---- */

static struct cluster *cluster_of(napi_env env, napi_value value) {
    void *data = NULL;
    if (napi_get_value_external(env, value, &data) != napi_ok || data == NULL ||
        *(const uint32_t *)data != CLUSTER_MAGIC) {
        (void)throw_type_error(env, "not a cluster");
        return NULL;
    }
    struct cluster *cluster = data;
    if (cluster->rp == NULL) {
        (void)throw_status(env, RP_E_ARGUMENT, "the cluster is closed");
        return NULL;
    }
    return cluster;
}

/* The cluster before its set. Returns how many reads were not done. */
static uint32_t close_cluster(napi_env env, struct cluster *cluster) {
    uint32_t left = cluster->calls->close(cluster->rp);
    cluster->rp = NULL;
    free(cluster->reads);
    cluster->reads = NULL;
    cluster->read_room = 0;
    if (cluster->record_ref != NULL) {
        (void)napi_delete_reference(env, cluster->record_ref);
        cluster->record_ref = NULL;
    }
    if (cluster->set != NULL) {
        set_leave(env, cluster->set);
        cluster->set = NULL;
    }
    return left;
}

static void finalize(napi_env env, void *data, void *hint) {
    (void)hint;
    (void)close_cluster(env, data);
    free(data);
}

/* {handle, record}; NULL after a throw. */
static napi_value make_handle(napi_env env, struct cluster *cluster) {
    napi_value object;
    napi_value handle;
    if (napi_create_object(env, &object) != napi_ok) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    cluster->record =
        share_memory(env, object, "record", sizeof *cluster->record, &cluster->record_ref);
    if (cluster->record == NULL) {
        return NULL;
    }
    if (napi_create_external(env, cluster, finalize, NULL, &handle) != napi_ok) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    (void)napi_set_named_property(env, object, "handle", handle);
    return object;
}

/* clusterOpen(set, flags, maxServers, maxReads, pollMs, timeoutMs) */
static napi_value cluster_open(napi_env env, napi_callback_info info) {
    napi_value values[6];
    char error[RP_ERROR_BYTES] = "";
    struct rp_cluster_options options = {.struct_size = sizeof options};
    if (!take_arguments(env, info, 6, values) || !take_u32(env, values[1], &options.flags) ||
        !take_u32(env, values[2], &options.max_servers) ||
        !take_u32(env, values[3], &options.max_reads) ||
        !take_u32(env, values[4], &options.poll_ms) ||
        !take_u32(env, values[5], &options.timeout_ms)) {
        return NULL;
    }
    struct set *set = set_of(env, values[0]);
    if (set == NULL) {
        return NULL;
    }
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL) {
        return throw_status(env, RP_E_MEMORY, "out of memory");
    }
    cluster->magic = CLUSTER_MAGIC;
    cluster->calls = set->plugin->cluster;
    cluster->random = random_seed();
    options.now_ns = clock_ns();
    options.seed = rp_random(&cluster->random);
    int32_t status = cluster->calls->open(set->rp, &options, &cluster->rp, error, sizeof error);
    napi_value object = NULL;
    if (status == RP_OK) {
        cluster->set = set;
        set->users++;
        object = make_handle(env, cluster);
    } else {
        (void)throw_status(env, status, error);
    }
    if (object == NULL) {
        (void)close_cluster(env, cluster);
        free(cluster);
    }
    return object;
}

/* clusterClose(cluster): how many reads were not done */
static napi_value cluster_close(napi_env env, napi_callback_info info) {
    napi_value values[1];
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    return cluster != NULL ? make_int(env, (int32_t)close_cluster(env, cluster)) : NULL;
}

/* ---- servers ---- */

/* serverSet(cluster, index, name, expect, state) */
static napi_value server_set(napi_env env, napi_callback_info info) {
    napi_value values[5];
    uint32_t index;
    uint32_t expect;
    uint32_t state;
    if (!take_arguments(env, info, 5, values) || !take_u32(env, values[1], &index) ||
        !take_u32(env, values[3], &expect) || !take_u32(env, values[4], &state)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    char *name = cluster != NULL ? take_text(env, values[2], NULL) : NULL;
    if (name == NULL) {
        return NULL;
    }
    int32_t status = cluster->calls->server_set(cluster->rp, index, name, (int32_t)expect,
                                                (int32_t)state, clock_ns());
    free(name);
    return status == RP_OK ? NULL
                           : throw_status(env, status,
                                          "server: its name has at most 63 bytes, and"
                                          " there are at most maxServers");
}

static void put_position(napi_env env, napi_value object, const struct rp_cluster_calls *calls,
                         const char *name, uint64_t position) {
    char text[RP_POSITION_BYTES];
    calls->position_print(position, text);
    put_text(env, object, name, position != 0 ? text : NULL);
}

/* Numbers of 64 bits that only name something: as decimal digits. */
static void put_name(napi_env env, napi_value object, const char *name, uint64_t number) {
    char text[24];
    char *at = text + sizeof text - 1;
    *at = '\0';
    for (uint64_t rest = number; rest != 0; rest /= 10) {
        *--at = (char)('0' + rest % 10);
    }
    put_text(env, object, name, number != 0 ? at : NULL);
}

/* Of a server; none: -1. */
static void put_index(napi_env env, napi_value object, const char *name, uint32_t index) {
    put_number(env, object, name, index == UINT32_MAX ? -1.0 : (double)index);
}

static void put_known(napi_env env, napi_value object, const char *name, uint64_t value,
                      double unit) {
    if (value == RP_UNKNOWN) {
        put_null(env, object, name);
    } else {
        put_number(env, object, name, (double)value / unit);
    }
}

/* server(cluster, index): what is known of it; numbers of enums as in the header */
static napi_value server(napi_env env, napi_callback_info info) {
    napi_value values[2];
    napi_value object;
    uint32_t index;
    struct rp_server_info said = {.struct_size = sizeof said};
    if (!take_arguments(env, info, 2, values) || !take_u32(env, values[1], &index)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL) {
        return NULL;
    }
    if (cluster->calls->server(cluster->rp, index, &said) != RP_OK ||
        napi_create_object(env, &object) != napi_ok) {
        return throw_type_error(env, "no such server");
    }
    put_number(env, object, "role", said.role);
    put_number(env, object, "expect", said.expect);
    put_number(env, object, "state", said.state);
    put_flag(env, object, "answers", said.answers != 0);
    if (said.in_recovery > 1) {
        put_null(env, object, "inRecovery");
    } else {
        put_flag(env, object, "inRecovery", said.in_recovery != 0);
    }
    put_number(env, object, "timeline", said.timeline);
    put_number(env, object, "version", said.version);
    put_name(env, object, "instance", said.instance);
    put_name(env, object, "system", said.system);
    put_position(env, object, cluster->calls, "position", said.position);
    put_known(env, object, "lagBytes", said.lag_bytes, 1);
    put_known(env, object, "lagMs", said.lag_ns, NS_PER_MS);
    put_number(env, object, "lagAtLeastMs", (double)said.lag_at_least_ns / NS_PER_MS);
    put_number(env, object, "backingOffMs", (double)said.backing_off_ns / NS_PER_MS);
    put_text(env, object, "why", said.why);
    put_text(env, object, "grants", said.grants);
    return object;
}

/* clusterInfo(cluster) */
static napi_value cluster_info(napi_env env, napi_callback_info info) {
    napi_value values[1];
    napi_value object;
    struct rp_cluster_info said = {.struct_size = sizeof said};
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL || cluster->calls->info(cluster->rp, &said) != RP_OK ||
        napi_create_object(env, &object) != napi_ok) {
        return NULL;
    }
    put_flag(env, object, "settled", said.settled != 0);
    put_flag(env, object, "split", said.split != 0);
    put_index(env, object, "primary", said.primary);
    put_flag(env, object, "primaryAnswers", said.primary_answers != 0);
    put_number(env, object, "timeline", said.timeline);
    put_number(env, object, "reads", said.reads);
    put_number(env, object, "replicas", said.replicas);
    put_name(env, object, "system", said.system);
    return object;
}

/* prompt(cluster, index) */
static napi_value prompt(napi_env env, napi_callback_info info) {
    napi_value values[2];
    uint32_t index;
    if (!take_arguments(env, info, 2, values) || !take_u32(env, values[1], &index)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster != NULL) {
        cluster->calls->prompt(cluster->rp, index, clock_ns());
    }
    return NULL;
}

/* forgetHistory(cluster) */
static napi_value forget_history(napi_env env, napi_callback_info info) {
    napi_value values[1];
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster != NULL) {
        cluster->calls->forget_history(cluster->rp, clock_ns());
    }
    return NULL;
}

/* clusterMetrics(cluster): its own counters, of no section */
static napi_value cluster_metrics(napi_env env, napi_callback_info info) {
    napi_value values[1];
    napi_value list;
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    const struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL || napi_create_array(env, &list) != napi_ok) {
        return NULL;
    }
    struct rp_metric metric = {.struct_size = sizeof metric};
    for (uint32_t i = 0; cluster->calls->metrics(cluster->rp, i, &metric) == RP_OK; i++) {
        napi_value object = make_metric(env, &metric);
        if (object == NULL || napi_set_element(env, list, i, object) != napi_ok) {
            return NULL;
        }
    }
    return list;
}

/* ---- reads ---- */

/* isPosition(cluster, text) */
static napi_value is_position(napi_env env, napi_callback_info info) {
    napi_value values[2];
    napi_value result;
    uint64_t position;
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    const struct cluster *cluster = cluster_of(env, values[0]);
    char *text = cluster != NULL ? take_text(env, values[1], NULL) : NULL;
    if (text == NULL) {
        return NULL;
    }
    bool good = cluster->calls->position_parse(text, &position) == RP_OK;
    free(text);
    return napi_get_boolean(env, good, &result) == napi_ok ? result : NULL;
}

/* Room for the read of that tag; JavaScript's tags have no gaps. */
static bool make_room(napi_env env, struct cluster *cluster, uint32_t tag) {
    if (tag < cluster->read_room) {
        return true;
    }
    uint32_t room = cluster->read_room == 0 ? 64 : cluster->read_room * 2;
    struct open_read *reads =
        tag < room ? realloc(cluster->reads, room * sizeof *cluster->reads) : NULL;
    if (reads == NULL) {
        (void)throw_status(env, RP_E_MEMORY, "no room for a read of that tag");
        return false;
    }
    cluster->reads = reads;
    cluster->read_room = room;
    return true;
}

/* The read of that tag; NULL after a throw. */
static struct open_read *read_of(napi_env env, const struct cluster *cluster, napi_value value) {
    uint32_t tag;
    if (!take_u32(env, value, &tag)) {
        return NULL;
    }
    if (tag >= cluster->read_room) {
        (void)throw_type_error(env, "no such read");
        return NULL;
    }
    return &cluster->reads[tag];
}

/* False after a throw. null: 0, no position. */
static bool take_position(napi_env env, const struct rp_cluster_calls *calls, napi_value value,
                          uint64_t *position) {
    bool good;
    char *text = take_optional_text(env, value, &good);
    *position = 0;
    if (text != NULL && calls->position_parse(text, position) != RP_OK) {
        (void)throw_type_error(env, "position: not a WAL position such as 16/B374D848");
        good = false;
    }
    free(text);
    return good;
}

/* start(cluster, policy, tag, flags, deadlineMs, position or null): the status */
static napi_value start(napi_env env, napi_callback_info info) {
    napi_value values[6];
    uint32_t tag;
    double deadline_ms;
    struct rp_request request = {.struct_size = sizeof request};
    if (!take_arguments(env, info, 6, values) || !take_u32(env, values[2], &tag) ||
        !take_u32(env, values[3], &request.flags) || !take_double(env, values[4], &deadline_ms)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    const struct rp_policy *policy =
        cluster != NULL ? policy_of(env, cluster->set, values[1]) : NULL;
    if (policy == NULL || !make_room(env, cluster, tag) ||
        !take_position(env, cluster->calls, values[5], &request.position)) {
        return NULL;
    }
    request.now_ns = clock_ns();
    request.deadline_ns = time_after_ms(request.now_ns, deadline_ms);
    request.entropy = rp_random(&cluster->random);
    cluster->reads[tag].action = 0;
    return make_int(
        env, cluster->calls->start(cluster->rp, policy, &request, tag, &cluster->reads[tag].id));
}

/* forget(cluster, tag) */
static napi_value forget(napi_env env, napi_callback_info info) {
    napi_value values[2];
    if (!take_arguments(env, info, 2, values)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    struct open_read *read = cluster != NULL ? read_of(env, cluster, values[1]) : NULL;
    if (read != NULL) {
        cluster->calls->forget(cluster->rp, read->id);
        read->action = 0;
    }
    return NULL;
}

/* The slot of the question with that id, or a free one for id 0; ASKS_MAX: none. */
static uint32_t ask_slot(const struct cluster *cluster, uint64_t id) {
    uint32_t slot = 0;
    while (slot < ASKS_MAX && cluster->asks[slot] != id) {
        slot++;
    }
    return slot;
}

/* Without a free slot the question is not asked, and its limit ends it. */
static void take_slot(struct cluster *cluster, uint64_t id) {
    uint32_t slot = ask_slot(cluster, 0);
    cluster->record->is_current = slot < ASKS_MAX;
    cluster->record->tag = (int32_t)slot;
    if (slot < ASKS_MAX) {
        cluster->asks[slot] = id;
    }
}

/* What JavaScript calls the action's read or question, and whether it is the one that is out. */
static void name_action(struct cluster *cluster, const struct rp_action *action) {
    struct record *record = cluster->record;
    record->is_read = action->read_id != 0;
    record->is_current = 1;
    record->tag = (int32_t)action->tag;
    switch (action->kind) {
    case RP_ACTION_READ:
        cluster->reads[action->tag].action = action->id;
        break;
    case RP_ACTION_ASK:
        take_slot(cluster, action->id);
        break;
    case RP_ACTION_DROP:
        if (record->is_read) {
            record->is_current = cluster->reads[action->tag].action == action->id;
        } else {
            uint32_t slot = ask_slot(cluster, action->id);
            record->is_current = slot < ASKS_MAX;
            record->tag = (int32_t)slot;
            if (slot < ASKS_MAX) {
                cluster->asks[slot] = 0;
            }
        }
        break;
    default:
        break;
    }
}

static void record_action(struct cluster *cluster, const struct rp_action *action,
                          uint64_t now_ns) {
    struct texts *texts = &cluster->set->texts;
    cluster->position = action->position;
    *cluster->record = (struct record){
        .kind = action->kind,
        .server = (int32_t)action->server,
        .flags = (int32_t)action->flags,
        .target = action->target,
        .verdict = action->verdict,
        .served_by = action->served_by,
        .log_level = action->log_level,
        .counted = action->counted,
        .text = texts_number(texts, action->text),
        .failed_during = texts_number(texts, action->failed_during),
        .message = texts_number(texts, action->message),
        .reason = texts_number(texts, action->reason),
        .has_position = action->position != 0,
        .limit_ms = ms_until(now_ns, action->limit_ns),
    };
    name_action(cluster, action);
}

/* clusterNext(cluster): the action's kind, the rest in the record; 0 with wait_ms: nothing before
 * that, and has_notice: one is there for `notice`. */
static napi_value cluster_next(napi_env env, napi_callback_info info) {
    napi_value values[1];
    uint64_t wake_ns;
    struct rp_action action = {.struct_size = sizeof action};
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL) {
        return NULL;
    }
    uint64_t now_ns = clock_ns();
    if (cluster->calls->next(cluster->rp, now_ns, &action, &wake_ns) != 0) {
        record_action(cluster, &action, now_ns);
        return make_int(env, action.kind);
    }
    cluster->record->wait_ms = ms_until(now_ns, wake_ns);
    cluster->notice.struct_size = sizeof cluster->notice;
    cluster->record->has_notice = cluster->calls->notice(cluster->rp, &cluster->notice);
    return make_int(env, RP_ACTION_NONE);
}

static void tell_answer(napi_env env, struct cluster *cluster, uint64_t id, uint32_t outcome,
                        napi_value before_text, napi_value after_text) {
    bool good;
    char *before = take_optional_text(env, before_text, &good);
    char *after = good ? take_optional_text(env, after_text, &good) : NULL;
    if (good) {
        cluster->calls->answer(cluster->rp, id, (int32_t)outcome, before, after, clock_ns());
    }
    free(before);
    free(after);
}

/* answer(cluster, tag, outcome, before or null, after or null): of the read that is out */
static napi_value answer(napi_env env, napi_callback_info info) {
    napi_value values[5];
    uint32_t outcome;
    if (!take_arguments(env, info, 5, values) || !take_u32(env, values[2], &outcome)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    struct open_read *read = cluster != NULL ? read_of(env, cluster, values[1]) : NULL;
    if (read != NULL) {
        tell_answer(env, cluster, read->action, outcome, values[3], values[4]);
    }
    return NULL;
}

/* answerAsk(cluster, slot, outcome, text or null) */
static napi_value answer_ask(napi_env env, napi_callback_info info) {
    napi_value values[4];
    napi_value none;
    uint32_t slot;
    uint32_t outcome;
    if (!take_arguments(env, info, 4, values) || !take_u32(env, values[1], &slot) ||
        !take_u32(env, values[2], &outcome) || napi_get_null(env, &none) != napi_ok) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL) {
        return NULL;
    }
    if (slot >= ASKS_MAX || cluster->asks[slot] == 0) {
        return throw_type_error(env, "no such question");
    }
    uint64_t id = cluster->asks[slot];
    cluster->asks[slot] = 0;
    tell_answer(env, cluster, id, outcome, values[3], none);
    return NULL;
}

/* position(cluster): of the read that was done last */
static napi_value position(napi_env env, napi_callback_info info) {
    napi_value values[1];
    char text[RP_POSITION_BYTES];
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    const struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL) {
        return NULL;
    }
    cluster->calls->position_print(cluster->position, text);
    return make_text(env, cluster->position != 0 ? text : NULL);
}

/* notice(cluster): the one that clusterNext told of; the next one is then in its place. */
static napi_value notice(napi_env env, napi_callback_info info) {
    napi_value values[1];
    napi_value object;
    if (!take_arguments(env, info, 1, values)) {
        return NULL;
    }
    struct cluster *cluster = cluster_of(env, values[0]);
    if (cluster == NULL || napi_create_object(env, &object) != napi_ok) {
        return NULL;
    }
    put_number(env, object, "level", cluster->notice.level);
    put_index(env, object, "server", cluster->notice.server);
    put_number(env, object, "dropped", cluster->notice.dropped);
    put_text(env, object, "text", cluster->notice.text);
    cluster->record->has_notice = cluster->calls->notice(cluster->rp, &cluster->notice);
    return object;
}

/* ---- exports ---- */

bool cluster_export(napi_env env, napi_value exports) {
    static const struct named_function functions[] = {
        {"clusterOpen", cluster_open},
        {"clusterClose", cluster_close},
        {"serverSet", server_set},
        {"server", server},
        {"clusterInfo", cluster_info},
        {"prompt", prompt},
        {"forgetHistory", forget_history},
        {"clusterMetrics", cluster_metrics},
        {"isPosition", is_position},
        {"start", start},
        {"forget", forget},
        {"clusterNext", cluster_next},
        {"answer", answer},
        {"answerAsk", answer_ask},
        {"position", position},
        {"notice", notice},
    };
    return export_functions(env, exports, functions, sizeof functions / sizeof functions[0]);
}
