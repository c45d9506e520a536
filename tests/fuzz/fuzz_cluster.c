/*
 * fuzz_cluster.c - libFuzzer target: any bytes as a sequence of calls of a cluster's table, of a
 * host that may be wrong, and what must hold of every action that comes out.
 *
 * A byte chooses the call, the bytes after it its arguments. What the servers say makes sense more
 * often than not; whether the end of a read is the right one is explored by cluster_explorer.c.
 * Here each read that was started ends once, in its time, and no action comes that is none.
 */
#undef NDEBUG /* the assertions are the test */
#include "input.h"
#include "plugin/read_policy.h"
#include "tests/lib/plugin_fixture.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS           UINT64_C(1000000)
#define LONGEST_NAME "a name of sixty-three bytes, which is as long as a name may be."
#define MAX_CALLS    600
#define MAX_OPEN     24u
#define MAX_OUT      (MAX_OPEN + 4u * RP_CLUSTER_MAX_SERVERS)
#define MAX_OLD      1024u
#define MAX_ACTIONS  2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what the host knows ---- */

struct open_read {
    uint64_t id;
    uint64_t tag;
    uint64_t deadline_ns;
};

struct out_action {
    uint64_t id;
    uint64_t read_id; /* 0: a question */
    uint64_t limit_ns;
    uint32_t server;
    bool asks; /* it brought a text */
    bool probes;
    bool full;
    bool blocks;
};

struct session {
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    const struct rp_policy *policies[5];
    uint32_t max_servers;
    uint32_t max_reads;
    uint64_t timeout_ns;
    uint64_t now_ns;    /* the host's clock */
    uint64_t latest_ns; /* that the cluster was told */
    uint64_t tags;
    uint64_t metric[16];
    int32_t states[RP_CLUSTER_MAX_SERVERS];
    struct open_read reads[MAX_OPEN];
    uint32_t read_count;
    struct out_action out[MAX_OUT];
    uint32_t out_count;
    uint64_t old[MAX_OLD]; /* ids of what was answered, dropped, done or forgotten */
    uint32_t old_count;
};

static void told_time(struct session *session, uint64_t now_ns) {
    session->latest_ns = now_ns > session->latest_ns ? now_ns : session->latest_ns;
}

static void note_old(struct session *session, uint64_t id) {
    session->old[session->old_count++ % MAX_OLD] = id;
}

static struct open_read *find_read(struct session *session, uint64_t id) {
    for (uint32_t i = 0; i < session->read_count; i++) {
        if (session->reads[i].id == id) {
            return &session->reads[i];
        }
    }
    return NULL;
}

static struct out_action *find_out(struct session *session, uint64_t id) {
    for (uint32_t i = 0; i < session->out_count; i++) {
        if (session->out[i].id == id) {
            return &session->out[i];
        }
    }
    return NULL;
}

static void remove_read(struct session *session, struct open_read *read) {
    note_old(session, read->id);
    *read = session->reads[--session->read_count];
}

static void remove_out(struct session *session, struct out_action *out) {
    note_old(session, out->id);
    *out = session->out[--session->out_count];
}

/* ---- what comes out ---- */

static void see_work(struct session *session, const struct rp_action *action) {
    const bool is_read = action->kind == RP_ACTION_READ;
    assert(action->server < session->max_servers);
    assert(session->states[action->server] != RP_SERVER_OFF);
    assert(action->id != 0 && find_out(session, action->id) == NULL);
    assert(action->text == NULL || action->text[0] != '\0');
    assert(session->out_count < MAX_OUT);
    if (is_read) {
        const struct open_read *read = find_read(session, action->read_id);
        assert(read != NULL && read->tag == action->tag);
        assert(action->limit_ns <= read->deadline_ns);
        assert(action->target == RP_TARGET_REPLICA || action->target == RP_TARGET_PRIMARY);
        for (uint32_t i = 0; i < session->out_count; i++) {
            assert(session->out[i].read_id != action->read_id);
        }
    } else {
        assert(action->text != NULL);
    }
    session->out[session->out_count++] = (struct out_action){
        .id = action->id,
        .read_id = is_read ? action->read_id : 0,
        .limit_ns = action->limit_ns,
        .server = action->server,
        .asks = action->text != NULL,
        .probes = action->text != NULL && strstr(action->text, "server_version_num") != NULL,
        .full = action->text != NULL && strstr(action->text, "xact_replay_timestamp") != NULL,
        .blocks = (action->flags & RP_ACTION_BLOCKS) != 0};
}

