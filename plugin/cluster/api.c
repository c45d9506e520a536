/*
 * api.c - the functions of a cluster: they check arguments, move time on, and hand out actions in
 * order.
 */
#include "api.h"

#include "answers.h"
#include "asks.h"
#include "cluster.h"
#include "gather.h"
#include "plugin/hot.h"
#include "position.h"
#include "proofs.h"
#include "reads.h"
#include "reports.h"
#include "roles.h"
#include "standing.h"
#include "strict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

/* No clock tells a later time: 292 years. Sums of times stay above the time now, or a timer would
 * be due for ever. */
#define LATEST_NS ((uint64_t)INT64_MAX)

/* So long after it was to be called the host has slept. Longer than a question may take. */
#define SLEPT_NS (2000 * MS)

#define MAX_READS          1000000u
#define MIN_POLL_MS        100u
#define MAX_POLL_MS        5000u
#define DEFAULT_POLL_MS    1000u
#define DEFAULT_TIMEOUT_MS 5000u
#define MAX_TIMEOUT_MS     3600000u

/* ---- opening and closing --------------------------------------------------------------------- */

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
    free(cluster->drops);
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

static int32_t cluster_open(struct rp_set *set, const struct rp_cluster_options *options,
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
    cluster->max_drops = options->max_reads + options->max_servers * ASK_KINDS;
    cluster->servers = calloc(options->max_servers, sizeof *cluster->servers);
    cluster->reads_memory = calloc(options->max_reads + 1, sizeof *cluster->reads);
    cluster->drops = calloc(cluster->max_drops, sizeof *cluster->drops);
    if (cluster->servers == NULL || cluster->reads_memory == NULL || cluster->drops == NULL) {
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

static uint32_t cluster_close(struct rp_cluster *cluster) {
    if (cluster == NULL) {
        return 0;
    }
    uint32_t open = cluster->reads_open;
    release(cluster);
    return open;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Neither earlier than the latest seen, nor a time that is none. */
static inline bool goes_on(const struct rp_cluster *cluster, uint64_t now_ns) {
    return now_ns - cluster->now_ns <= LATEST_NS - cluster->now_ns;
}

static void advance(struct rp_cluster *cluster, uint64_t now_ns) {
    if (goes_on(cluster, now_ns)) {
        cluster->now_ns = now_ns;
    } else {
        strict_clock(cluster, now_ns);
    }
}

__attribute__((noinline)) static void expire(struct rp_cluster *cluster) {
    struct heap_node *first;
    bool slept = false;
    while ((first = heap_first(&cluster->timers)) != NULL && first->key <= cluster->now_ns) {
        /* A read's time may have been over long before it began. */
        slept |= first->kind != TIMER_READ && first->key + SLEPT_NS < cluster->now_ns;
        heap_remove(&cluster->timers, first);
        switch (first->kind) {
        case TIMER_READ:
            reads_timer(cluster, heap_owner(first, struct read, timer));
            break;
        case TIMER_POLL:
            asks_poll_is_due(cluster, heap_owner(first, struct server, poll));
            break;
        case TIMER_WATCH:
            asks_watch_is_due(cluster, heap_owner(first, struct server, watch));
            break;
        case TIMER_GATHER:
            break; /* asks_prepare sees it */
        default:
            asks_limit_is_over(cluster, heap_owner(first, struct ask, limit));
            break;
        }
    }
    if (slept) { /* no question of before is out any more */
        roles_woke(cluster);
    }
}

/* ---- servers --------------------------------------------------------------------------------- */

static void take_out(struct rp_cluster *cluster, uint32_t index) {
    struct server *server = &cluster->servers[index];
    server->state = RP_SERVER_OFF;
    roles_changed(cluster); /* no read is sent there any more */
    asks_end(cluster, index);
    reads_leave_server(cluster, index);
    /* Generations go on: an answer to an earlier question must never be taken for a later one's. */
    uint32_t generations[ASK_KINDS];
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        generations[kind] = server->asks[kind].generation;
    }
    memset(server, 0, sizeof *server);
    cluster->ailing &= ~server_bit(index);
    for (uint32_t kind = 0; kind < ASK_KINDS; kind++) {
        server->asks[kind].generation = generations[kind];
    }
    roles_changed(cluster);
}

static int32_t cluster_server_set(struct rp_cluster *cluster, uint32_t index, const char *name,
                                  int32_t expect, int32_t state, uint64_t now_ns) {
    if (cluster == NULL || index >= cluster->max_servers || name == NULL ||
        strlen(name) >= NAME_BYTES || expect < RP_EXPECT_ANY || expect > RP_EXPECT_REPLICA ||
        state < RP_SERVER_OFF || state > RP_SERVER_DRAIN) {
        return RP_E_ARGUMENT;
    }
    struct server *server = &cluster->servers[index];
    bool was_on = server->state != RP_SERVER_OFF;
    advance(cluster, now_ns);
    cluster_event(cluster);
    if (state == RP_SERVER_OFF) {
        if (was_on) {
            take_out(cluster, index);
        }
        return RP_OK;
    }
    (void)snprintf(server->name, sizeof server->name, "%s", name);
    server->expect = expect;
    server->state = state;
    if (index >= cluster->server_count) {
        cluster->server_count = index + 1;
    }
    if (!was_on) {
        server->lag_known_ns = cluster->now_ns;
        asks_begin(cluster, index);
    }
    roles_changed(cluster);
    return RP_OK;
}

static uint64_t lag_bytes_of(const struct rp_cluster *cluster, const struct server *server) {
    if (!cluster->primary_answers || server->said.position == 0 ||
        !is_on_primarys_way(cluster, server)) {
        return RP_UNKNOWN;
    }
    uint64_t primary = reachable_position(cluster, cluster->primary,
                                          cluster->servers[cluster->primary].said.position);
    if (primary == 0) {
        return RP_UNKNOWN;
    }
    return server->said.position < primary ? primary - server->said.position : 0;
}

static void fill_lag(const struct rp_cluster *cluster, const struct server *server,
                     struct rp_server_info *info) {
    info->lag_bytes = RP_UNKNOWN;
    info->lag_ns = RP_UNKNOWN;
    info->lag_at_least_ns = 0;
    if (server->role != RP_ROLE_REPLICA) {
        return;
    }
    if (server->reached_ns != 0) {
        info->lag_at_least_ns = cluster->now_ns - server->reached_ns;
    }
    info->lag_bytes = lag_bytes_of(cluster, server);
    if (info->lag_bytes == 0) {
        info->lag_ns = 0;
        info->lag_at_least_ns = 0;
    } else if (info->lag_bytes != RP_UNKNOWN && server->reached_ns != 0) {
        info->lag_ns = cluster->now_ns - server->reached_ns;
    } else if (info->lag_bytes != RP_UNKNOWN && server->said.replay_age_ms != 0) {
        /* Behind all that is remembered: what the server itself says is the best there is. */
        info->lag_ns = server->said.replay_age_ms * MS;
    }
}

/* What a host of ABI 1.0 must have room for: who it is, and the notice. It is given as much as it
 * has room for, so that these structures can grow. */
#define UP_TO(type, member)    (offsetof(type, member) + sizeof(((type *)NULL)->member))
#define MIN_SERVER_INFO_BYTES  UP_TO(struct rp_server_info, position)
#define MIN_CLUSTER_INFO_BYTES UP_TO(struct rp_cluster_info, system)
#define MIN_NOTICE_BYTES       UP_TO(struct rp_notice, text)

/* `all` is `size` bytes long; the first member of both is struct_size, and that of `host` stays. */
static void give(void *host, uint32_t host_size, const void *all, size_t size) {
    const size_t room = host_size < size ? host_size : size;
    memcpy((char *)host + sizeof host_size, (const char *)all + sizeof host_size,
           room - sizeof host_size);
}

static int32_t cluster_server(struct rp_cluster *cluster, uint32_t index,
                              struct rp_server_info *info) {
    if (cluster == NULL || info == NULL || info->struct_size < MIN_SERVER_INFO_BYTES) {
        return RP_E_ARGUMENT;
    }
    if (index >= cluster->max_servers) {
        return RP_E_END;
    }
    const struct server *server = &cluster->servers[index];
    bool known = server->said.instance != 0;
    struct rp_server_info all = {
        .role = server->role,
        .expect = server->expect,
        .state = server->state,
        .answers = server->answers,
        .in_recovery = known ? server->said.in_recovery : 2,
        .timeline = server->said.upper,
        .version = server->can.version,
        .instance = server->said.instance,
        .system = server->instance != NULL ? server->instance->system : 0,
        .position = known ? server->said.position : 0,
        .why = standing_why(server),
        .grants = server->probed ? question_missing_grants(&server->can) : "",
    };
    if (health_backs_off(&server->health, cluster->now_ns)) {
        all.backing_off_ns = server->health.until_ns - cluster->now_ns;
    }
    fill_lag(cluster, server, &all);
    give(info, info->struct_size, &all, sizeof all);
    return RP_OK;
}

static int32_t cluster_info(struct rp_cluster *cluster, struct rp_cluster_info *info) {
    if (cluster == NULL || info == NULL || info->struct_size < MIN_CLUSTER_INFO_BYTES) {
        return RP_E_ARGUMENT;
    }
    const struct rp_cluster_info all = {
        .settled = cluster->settled,
        .split = cluster->split || cluster->two_systems,
        .primary = cluster->primary,
        .primary_answers = cluster->primary_answers,
        .timeline = cluster->timeline,
        .reads = cluster->reads_open,
        .replicas = (uint32_t)__builtin_popcountll(cluster->replicas),
        .system = cluster->system,
        .replicas_out = cluster->replicas == 0 && cluster->others != 0,
        .forgetting = cluster->forgetting,
    };
    give(info, info->struct_size, &all, sizeof all);
    return RP_OK;
}

static void cluster_prompt(struct rp_cluster *cluster, uint32_t index, uint64_t now_ns) {
    if (cluster != NULL && index < cluster->max_servers &&
        cluster->servers[index].state != RP_SERVER_OFF) {
        advance(cluster, now_ns);
        cluster_event(cluster);
        asks_prompt(cluster, index);
    }
}

static void cluster_forget_history(struct rp_cluster *cluster, uint64_t now_ns) {
    if (cluster != NULL) {
        advance(cluster, now_ns);
        cluster_event(cluster);
        roles_forget(cluster);
    }
}

static void cluster_heard_of(struct rp_cluster *cluster, uint64_t system, uint32_t timeline,
                             uint64_t now_ns) {
    if (cluster != NULL) {
        advance(cluster, now_ns);
        cluster_event(cluster);
        roles_heard_of(cluster, system, timeline);
    }
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* A read of ABI 1.0's size is enough: what came later is not read. */
#define MIN_REQUEST_BYTES UP_TO(struct rp_request, position)

HOT static int32_t cluster_start(struct rp_cluster *cluster, const struct rp_policy *policy,
                                 const struct rp_request *request, uint64_t tag,
                                 uint64_t *read_id) {
    if (cluster == NULL || policy == NULL || request == NULL || read_id == NULL ||
        request->struct_size < MIN_REQUEST_BYTES) {
        return RP_E_ARGUMENT;
    }
    advance(cluster, request->now_ns);
    if (is_strict(cluster)) {
        strict_request(cluster, request);
    }
    const struct read *read = reads_start(cluster, policy, request, tag);
    if (read == NULL) {
        return RP_E_BUSY;
    }
    *read_id = read->id;
    return RP_OK;
}

static void cluster_forget(struct rp_cluster *cluster, uint64_t read_id) {
    if (cluster != NULL) {
        reads_forget(cluster, read_id);
    }
}

static bool can_be(uint64_t id, int32_t outcome) {
    switch (outcome) {
    case RP_FAILED:
    case RP_SERVER_GONE:
    case RP_NOT_SENT:
        return true;
    case RP_ANSWERED:
        return ID_KIND(id) == ID_ASK;
    case RP_FOUND:
    case RP_PARTIAL:
    case RP_MISSING:
    case RP_ROLE_CHANGED:
    case RP_CONFLICT:
        return ID_KIND(id) == ID_ACTION;
    default:
        return false;
    }
}

/* Any answer. Kept out of the way of reads that are found. */
__attribute__((noinline)) static void answer_any(struct rp_cluster *cluster, uint64_t id,
                                                 int32_t outcome, const char *before,
                                                 const char *after, uint64_t now_ns) {
    advance(cluster, now_ns);
    cluster_event(cluster);
    const bool asks = ID_KIND(id) == ID_ASK;
    if ((asks || ID_KIND(id) == ID_ACTION) && !can_be(id, outcome)) {
        strict_outcome(cluster, outcome, asks ? "an ASK" : "a READ");
        outcome = RP_FAILED;
    }
    if (asks) {
        asks_answer(cluster, id, outcome, before);
    } else {
        answers_take(cluster, id, outcome, before, after);
    }
}

HOT static void cluster_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome,
                               const char *before, const char *after, uint64_t now_ns) {
    if (cluster == NULL) {
        return;
    }
    if (outcome == RP_FOUND && ID_KIND(id) == ID_ACTION && goes_on(cluster, now_ns)) {
        cluster->now_ns = now_ns;
        cluster_event(cluster);
        answers_take(cluster, id, outcome, before, after);
    } else {
        answer_any(cluster, id, outcome, before, after, now_ns);
    }
}

/* ---- what to do ------------------------------------------------------------------------------ */

__attribute__((noinline)) static bool next_drop(struct rp_cluster *cluster,
                                                struct rp_action *action) {
    const struct drop *drop = &cluster->drops[cluster->drop_first];
    action_begin(action, RP_ACTION_DROP);
    action->id = drop->id;
    action->tag = drop->tag;
    action->read_id = drop->read_id;
    action->server = drop->server;
    cluster->drop_first = (cluster->drop_first + 1) % cluster->max_drops;
    cluster->drop_count--;
    return true;
}

static bool next_redial(struct rp_cluster *cluster, struct rp_action *action) {
    if (cluster->redial_queue == 0) {
        return false;
    }
    action_begin(action, RP_ACTION_REDIAL);
    action->server = (uint32_t)__builtin_ctzll(cluster->redial_queue);
    cluster->redial_queue &= cluster->redial_queue - 1;
    return true;
}

/* What asks, and may have news for those who waited for an answer. */
__attribute__((noinline)) static bool next_question(struct rp_cluster *cluster,
                                                    struct rp_action *action) {
    asks_prepare(cluster);
    reads_take_reports(cluster);
    return reads_next_done(cluster, action) || next_redial(cluster, action) ||
           asks_next(cluster, action);
}

/* Drops first, so that there is always room for the next ones; then what ends. Most calls find that
 * there is nothing to do: that must cost next to nothing. */
static bool next_of_all(struct rp_cluster *cluster, struct rp_action *action) {
    do {
        if (!TAILQ_EMPTY(&cluster->reported)) {
            reads_take_reports(cluster);
        }
        if (cluster->has_strays) {
            reads_catch_strays(cluster);
        }
        if ((cluster->drop_count > 0 && next_drop(cluster, action)) ||
            reads_next_done(cluster, action) ||
            (asks_have_work(cluster) && next_question(cluster, action)) ||
            reads_next(cluster, action)) {
            return true;
        }
    } while (!TAILQ_EMPTY(&cluster->reported));
    return false;
}

__attribute__((noinline)) static int32_t
refuse_next(struct rp_cluster *cluster, const struct rp_action *action, uint64_t *wake_ns) {
    if (wake_ns != NULL) {
        *wake_ns = UINT64_MAX;
    }
    if (cluster != NULL && action != NULL) {
        strict_size(cluster, action->struct_size);
    }
    return 0;
}

HOT static int32_t cluster_next(struct rp_cluster *cluster, uint64_t now_ns,
                                struct rp_action *action, uint64_t *wake_ns) {
    if (cluster == NULL || action == NULL || wake_ns == NULL ||
        action->struct_size < sizeof *action) {
        return refuse_next(cluster, action, wake_ns);
    }
    if (is_strict(cluster)) {
        strict_next(cluster, now_ns, asks_have_work(cluster));
    }
    advance(cluster, now_ns);
    const struct heap_node *first;
    do {
        if (heap_may_have(&cluster->timers, cluster->now_ns)) {
            expire(cluster);
        }
        if (next_of_all(cluster, action)) {
            return 1;
        }
        /* News may have put a read where its time is over already. */
        first = heap_first(&cluster->timers);
    } while (heap_may_have(&cluster->timers, cluster->now_ns));
    *wake_ns = first != NULL ? first->key : UINT64_MAX;
    cluster->promised_wake_ns = *wake_ns;
    return 0;
}

static int32_t cluster_notice(struct rp_cluster *cluster, struct rp_notice *notice) {
    struct rp_notice next;
    if (cluster == NULL || notice == NULL || notice->struct_size < MIN_NOTICE_BYTES ||
        !notices_take(&cluster->notices, &next)) {
        return 0;
    }
    give(notice, notice->struct_size, &next, sizeof next);
    return 1;
}

/* ---- counters -------------------------------------------------------------------------------- */

struct counter_row {
    const char *name;
    const char *help;
    size_t offset; /* in struct cluster_counters */
};

#define ROW(member, help) {"cluster." #member, help, offsetof(struct cluster_counters, member)}

static const struct counter_row counter_rows[] = {
    ROW(polls, "Questions to servers about who and where they are."),
    ROW(locates, "Questions to the primary for its WAL position, each shared by those who waited."),
    ROW(watches, "Questions to replicas for their replay position while reads await one."),
    ROW(waits, "Waits for a replay position that a replica itself has kept."),
    ROW(role_changes, "Servers whose role, or the reason why they are out, has changed."),
    ROW(detours, "Reads that were sent to another replica, since the first could not be read."),
    ROW(conflicts, "Reads that were asked again after a conflict with recovery."),
    ROW(unproven, "Misses on a replica that could have proven an absence, and could not."),
    ROW(uncounted_misses,
        "Misses on a primary that did not count, since it was not sure to be one."),
    ROW(behind, "Answers of a replica that was not known to have reached the caller's position."),
    ROW(foreign_answers, "Answers that came late, or to no action."),
};

static int32_t cluster_metrics(const struct rp_cluster *cluster, uint32_t index,
                               struct rp_metric *metric) {
    if (cluster == NULL || metric == NULL || metric->struct_size < sizeof *metric) {
        return RP_E_ARGUMENT;
    }
    if (index >= sizeof counter_rows / sizeof counter_rows[0]) {
        return RP_E_END;
    }
    const struct counter_row *row = &counter_rows[index];
    *metric = (struct rp_metric){
        .struct_size = metric->struct_size, .name = row->name, .help = row->help, .section = ""};
    memcpy(&metric->value, (const char *)&cluster->counters + row->offset, sizeof metric->value);
    return RP_OK;
}

const struct rp_cluster_calls cluster_calls = {
    .struct_size = sizeof cluster_calls,
    .open = cluster_open,
    .close = cluster_close,
    .server_set = cluster_server_set,
    .server = cluster_server,
    .info = cluster_info,
    .prompt = cluster_prompt,
    .forget_history = cluster_forget_history,
    .start = cluster_start,
    .forget = cluster_forget,
    .next = cluster_next,
    .answer = cluster_answer,
    .notice = cluster_notice,
    .metrics = cluster_metrics,
    .position_parse = position_parse,
    .position_print = position_print,
    .heard_of = cluster_heard_of,
};
