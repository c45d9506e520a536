/*
 * play.c - see play.h.
 */
#include "play.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

#define NOBODY UINT32_MAX

/* A name that leads to two primaries by turns is known to for at least so long. */
#define SPLIT_NS (50000 * MS)

static void violated(struct play *play, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void violated(struct play *play, const char *format, ...) {
    if (play->violation[0] != '\0') {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(play->violation, sizeof play->violation, format, arguments);
    va_end(arguments);
}

/* ---- the cluster's side ---------------------------------------------------------------------- */

static void see_action(struct play *play, const struct rp_action *action) {
    struct rp_server_info info = {.struct_size = sizeof info};
    (void)play->calls->server(play->cluster, action->server, &info);
    if (action->kind == RP_ACTION_READ && action->target == RP_TARGET_REPLICA) {
        if (info.role != RP_ROLE_REPLICA) {
            violated(play, "C6: a read as a replica goes to server %" PRIu32 ", whose role is %d",
                     action->server, info.role);
        }
        if (info.in_recovery == 0) {
            violated(play,
                     "C8: a read as a replica goes to server %" PRIu32
                     ", which said that it is out of recovery",
                     action->server);
        }
    }
}

/* A balancer leads each transaction to another server. */
static int lead_to(struct play *play, uint32_t index) {
    const int *behind = play->behind[index];
    return behind[1] < 0 ? behind[0] : behind[play->turn[index]++ % 2];
}

/* At most one at a server, so that one connection will do. */
static void take_wait(struct play *play, struct play_action *taken,
                      const struct rp_action *action) {
    uint64_t high;
    uint64_t low;
    uint32_t timeout_ms;
    if (sscanf(action->text, "WAIT FOR LSN '%" SCNx64 "/%" SCNx64 "' WITH (TIMEOUT %" SCNu32 ",",
               &high, &low, &timeout_ms) != 3 ||
        !play->world.is_19) {
        violated(play, "bound: no server here can be told \"%s\"", action->text);
        return;
    }
    for (int i = 0; i < play->action_count; i++) {
        if (play->actions[i].waits && play->actions[i].index == action->server) {
            violated(play, "bound: two waits are under way at server %" PRIu32, action->server);
        }
    }
    taken->waits = true;
    taken->position = high << 32 | low;
    taken->until_ns = play->now_ns + timeout_ms * MS;
}

static void take_action(struct play *play, const struct rp_action *action) {
    see_action(play, action);
    if (play->action_count == MAX_PLAY_ACTIONS) {
        violated(play, "bound: more actions are out than the play has room for");
        return;
    }
    struct play_action *taken = &play->actions[play->action_count];
    *taken = (struct play_action){.id = action->id,
                                  .kind = action->kind,
                                  .server = lead_to(play, action->server),
                                  .index = action->server,
                                  .sent_ns = play->now_ns,
                                  .tag = action->tag,
                                  .followed = -1,
                                  .target = action->target,
                                  .asks = action->text != NULL};
    if (action->kind == RP_ACTION_ASK) {
        taken->probes = strstr(action->text, "server_version_num") != NULL;
    }
    taken->full =
        action->text != NULL && strstr(action->text, "pg_last_xact_replay_timestamp") != NULL;
    if ((action->flags & RP_ACTION_BLOCKS) != 0) {
        take_wait(play, taken, action);
    }
    play->action_count++;
    taken->instance = play->world.servers[taken->server].instance;
    if (action->kind == RP_ACTION_READ && play->reads[taken->tag].row >= 0) {
        taken->showed = world_shows(&play->world, taken->server, play->reads[taken->tag].row);
    }
    if (!play->world.servers[taken->server].up) {
        taken->lost = true;
    }
}

/* The others keep their order: the oldest is always the first. */
static void remove_action(struct play *play, int which) {
    play->action_count--;
    memmove(&play->actions[which], &play->actions[which + 1],
            (size_t)(play->action_count - which) * sizeof play->actions[0]);
}

void play_forget_truth(struct play *play) {
    play->truth_heard = false;
    for (int i = 0; i < play->read_count; i++) {
        play->reads[i].heard_truth = false;
    }
}

/* Neither who counts nor who wrote the floors. */
static void forget_all(struct play *play) {
    play_forget_truth(play);
    play->heard_index = NOBODY;
    play->heard_itself = NOBODY;
    play->another_ns = 0;
    play->has_rival = false;
    play->both_ns = 0;
    play->heard_lineages = 0;
    play->heard_lineage = -1;
    for (int i = 0; i < play->read_count; i++) {
        play->reads[i].heard_floor = false;
    }
}

static void drop_action(struct play *play, uint64_t id) {
    for (int i = 0; i < play->action_count; i++) {
        const struct play_action *action = &play->actions[i];
        if (action->id == id) {
            play->dropped = id;
            if (play->woke_ns != 0 && action->kind == RP_ACTION_ASK &&
                action->sent_ns >= play->woke_ns && action->server == play->world.truth) {
                forget_all(play); /* it was asked, and who is silent is fenced */
            }
            remove_action(play, i);
            return;
        }
    }
    violated(play, "C7: an action is dropped that is not out");
}

/* What another lineage of the same number shows, where one of the two primaries was never heard:
 * DESIGN.md, rule 4. */
static bool is_of_hidden_lineage(const struct play *play, const struct play_read *read) {
    const int counts = play->world.servers[play->world.truth].lineage;
    const struct lineage *true_one = &play->world.lineages[counts];
    const struct lineage *shown = &play->world.lineages[read->lineage];
    const uint32_t both = 1u << counts | 1u << read->lineage;
    return read->lineage != counts && (play->heard_lineages & both) != both &&
           shown->number == true_one->number && shown->system == true_one->system;
}

static void see_not_found(struct play *play, const struct play_read *read) {
    if (is_of_hidden_lineage(play, read)) {
        return;
    }
    if (read->row >= 0 && read->acknowledged && read->heard_truth &&
        world_shows(&play->world, play->world.truth, read->row)) {
        violated(play,
                 "C2: not found, but row %d was committed and acknowledged before the read "
                 "began",
                 read->row);
    }
}

static void see_found(struct play *play, const struct play_read *read, int32_t served_by) {
    if (read->row < 0) {
        violated(play, "I9: found, but no server has the row");
    }
    if (is_of_hidden_lineage(play, read)) {
        return;
    }
    if (read->to_be_current && served_by != RP_SERVED_BY_PRIMARY && !read->is_current &&
        read->heard_truth &&
        world_has(&play->world, play->world.truth, read->begun_lineage, read->begun_at)) {
        violated(play, "C10: found on a replica as it was before the read began");
    }
    if (read->as_primary && served_by == RP_SERVED_BY_PRIMARY) {
        violated(play, "C10: found on the primary, which said that it is a standby");
    }
    /* What a primary has written that was not heard yet, nobody can tell from another's; and one
     * that no name leads to is fenced. */
    if (read->floor != 0 && play_reaches_truth(play) && served_by != RP_SERVED_BY_PRIMARY &&
        !read->keeps_floor && read->heard_floor && !play->blind_to_floors &&
        world_has(&play->world, play->world.truth, read->floor_lineage, read->floor)) {
        violated(play, "C3: found on a replica that had not reached the caller's position");
    }
}

static void end_read(struct play *play, const struct rp_action *action) {
    struct play_read *read = &play->reads[action->tag];
    if (action->tag >= (uint64_t)play->read_count || !read->open || read->id != action->read_id) {
        violated(play, "C9: a read is done that is not open");
        return;
    }
    for (int i = 0; i < play->action_count; i++) {
        if (play->actions[i].kind == RP_ACTION_READ && play->actions[i].tag == action->tag) {
            violated(play, "C7: a read is done, and its action is still out");
        }
    }
    read->open = false;
    play->ends[action->verdict]++;
    if (play->now_ns > read->deadline_ns) {
        violated(play, "C4: a read ended %" PRIu64 " ns after its deadline",
                 play->now_ns - read->deadline_ns);
    }
    if (action->verdict == RP_VERDICT_NOT_FOUND) {
        see_not_found(play, read);
    } else if (action->verdict == RP_VERDICT_FOUND) {
        see_found(play, read, action->served_by);
    }
}

/* Roles change in answers alone: the rest of what the host calls leaves them as they are. */
struct seen_roles {
    int32_t roles[MAX_WORLD_SERVERS];
};

static struct seen_roles roles_now(struct play *play) {
    struct seen_roles seen;
    for (int i = 0; i < play->servers; i++) {
        struct rp_server_info info = {.struct_size = sizeof info};
        (void)play->calls->server(play->cluster, (uint32_t)i, &info);
        seen.roles[i] = info.role;
    }
    return seen;
}

/* A name of the primary that was out takes the place of another one that has fallen silent. */
static bool may_change(int32_t before, int32_t after) {
    return after == RP_ROLE_OUT || (before == RP_ROLE_OUT && after == RP_ROLE_PRIMARY);
}

static void compare_roles(struct play *play, const struct seen_roles *before, const char *during) {
    const struct seen_roles after = roles_now(play);
    for (int i = 0; i < play->servers; i++) {
        if (before->roles[i] != after.roles[i] && play->reloaded_ns == 0 &&
            !may_change(before->roles[i], after.roles[i])) {
            violated(play, "C5: during %s the role of server %d changed from %d to %d", during, i,
                     before->roles[i], after.roles[i]);
        }
    }
}

static void pump(struct play *play) {
    struct rp_action action = {.struct_size = sizeof action};
    struct rp_notice notice = {.struct_size = sizeof notice};
    const struct seen_roles before = roles_now(play);
    for (int i = 0; play->calls->next(play->cluster, play->now_ns, &action, &play->wake_ns); i++) {
        if (i > 1000) {
            violated(play, "C9: next does not come to an end");
            return;
        }
        switch (action.kind) {
        case RP_ACTION_ASK:
        case RP_ACTION_READ:
            take_action(play, &action);
            break;
        case RP_ACTION_DROP:
            drop_action(play, action.id);
            break;
        case RP_ACTION_DONE:
            end_read(play, &action);
            break;
        default:
            break;
        }
    }
    compare_roles(play, &before, "next");
    while (play->calls->notice(play->cluster, &notice)) {
    }
}

/* ---- moments --------------------------------------------------------------------------------- */

/* Nothing comes of it by itself now. */
static bool is_kept_waiting(const struct play *play, const struct play_action *action) {
    const struct world_server *server = &play->world.servers[action->server];
    return server->silent ||
           (action->waits && action->moments == 0 && server->up &&
            server->instance == action->instance && play->now_ns < action->until_ns &&
            world_keeps_waiting(&play->world, action->server, action->position));
}

/* A standby that says it streams the newest timeline, which is that of whoever counts. */
static bool follows_truth(const struct play *play, const struct play_action *action) {
    const struct world *world = &play->world;
    const struct world_server *standby = &world->servers[action->server];
    const int truth = world->servers[world->truth].lineage;
    for (int i = 0; i < world->lineage_count; i++) {
        if (i != truth && world->lineages[i].number >= world->lineages[truth].number) {
            return false;
        }
    }
    return strstr(action->before, " r ") != NULL && standby->streaming && standby->sees_receiver &&
           standby->received == truth;
}

static void question_is_answered(struct play *play, struct play_action *action) {
    if (action->waits) {
        action->cancelled = is_kept_waiting(play, action);
        (void)snprintf(action->before, sizeof action->before, "%s",
                       world_answer_wait(&play->world, action->server, action->position));
    } else if (action->probes) {
        world_answer_probe(&play->world, action->server, action->before, sizeof action->before);
    } else if (action->asks) {
        world_answer_question(&play->world, action->server, action->full, action->before,
                              sizeof action->before);
        action->followed = follows_truth(play, action) ? play->world.truth : -1;
    }
}

static void read_sees_snapshot(struct play *play, struct play_action *action) {
    struct play_read *read = &play->reads[action->tag];
    const struct world_server *server = &play->world.servers[action->server];
    bool shows = read->row >= 0 && world_shows(&play->world, action->server, read->row);
    if (server->repeatable_read && action->asks) {
        shows = action->showed;
    }
    action->outcome = shows ? RP_FOUND : RP_MISSING;
    action->lineage = server->lineage;
    action->role_changed =
        action->target == RP_TARGET_REPLICA && !server->in_recovery && !play->unguarded;
    action->keeps_floor = read->floor == 0 ||
                          world_has(&play->world, action->server, read->floor_lineage, read->floor);
    action->is_current =
        world_has(&play->world, action->server, read->begun_lineage, read->begun_at);
    world_answer_after(&play->world, action->server, action->after, sizeof action->after);
}

bool play_reaches_truth(const struct play *play) {
    bool any = false;
    for (int i = 0; i < play->servers; i++) {
        const int *behind = play->behind[i];
        any = any || behind[0] == play->world.truth || behind[1] == play->world.truth;
    }
    return any;
}

/* A name that leads there by turns may be asked when it leads elsewhere. */
static bool asks_truth_for_sure(const struct play *play) {
    const int truth = play->world.truth;
    bool any = false;
    for (int i = 0; i < play->servers; i++) {
        const int *behind = play->behind[i];
        any = any || (behind[0] == truth && (behind[1] < 0 || behind[1] == truth));
    }
    return any;
}

static bool has_heard_itself(const struct play *play) {
    return play->heard_itself == (uint32_t)play->world.truth;
}

/* For what is under way as well: nothing that counted before does if it should not. */
static void hear_truth(struct play *play, const struct play_action *action) {
    if (action->sent_ns <= play->reloaded_ns) {
        return; /* it is to be asked anew */
    }
    if (!play_reaches_truth(play)) {
        return; /* and so it is fenced */
    }
    if ((action->index == play->heard_index && action->sent_ns < play->another_ns) ||
        action->sent_ns < play->replaced_ns[action->index]) {
        return; /* it may have led before the other one, and not since */
    }
    const bool itself = strstr(action->before, " p ") != NULL;
    if (action->index == play->heard_index && play->has_rival && itself) {
        play->both_ns = play->now_ns;
    }
    play->truth_heard = true;
    play->woke_ns = 0;
    const int lineage = play->world.servers[play->world.truth].lineage;
    const bool tells_system = action->full || !itself; /* short words do not */
    if (itself || !has_heard_itself(play)) {
        play->heard_index = action->index;
        play->glimpsed = !itself || (!tells_system && play->heard_lineage != lineage);
    }
    if (itself) {
        play->heard_itself = (uint32_t)play->world.truth;
    }
    if (tells_system) {
        play->heard_lineage = lineage;
    }
    for (int i = 0; i < play->read_count; i++) {
        play->reads[i].heard_truth = true;
    }
}

static const struct lineage *lineage_of(const struct play *play, int server) {
    return &play->world.lineages[play->world.servers[server].lineage];
}

/* Another instance leads by the same name, or where whoever counts was known by its followers
 * alone: a restart looks like that, a failover, or a move to another system, unless its timeline is
 * an older one of the same, or whoever counts was heard to lead after it. */
static void hear_another(struct play *play, const struct play_action *action) {
    const struct lineage *its = lineage_of(play, action->server);
    const struct lineage *true_one = lineage_of(play, play->world.truth);
    if ((action->index == play->heard_index || !has_heard_itself(play)) &&
        (its->system != true_one->system || its->number >= true_one->number)) {
        const bool both_lead = play->both_ns != 0 && play->now_ns - play->both_ns < SPLIT_NS;
        play->another_ns = play->now_ns;
        play->has_rival =
            play->has_rival || its->system != true_one->system || its->number == true_one->number;
        if (!both_lead) {
            play_forget_truth(play);
        }
    }
}

/* Who leads by that name. What was sent before whoever leads now was heard tells nothing of it.
 * Whether it has been asked once more. */
static bool hear_leader(struct play *play, const struct play_action *action) {
    int *const last = &play->led_last[action->index];
    if (action->sent_ns < play->led_ns[action->index]) {
        return false;
    }
    const bool again = *last == action->server;
    if (!again) {
        play->led_ns[action->index] = *last < 0 ? 0 : play->now_ns;
    }
    *last = action->server;
    return again;
}

/* What was asked before a reload is to be asked anew. */
static void hear_lineage(struct play *play, const struct play_action *action, int lineage) {
    if (action->sent_ns > play->reloaded_ns) {
        play->heard_lineages |= 1u << lineage;
    }
}

/* What an address has shown is replaced by whoever answers there next: DESIGN.md, rule 6. */
static bool replaces_evidence(struct play *play, const struct play_action *action) {
    const bool follows = strstr(action->before, " r ") != NULL;
    const bool replaces = action->index == play->heard_index &&
                          (play->glimpsed || (follows && world_is_rivalled(&play->world)));
    play->replaced_ns[action->index] = play->now_ns;
    if (replaces) {
        play->heard_lineage = -1;
        play->heard_itself = NOBODY;
        play_forget_truth(play);
    }
    return replaces;
}

static void see_truth(struct play *play, const struct play_action *action) {
    if (action->kind != RP_ACTION_ASK || action->probes || action->waits) {
        return; /* whose the end of a wait is, is not known */
    }
    const bool leads = strstr(action->before, " p ") != NULL;
    if (leads) {
        hear_lineage(play, action, play->world.servers[action->server].lineage);
        (void)hear_leader(play, action);
    }
    if (action->followed == play->world.truth || (leads && action->server == play->world.truth)) {
        hear_truth(play, action);
    } else if (!replaces_evidence(play, action) && leads) {
        hear_another(play, action);
    }
}

/* So is a read whose guard saw that its replica is the primary, or whose question was answered by
 * one that follows it, for that read as well. And who leads and says so before its answer is heard
 * by that, so that the answer is of no hidden lineage. */
static void see_promotion(struct play *play, const struct play_action *action) {
    if (strstr(action->before, " p ") != NULL) {
        hear_lineage(play, action, action->lineage);
        if (hear_leader(play, action) && action->server != play->world.truth) {
            hear_another(play, action);
        }
    }
    if (action->asks && action->server != play->world.truth) {
        (void)replaces_evidence(play, action);
    }
    const bool glimpsed = action->role_changed && action->server == play->world.truth;
    if (glimpsed || action->followed == play->world.truth) {
        hear_truth(play, action);
    }
}

static void arrives(struct play *play, struct play_action *action) {
    const struct play_action copy = *action;
    int32_t outcome = RP_SERVER_GONE;
    remove_action(play, (int)(action - play->actions));
    if (play->spoilt != 0) {
        outcome =
            copy.kind == RP_ACTION_ASK && play->spoilt == RP_CONFLICT ? RP_FAILED : play->spoilt;
        play->spoilt = 0;
        if (outcome == RP_SERVER_GONE || outcome == RP_NOT_SENT) {
            forget_all(play); /* who cannot be reached is fenced */
        }
        play->calls->answer(play->cluster, copy.id, outcome, NULL, NULL, play->now_ns);
        return;
    }
    if (copy.lost && copy.index == play->heard_index && world_is_rivalled(&play->world)) {
        play_forget_truth(play); /* so is it, if what cannot be reached is another one there */
    }
    if (!copy.lost && copy.kind == RP_ACTION_ASK) {
        outcome = RP_ANSWERED;
        if (copy.cancelled) {
            outcome = RP_FAILED;
        }
        see_truth(play, &copy);
    } else if (!copy.lost) {
        outcome = copy.role_changed ? RP_ROLE_CHANGED : copy.outcome;
        see_promotion(play, &copy);
        play->reads[copy.tag].keeps_floor = copy.keeps_floor;
        play->reads[copy.tag].lineage = copy.lineage;
        play->reads[copy.tag].is_current = copy.is_current;
        /* The question of a read with a floor is there for the floor. */
        play->reads[copy.tag].to_be_current = play->always && play->reads[copy.tag].floor == 0 &&
                                              copy.target == RP_TARGET_REPLICA && copy.asks;
        play->reads[copy.tag].as_primary = play->always && copy.target == RP_TARGET_PRIMARY &&
                                           copy.asks && strstr(copy.before, " r ") != NULL;
    }
    play->calls->answer(play->cluster, copy.id, outcome, copy.asks ? copy.before : NULL, copy.after,
                        play->now_ns);
    /* Once more, and one that nobody asked for: nothing may come of it. */
    const struct seen_roles before = roles_now(play);
    play->calls->answer(play->cluster, copy.id, outcome, copy.before, copy.after, play->now_ns);
    play->calls->answer(play->cluster, copy.id + (UINT64_C(1) << 32), RP_FOUND, copy.before,
                        copy.after, play->now_ns);
    compare_roles(play, &before, "a late answer");
}

static int ended(const struct play *play) {
    int sum = 0;
    for (int i = 0; i <= RP_VERDICT_SHED; i++) {
        sum += play->ends[i];
    }
    return sum;
}

/* The answer of an action that was dropped: nothing may come of it. */
static void arrives_late(struct play *play) {
    const uint64_t dropped = play->dropped;
    if (dropped == 0) {
        return;
    }
    pump(play); /* what ends by the time has ended */
    const int before = ended(play);
    play->calls->answer(play->cluster, dropped, RP_FOUND, NULL, NULL, play->now_ns);
    play->dropped = 0;
    pump(play);
    if (ended(play) != before) {
        violated(play, "C7: the answer of an action that was dropped has ended a read");
    }
}

/* NULL: it was dropped. */
static struct play_action *action_of(struct play *play, uint64_t id) {
    for (int i = 0; i < play->action_count; i++) {
        if (play->actions[i].id == id) {
            return &play->actions[i];
        }
    }
    return NULL;
}

/* The host calls next in time, whatever it is about. */
static void a_moment_passes(struct play *play) {
    const uint64_t until = play->now_ns + MS / 10;
    while (play->wake_ns < until && play->violation[0] == '\0') {
        play_wait(play, until - play->now_ns);
    }
    play->now_ns = until;
}

static void next_moment(struct play *play, uint64_t id) {
    a_moment_passes(play);
    arrives_late(play);
    struct play_action *action = action_of(play, id);
    if (action == NULL || play->world.servers[action->server].silent) {
        return;
    }
    const struct world_server *server = &play->world.servers[action->server];
    action->lost = action->lost || !server->up || server->instance != action->instance;
    if (action->lost || action->moments == (action->kind == RP_ACTION_READ ? 2 : 1)) {
        arrives(play, action);
        pump(play);
        return;
    }
    if (action->moments == 0) {
        question_is_answered(play, action);
    } else {
        read_sees_snapshot(play, action);
    }
    action->moments++;
}

/* ---- the play -------------------------------------------------------------------------------- */

static void set_server(struct play *play, int index, int32_t expect, int32_t state) {
    static const char *const names[MAX_WORLD_SERVERS] = {"a", "b", "c", "d"};
    (void)play->calls->server_set(play->cluster, (uint32_t)index, names[index], expect, state,
                                  play->now_ns);
}

bool play_begin(struct play *play, const struct play_setting *setting, struct rp_set *set) {
    char err[256];
    const struct rp_cluster_options options = {
        .struct_size = sizeof options,
        .flags = setting->flags,
        .max_servers = MAX_WORLD_SERVERS,
        .max_reads = MAX_PLAY_READS,
        .timeout_ms = (uint32_t)(setting->timeout_ns / MS),
        .now_ns = 1000 * MS,
        .seed = 1,
    };
    play->now_ns = options.now_ns;
    play->always = setting->always;
    play->blind_to_floors = setting->blind_to_floors;
    play->heard_index = play->heard_itself = NOBODY;
    play->heard_lineage = -1;
    memset(play->led_last, -1, sizeof play->led_last);
    play->entropy = 1;
    play->servers = setting->servers;
    memcpy(play->expect, setting->expect, sizeof play->expect);
    if (play->calls->open(set, &options, &play->cluster, err, sizeof err) != RP_OK) {
        return false;
    }
    for (int i = 0; i < setting->servers; i++) {
        play->behind[i][0] = i;
        play->behind[i][1] = -1;
        set_server(play, i, setting->expect[i], RP_SERVER_ON);
    }
    pump(play);
    return true;
}

void play_set_server(struct play *play, int index, int32_t state) {
    set_server(play, index, RP_EXPECT_ANY, state);
    pump(play);
}

static int32_t state_of(const struct play *play, int index) {
    return (play->drained & 1u << index) != 0 ? RP_SERVER_DRAIN : RP_SERVER_ON;
}

static void whim_about_server(struct play *play, int index, int kind) {
    const int32_t expect = play->expect[index];
    switch (kind) {
    case 0:
        play->calls->prompt(play->cluster, (uint32_t)index, play->now_ns);
        break;
    case 1:
        play->drained ^= 1u << index;
        set_server(play, index, expect, state_of(play, index));
        break;
    default: /* what was heard of it goes with it */
        forget_all(play);
        play->exchanged = true;
        set_server(play, index, expect, RP_SERVER_OFF);
        if (choose(play->choices, 2) == 0) {
            pump(play);
        }
        set_server(play, index, expect, RP_SERVER_ON);
        play->drained &= ~(1u << index);
        break;
    }
}

static void reload(struct play *play) {
    forget_all(play);
    play->reloaded_ns = play->now_ns;
    play->calls->forget_history(play->cluster, play->now_ns);
}

/* For a while the operator takes it for something else, in a file that is loaded. */
static void expect_another(struct play *play, int index) {
    static const int32_t views[] = {RP_EXPECT_ANY, RP_EXPECT_PRIMARY, RP_EXPECT_REPLICA};
    play->misjudged = true;
    set_server(play, index, views[choose(play->choices, 3)], state_of(play, index));
    reload(play);
}

/* Another thread of the host has heard who counts. */
static void hear_of_truth(struct play *play) {
    const struct lineage *its = lineage_of(play, play->world.truth);
    play->calls->heard_of(play->cluster, its->system, its->number, play->now_ns);
}

static void forget_read(struct play *play) {
    struct play_read *read = &play->reads[choose(play->choices, play->read_count)];
    play->calls->forget(play->cluster, read->id);
    read->open = false;
}

void play_whim(struct play *play) {
    static const int32_t errors[] = {RP_FAILED, RP_NOT_SENT, RP_SERVER_GONE, RP_CONFLICT};
    const int kind = choose(play->choices, 9);
    if (kind < 3) {
        whim_about_server(play, choose(play->choices, play->servers), kind);
    } else if (kind == 3 && play->read_count > 0) {
        forget_read(play);
    } else if (kind == 4) {
        reload(play);
    } else if (kind == 5) {
        expect_another(play, choose(play->choices, play->servers));
    } else if (kind == 6) {
        hear_of_truth(play);
    } else if (kind == 7) {
        play_sleep(play, 20000 * MS);
    } else {
        play->spoilt = errors[choose(play->choices, 4)];
    }
    pump(play);
}

void play_end_whims(struct play *play) {
    play->spoilt = 0;
    for (int i = 0; i < play->servers; i++) {
        set_server(play, i, play->expect[i], RP_SERVER_ON);
    }
    play->drained = 0;
    if (play->misjudged) {
        reload(play);
    }
    pump(play);
}

void play_end(struct play *play) {
    uint32_t open = 0;
    for (int i = 0; i < play->read_count; i++) {
        open += play->reads[i].open;
    }
    if (play->calls->close(play->cluster) != open) {
        violated(play, "C9: close counts other reads than are open");
    }
}

void play_start(struct play *play, int row, int floor_row) {
    if (play->read_count == MAX_PLAY_READS) {
        return;
    }
    struct play_read *read = &play->reads[play->read_count];
    struct rp_request request = {.struct_size = sizeof request,
                                 .now_ns = play->now_ns,
                                 .deadline_ns = play->now_ns + 5000 * MS,
                                 .entropy = play->entropy++ * UINT64_C(0x9E3779B97F4A7C15)};
    *read = (struct play_read){.open = true,
                               .row = row,
                               .acknowledged = row >= 0,
                               .deadline_ns = request.deadline_ns,
                               .heard_truth = play->truth_heard};
    read->begun_lineage = play->world.servers[play->world.truth].lineage;
    read->begun_at = play->world.servers[play->world.truth].position;
    if (floor_row >= 0) {
        read->floor_lineage = play->world.rows[floor_row].lineage;
        read->floor = request.position = play->world.rows[floor_row].position;
        read->heard_floor =
            read->floor_lineage == play->heard_lineage && !play->exchanged && !play->misjudged;
    }
    if (play->calls->start(play->cluster, play->policy, &request, (uint64_t)play->read_count,
                           &read->id) != RP_OK) {
        violated(play, "C9: a read could not be begun");
        return;
    }
    play->read_count++;
    pump(play);
}

bool play_is_done(const struct play *play) {
    for (int i = 0; i < play->read_count; i++) {
        if (play->reads[i].open) {
            return false;
        }
    }
    return true;
}

/* The oldest that goes on, being neither held nor kept waiting; action_count: there is none. */
static int oldest(const struct play *play) {
    int which = 0;
    while (which < play->action_count &&
           (play->actions[which].held || is_kept_waiting(play, &play->actions[which]))) {
        which++;
    }
    return which;
}

bool play_step(struct play *play) {
    const int first = oldest(play);
    int which = first;
    play->steps++;
    if (first == play->action_count) {
        return false;
    }
    if (play->action_count > 1 && play->deviations > 0) {
        const int other = choose_rarely(play->choices, play->action_count);
        play->deviations -= other != 0;
        which = other == 0 ? first : other - (other <= first);
    }
    next_moment(play, play->actions[which].id);
    return true;
}

bool play_may_hold(const struct play *play) {
    return oldest(play) < play->action_count;
}

void play_hold(struct play *play) {
    play->actions[oldest(play)].held = true;
}

bool play_release(struct play *play) {
    bool any = false;
    for (int i = 0; i < play->action_count; i++) {
        any = any || play->actions[i].held;
        play->actions[i].held = false;
    }
    return any;
}

void play_answer_questions(struct play *play) {
    uint64_t asked[MAX_PLAY_ACTIONS];
    int count = 0;
    pump(play);
    for (int i = 0; i < play->action_count; i++) {
        const struct play_action *action = &play->actions[i];
        if (action->kind == RP_ACTION_ASK && !play->world.servers[action->server].silent) {
            asked[count++] = play->actions[i].id;
        }
    }
    for (int k = 0; k < count; k++) {
        while (action_of(play, asked[k]) != NULL) {
            next_moment(play, asked[k]);
        }
    }
}

void play_wait(struct play *play, uint64_t most_ns) {
    uint64_t until = play->now_ns + most_ns;
    if (play->wake_ns < until) {
        until = play->wake_ns > play->now_ns ? play->wake_ns : play->now_ns;
    }
    play->now_ns = until;
    pump(play);
}

void play_jump(struct play *play, uint64_t by_ns) {
    const uint64_t until = play->now_ns + by_ns;
    while (play->now_ns < until && play->violation[0] == '\0') {
        play_wait(play, until - play->now_ns);
    }
}

void play_sleep(struct play *play, uint64_t duration_ns) {
    play->now_ns += duration_ns;
    play->woke_ns = play->now_ns;
    if (asks_truth_for_sure(play)) { /* before anything counts */
        play->heard_lineage = play->world.servers[play->world.truth].lineage;
    }
    const uint64_t called_ns = play->now_ns + MS; /* something may arrive before that */
    for (int i = 0; i < play->read_count; i++) {
        struct play_read *read = &play->reads[i];
        read->deadline_ns = read->deadline_ns > called_ns ? read->deadline_ns : called_ns;
    }
}

void play_calm(struct play *play, uint64_t duration_ns) {
    const uint64_t until = play->now_ns + duration_ns;
    (void)play_release(play);
    while (play->now_ns < until && play->violation[0] == '\0') {
        for (int i = 0; i < MAX_WORLD_SERVERS; i++) {
            while (world_replay(&play->world, i)) {
            }
        }
        const int first = oldest(play);
        if (first < play->action_count) {
            next_moment(play, play->actions[first].id);
        } else {
            play_wait(play, until - play->now_ns);
        }
    }
}