static bool is_old(const struct session *session, uint64_t id) {
    for (uint32_t i = 0; i < MAX_OLD; i++) {
        if (session->old[i] == id) {
            return true;
        }
    }
    return false;
}

/* It is out; or it was answered while the drop was on its way. */
static void see_drop(struct session *session, const struct rp_action *action) {
    struct out_action *out = find_out(session, action->id);
    if (out == NULL) {
        assert(is_old(session, action->id));
        return;
    }
    assert(out->server == action->server && out->read_id == action->read_id);
    remove_out(session, out);
}

static void see_done(struct session *session, const struct rp_action *action) {
    struct open_read *read = find_read(session, action->read_id);
    assert(read != NULL && read->tag == action->tag);
    assert(action->verdict >= RP_VERDICT_FOUND && action->verdict <= RP_VERDICT_SHED);
    assert(action->message != NULL && action->message[0] != '\0');
    const bool served =
        action->verdict == RP_VERDICT_FOUND || action->verdict == RP_VERDICT_NOT_FOUND;
    assert(served == (action->served_by != RP_SERVED_BY_NONE));
    assert(served || action->position == 0);
    for (uint32_t i = 0; i < session->out_count; i++) {
        assert(session->out[i].read_id != action->read_id);
    }
    remove_read(session, read);
}

/* When there is nothing to do, nothing is overdue. */
static void see_rest(struct session *session, uint64_t wake_ns) {
    assert(wake_ns > session->latest_ns);
    for (uint32_t i = 0; i < session->read_count; i++) {
        assert(session->reads[i].deadline_ns > session->latest_ns);
        assert(session->reads[i].deadline_ns >= wake_ns);
    }
    for (uint32_t i = 0; i < session->out_count; i++) {
        assert(session->out[i].limit_ns > session->latest_ns);
        assert(session->out[i].limit_ns >= wake_ns);
    }
}

/* ---- answers ---- */

static void print_answer(struct input *input, const struct out_action *out, char *text,
                         size_t room) {
    static const char *const probes[] = {
        "rp1 190000 8192 16777216 t t t t t t", "rp1 170002 8192 16777216 t t t t f t",
        "rp1 130000 8192 16777216 t f f t f f", "rp1 160000 8192 16777216 f f f f f"};
    const uint8_t shape = take_byte(input);
    if (out->blocks) {
        (void)snprintf(text, room, "%s", shape % 4 == 0 ? "timeout" : "success");
        return;
    }
    if (out->probes) {
        (void)snprintf(text, room, "%s", probes[shape % 4]);
        return;
    }
    const uint8_t position = take_byte(input);
    const unsigned instance = shape % 16 == 15 ? 7u : 1u + out->server;
    const unsigned timeline = 1u + (position >= 240);
    int length;
    if ((shape & 16) != 0) {
        length = snprintf(text, room, "rp1 %x c p 0/%X 0/%X %08X", instance, 16u * position,
                          8u * position, timeline);
    } else if ((shape & 32) != 0) {
        length = snprintf(text, room, "rp1 %x c r 0/%X - - -", instance, 16u * position);
    } else {
        length = snprintf(text, room, "rp1 %x %c r 0/%X - 1 %u", instance,
                          shape % 16 == 14 ? 'x' : 'c', 16u * position, timeline);
    }
    if (out->full) {
        (void)snprintf(text + length, room - (size_t)length, " %u %s 77 -",
                       shape % 16 == 13 ? 9u : 5u, (shape & 16) != 0 ? "-" : "12");
    }
}

static int32_t take_outcome(struct input *input, const struct out_action *out) {
    static const int32_t of_reads[] = {RP_FOUND,    RP_MISSING, RP_MISSING,     RP_PARTIAL,
                                       RP_CONFLICT, RP_FAILED,  RP_SERVER_GONE, RP_ROLE_CHANGED,
                                       RP_NOT_SENT, RP_FOUND,   RP_MISSING,     RP_FOUND};
    static const int32_t of_asks[] = {RP_FAILED, RP_SERVER_GONE, RP_NOT_SENT};
    const uint8_t byte = take_byte(input);
    if (byte >= 250) {
        return (int32_t)take_number(input);
    }
    if (out->read_id != 0) {
        return of_reads[byte % (sizeof of_reads / sizeof of_reads[0])];
    }
    return byte < 200 ? RP_ANSWERED : of_asks[byte % (sizeof of_asks / sizeof of_asks[0])];
}

/* A string of exactly its length, so that a read past its end is seen. */
static char *take_text(struct input *input, size_t length) {
    char *text = malloc(length + 1);
    assert(text != NULL);
    for (size_t i = 0; i < length; i++) {
        const uint8_t byte = take_byte(input);
        text[i] = (char)(byte == 0 ? 'r' : byte);
    }
    text[length] = '\0';
    return text;
}

static void answer(struct session *session, struct input *input, struct out_action *out) {
    char before[256];
    char after[RP_POSITION_BYTES];
    print_answer(input, out, before, sizeof before);
    const uint8_t oddity = take_byte(input);
    session->calls->position_print(oddity * 16u, after);
    char *odd = take_text(input, oddity >= 248 ? take_number(input) % 70000 : 0);
    const char *said = oddity >= 248 ? odd : before;
    session->calls->answer(session->cluster, out->id, take_outcome(input, out),
                           out->asks && oddity % 32 != 1 ? said : NULL,
                           oddity % 8 == 2 ? after : NULL, session->now_ns);
    told_time(session, session->now_ns);
    free(odd);
    remove_out(session, out);
}

/* ---- what comes of it ---- */

/* Of a host that waits for each answer, or has no connection. */
static void answer_at_once(struct session *session, struct input *input, uint64_t id, bool there) {
    struct out_action *out = find_out(session, id);
    if (there) {
        answer(session, input, out);
    } else {
        session->calls->answer(session->cluster, id, RP_NOT_SENT, NULL, NULL, session->now_ns);
        remove_out(session, out);
    }
}

/* However the answers come, there is an end to what is to be done at one time. */
static void call_next(struct session *session, struct input *input) {
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns = 0;
    const uint8_t most = take_byte(input); /* a host may stop early, too */
    const bool at_once = most % 8 == 1;
    const bool there = most % 16 == 9;
    for (int i = 0; most >= 128 || i < most; i++) {
        assert(i < MAX_ACTIONS);
        told_time(session, session->now_ns);
        if (!session->calls->next(session->cluster, session->now_ns, &action, &wake_ns)) {
            see_rest(session, wake_ns);
            return;
        }
        assert(action.struct_size == sizeof action);
        switch (action.kind) {
        case RP_ACTION_READ:
        case RP_ACTION_ASK:
            see_work(session, &action);
            if (at_once) {
                answer_at_once(session, input, action.id, there);
            }
            break;
        case RP_ACTION_DROP:
            see_drop(session, &action);
            break;
        case RP_ACTION_DONE:
            see_done(session, &action);
            break;
        default:
            assert(action.kind == RP_ACTION_REDIAL && action.server < session->max_servers);
            assert(session->states[action.server] != RP_SERVER_OFF);
        }
    }
}

/* ---- what goes in ---- */

static void call_start(struct session *session, struct input *input) {
    struct rp_request request = {.struct_size = sizeof request,
                                 .replicas = take_byte(input),
                                 .now_ns = session->now_ns,
                                 .entropy = take_number(input)};
    const uint8_t what = take_byte(input);
    request.flags = (what & 1) != 0 ? take_byte(input) : 0;
    request.position = (what & 2) != 0 ? take_number(input) : 0;
    if ((what & 4) != 0) { /* perhaps past */
        const uint64_t away = take_number(input) % (5000 * MS);
        request.deadline_ns = (what & 8) != 0 ? request.now_ns + away
                                              : (request.now_ns > away ? request.now_ns - away : 1);
    }
    uint64_t id = 0;
    const uint64_t tag = ++session->tags;
    const int32_t status = session->calls->start(session->cluster, session->policies[what >> 4 & 3],
                                                 &request, tag, &id);
    told_time(session, request.now_ns);
    if (session->read_count == session->max_reads) {
        assert(status == RP_E_BUSY);
        return;
    }
    assert(status == RP_OK && find_read(session, id) == NULL);
    session->reads[session->read_count++] = (struct open_read){
        .id = id,
        .tag = tag,
        .deadline_ns = request.deadline_ns != 0 ? request.deadline_ns
                                                : session->latest_ns + session->timeout_ns};
}

static void call_answer(struct session *session, struct input *input) {
    if (session->out_count > 0) {
        answer(session, input, &session->out[take_byte(input) % session->out_count]);
    }
}

/* An id that is not, or not any more, or of another kind. */
static void call_odd_id(struct session *session, struct input *input) {
    uint64_t id = take_number(input);
    const uint8_t which = take_byte(input);
    if (which < 160 && session->old_count > 0) {
        const uint32_t kept = session->old_count < MAX_OLD ? session->old_count : MAX_OLD;
        id = session->old[which % kept];
    } else if (which < 200) {
        id ^= UINT64_C(1) << which % 64;
    }
    if (find_read(session, id) != NULL || find_out(session, id) != NULL) {
        return;
    }
    if (which % 2 == 0) {
        session->calls->forget(session->cluster, id);
    } else {
        session->calls->answer(session->cluster, id, (int32_t)take_byte(input) % 24,
                               "rp1 1 c r 0/1 - 1 1", NULL, session->now_ns);
        told_time(session, session->now_ns);
    }
}

/* A drop may come of it, or the answer may. */
static void call_forget(struct session *session, struct input *input) {
    if (session->read_count > 0) {
        struct open_read *read = &session->reads[take_byte(input) % session->read_count];
        session->calls->forget(session->cluster, read->id);
        remove_read(session, read);
    }
}

static void call_time(struct session *session, struct input *input) {
    const uint8_t how = take_byte(input);
    const uint64_t by = take_number(input) % (20000 * MS);
    if (how < 8) {
        session->now_ns = session->now_ns > by ? session->now_ns - by : 1;
    } else {
        session->now_ns += how < 64 ? by : by % (200 * MS);
    }
}

static void call_server_set(struct session *session, struct input *input) {
    static const char *const names[] = {"a", "", "%s%n", LONGEST_NAME};
    const uint8_t what = take_byte(input);
    const uint32_t index = take_byte(input) % session->max_servers;
    const int32_t state = what % 8 < 3 ? what % 8 : RP_SERVER_ON;
    assert(session->calls->server_set(session->cluster, index, names[what >> 6],
                                      (what >> 3 & 7) < 3 ? what >> 3 & 7 : RP_EXPECT_ANY, state,
                                      session->now_ns) == RP_OK);
    told_time(session, session->now_ns);
    session->states[index] = state;
}

static void call_wrong(struct session *session, struct input *input) {
    const struct rp_cluster_calls *calls = session->calls;
    struct rp_cluster *cluster = session->cluster;
    char *name = take_text(input, 64 + take_byte(input));
    assert(calls->server_set(cluster, 0, name, 0, 1, session->now_ns) == RP_E_ARGUMENT);
    assert(calls->server_set(cluster, session->max_servers, "a", 0, 1, 1) == RP_E_ARGUMENT);
    assert(calls->server_set(cluster, (uint32_t)take_number(input) | 64, "a", 0, 1, 1) ==
           RP_E_ARGUMENT);
    assert(calls->server_set(cluster, 0, NULL, 0, 1, 1) == RP_E_ARGUMENT);
    assert(calls->server_set(cluster, 0, "a", -1, 1, 1) == RP_E_ARGUMENT);
    assert(calls->server_set(cluster, 0, "a", 0, 3, 1) == RP_E_ARGUMENT);
    uint64_t number = 0;
    const int32_t status = calls->position_parse(name, &number);
    assert(status == RP_OK || status == RP_E_ARGUMENT);
    free(name);
    calls->prompt(cluster, (uint32_t)take_number(input) | 64, session->now_ns);
    struct rp_request request = {.struct_size = take_byte(input) % 48, .now_ns = session->now_ns};
    assert(calls->start(cluster, session->policies[0], &request, 1, &number) == RP_E_ARGUMENT);
    struct rp_action action = {.struct_size = take_byte(input) % sizeof action};
    assert(calls->next(cluster, session->now_ns, &action, &number) == 0);
}

/* Structures of any size: no more is written than there is room for. */
static void call_looks(struct session *session, struct input *input) {
    union {
        uint32_t struct_size;
        struct rp_server_info server;
        struct rp_cluster_info info;
        struct rp_notice notice;
        struct rp_metric metric;
    } *any;
    const uint32_t room = sizeof *any + 32;
    const uint32_t size = take_byte(input) < 128 ? room : take_byte(input) * 2u % room;
    any = calloc(1, size < 4 ? 4 : size);
    assert(any != NULL);
    any->struct_size = size;
    (void)session->calls->server(session->cluster, take_byte(input), &any->server);
    assert(any->struct_size == size);
    if (session->calls->info(session->cluster, &any->info) == RP_OK) {
        assert(any->info.reads == session->read_count);
    }
    (void)session->calls->notice(session->cluster, &any->notice);
    assert(any->struct_size == size);
    for (uint32_t i = 0; size >= sizeof any->metric &&
                         session->calls->metrics(session->cluster, i, &any->metric) == RP_OK;
         i++) {
        assert(any->metric.name != NULL && any->metric.value >= session->metric[i]);
        session->metric[i] = any->metric.value;
    }
    free(any);
}

/* Another cluster's system may be this one's, or any. */
static void hear_of(struct session *session, struct input *input) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    assert(session->calls->info(session->cluster, &info) == RP_OK);
    const uint64_t system = take_byte(input) < 128 ? info.system : take_number(input);
    const uint32_t timeline = (uint32_t)take_number(input);
    const uint32_t before = info.timeline;
    const bool counts = system == info.system && timeline > before;
    session->calls->heard_of(session->cluster, system, timeline, session->now_ns);
    assert(session->calls->info(session->cluster, &info) == RP_OK);
    assert(info.timeline == (counts ? timeline : before));
}

static void call_prompt(struct session *session, struct input *input) {
    const uint8_t which = take_byte(input);
    if (which == 255) {
        session->calls->forget_history(session->cluster, session->now_ns);
    } else if (which == 254) {
        hear_of(session, input);
    } else {
        session->calls->prompt(session->cluster, which, session->now_ns);
        if (which >= session->max_servers || session->states[which] == RP_SERVER_OFF) {
            return;
        }
    }
    told_time(session, session->now_ns);
}

/* ---- the session ---- */

static const char sections[] =
    "[a]\npolicy = replica_then_primary\n"
    "[b]\npolicy = read_index\nprimary_budget_per_s = 2\n"
    "[c]\npolicy = read_index\nwhen = always\nreplica_pick = freshest\n"
    "[d]\npolicy = replica_backoff\non_replica_failure = error\nmax_lag_ms = 2000\n";

static void open_cluster(struct session *session, struct rp_set *set, struct input *input) {
    static const char *const names[] = {"a", "b", "c", "d"};
    const uint8_t flags = take_byte(input);
    const uint8_t shape = take_byte(input);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        session->policies[i] = read_policy_plugin_v1()->policy(set, names[i]);
        assert(session->policies[i] != NULL);
    }
    session->max_servers = shape % 16 == 15 ? RP_CLUSTER_MAX_SERVERS : 1u + shape % 4;
    session->max_reads = 1u + (shape >> 4) * 3u % MAX_OPEN;
    session->now_ns = 1 + take_number(input) % (UINT64_MAX / 2);
    session->latest_ns = session->now_ns;
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .flags = flags,
                                               .max_servers = session->max_servers,
                                               .max_reads = session->max_reads,
                                               .poll_ms = (shape & 1) != 0 ? 100 : 0,
                                               .timeout_ms = (shape & 2) != 0 ? 1 : 0,
                                               .now_ns = session->now_ns,
                                               .seed = take_byte(input)};
    session->timeout_ns = ((shape & 2) != 0 ? 1 : 5000) * MS;
    char error[256];
    assert(session->calls->open(set, &options, &session->cluster, error, sizeof error) == RP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const calls[])(struct session *, struct input *) = {
        call_next,   call_next,  call_next,  call_next,   call_answer, call_answer,     call_answer,
        call_answer, call_start, call_start, call_time,   call_time,   call_server_set, call_forget,
        call_odd_id, call_wrong, call_looks, call_prompt, call_answer, call_next,
    };
    static struct rp_set *set; /* of all sessions: what is fuzzed is the cluster */
    const struct rp_plugin *plugin = read_policy_plugin_v1();
    struct input input = {data, size};
    struct session session = {.calls = plugin->cluster};
    if (set == NULL) {
        assert(plugin->open_text(sections, sizeof sections - 1, "fuzz.ini", ALL_CAPABILITIES, &set,
                                 NULL, 0) == RP_OK);
    }
    open_cluster(&session, set, &input);
    for (int i = 0; i < MAX_CALLS && input.left > 0; i++) {
        calls[take_byte(&input) % (sizeof calls / sizeof calls[0])](&session, &input);
    }
    assert(session.calls->close(session.cluster) == session.read_count);
    return 0;
}
