/*
 * scripted_pair.c - see scripted_pair.h.
 */
#include "scripted_pair.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const char *answer_of(const struct scripted_pair *pair, uint32_t server, const char *text) {
    static char answer[160];
    const bool is_other_standby = server == PAIR_ALIAS && pair->alias_replayed != 0;
    const bool is_other_primary = server == PAIR_ALIAS && pair->alias_system != 0;
    const bool follows = server == PAIR_STANDBY || is_other_standby;
    const bool leads = !follows || (server == PAIR_STANDBY && pair->standby_leads);
    const uint32_t database = pair->databases[follows];
    const uint32_t collation = pair->collations[follows];
    const uint32_t name = pair->names[follows];
    char system[36] = " - -";
    char told[24] = "";
    char age[12] = "-";
    if (follows && pair->replay_age_ms != 0) {
        (void)snprintf(age, sizeof age, "%u", pair->replay_age_ms);
    }
    if (!pair->system_is_unknown) {
        (void)snprintf(system, sizeof system, " %u %s",
                       is_other_primary ? pair->alias_system : pair->systems[follows], age);
    }
    if (database != 0) {
        (void)snprintf(told, sizeof told, " d%u", database);
    }
    const bool probe = strstr(text, "server_version_num") != NULL;
    const bool full = !probe && strstr(text, "pg_last_xact_replay_timestamp") != NULL;
    if (probe) {
        (void)snprintf(answer, sizeof answer, "rp1 %u %u %u t t t t %c", pair->version, pair->block,
                       pair->segment, pair->tells_replayed ? 't' : 'f');
    } else if (leads) {
        const uint32_t leader = is_other_primary ? 0xC1 : pair->leader;
        (void)snprintf(answer, sizeof answer, "rp1 %x c p 0/%X 0/%X %08X%s%s",
                       follows ? pair->follower : leader, pair->inserted, pair->flushed,
                       pair->timeline + follows, told, full ? system : "");
    } else {
        char bounds[2][12] = {"-", "-"};
        const uint32_t replayed = pair->tells_replayed ? pair->restart_point : 0;
        const uint32_t newest = pair->streamed > replayed ? pair->streamed : replayed;
        if (full || pair->tells_replayed) {
            (void)snprintf(bounds[0], sizeof bounds[0], "%u", pair->restart_point);
        }
        if (pair->streamed != 0) {
            (void)snprintf(bounds[1], sizeof bounds[1], "%u", newest);
        }
        (void)snprintf(answer, sizeof answer, "rp1 %x c r 0/%X - %s %s%s%s",
                       pair->follower + is_other_standby,
                       is_other_standby ? pair->alias_replayed : pair->replayed, bounds[0],
                       bounds[1], told, full ? system : "");
    }
    if (full && (collation | name) != 0) {
        const size_t length = strlen(answer);
        (void)snprintf(answer + length, sizeof answer - length, " %u %u", collation, name);
    }
    return answer;
}

static void take_turns(struct scripted_pair *pair) {
    const uint32_t leader = pair->leader;
    pair->leader = pair->rival;
    pair->timeline += pair->leader > leader ? 1u : UINT32_MAX;
    pair->rival = leader;
}

static bool is_probe(const struct rp_action *action) {
    return strstr(action->text, "server_version_num") != NULL;
}

static bool is_short(const struct rp_action *action) {
    return !is_probe(action) && strstr(action->text, "pg_last_xact_replay_timestamp") == NULL;
}

static void ask(struct scripted_pair *pair, const struct rp_action *action) {
    if ((action->flags & RP_ACTION_BLOCKS) != 0) {
        ck_assert_uint_eq(action->server, PAIR_STANDBY);
        ck_assert_uint_eq(pair->wait_out.id, 0);
        pair->wait_out = *action;
        pair->waits_seen++;
    } else if ((action->server == PAIR_STANDBY && pair->standby_is_blind) ||
               (action->server == PAIR_PRIMARY && pair->primary_is_blind) ||
               (pair->questions_fail && !is_probe(action))) {
        pair->calls->answer(pair->cluster, action->id, RP_FAILED, NULL, NULL, pair->now_ns);
    } else if (action->server == PAIR_STANDBY && is_short(action)) {
        pair->watch_out = *action;
        pair->watches_seen++;
    } else if (pair->holds_locates && is_short(action)) {
        pair->locate_out = *action;
        pair->locates_seen++;
    } else if (pair->primary_is_gone && action->server == PAIR_PRIMARY) {
        pair->calls->answer(pair->cluster, action->id, RP_SERVER_GONE, NULL, NULL, pair->now_ns);
    } else if (pair->primary_is_standby && action->server != PAIR_STANDBY) {
        pair->calls->answer(pair->cluster, action->id, RP_ANSWERED,
                            answer_of(pair, PAIR_STANDBY, action->text), NULL, pair->now_ns);
    } else if (pair->standby_is_gone && action->server == PAIR_STANDBY) {
        pair->calls->answer(pair->cluster, action->id, RP_SERVER_GONE, NULL, NULL, pair->now_ns);
    } else if (!(pair->primary_is_silent && action->server == PAIR_PRIMARY) &&
               !(pair->alias_is_silent && action->server == PAIR_ALIAS)) {
        if (pair->rival != 0 && action->server == PAIR_PRIMARY) {
            take_turns(pair);
        }
        pair->calls->answer(pair->cluster, action->id, RP_ANSWERED,
                            answer_of(pair, action->server, action->text), NULL, pair->now_ns);
    }
}

void pair_run(struct scripted_pair *pair) {
    struct rp_action action = {.struct_size = sizeof action};
    while (pair->calls->next(pair->cluster, pair->now_ns, &action, &pair->wake_ns)) {
        if (pair->looks != NULL) {
            pair->looks();
        }
        switch (action.kind) {
        case RP_ACTION_ASK:
            ask(pair, &action);
            break;
        case RP_ACTION_READ:
            pair->reads_out[action.tag] = action;
            break;
        case RP_ACTION_DROP:
            pair->dropped++;
            pair->wait_out.id = action.id == pair->wait_out.id ? 0 : pair->wait_out.id;
            break;
        case RP_ACTION_REDIAL:
            pair->redialled++;
            pair->redialled_last = action.server;
            break;
        case RP_ACTION_DONE:
            pair->verdicts[action.tag] = action.verdict;
            pair->during[action.tag] = action.failed_during;
            pair->counted[action.tag] = action.counted;
            pair->calls->forget(pair->cluster, pair->forgotten);
            break;
        default:
            break;
        }
    }
}

void pair_time_passes(struct scripted_pair *pair, uint64_t ms) {
    for (uint64_t i = 0; i < ms; i++) {
        pair->now_ns += PAIR_MS;
        pair_run(pair);
    }
}

struct rp_action pair_next_poll(struct scripted_pair *pair, uint32_t server) {
    struct rp_action poll = {.struct_size = sizeof poll};
    pair->calls->prompt(pair->cluster, server, pair->now_ns);
    ck_assert_int_eq(pair->calls->next(pair->cluster, pair->now_ns, &poll, &pair->wake_ns), 1);
    ck_assert_int_eq(poll.kind, RP_ACTION_ASK);
    ck_assert_uint_eq(poll.server, server);
    return poll;
}

void pair_answer(struct scripted_pair *pair, struct rp_action *out, int32_t outcome,
                 const char *before) {
    const uint64_t id = out->id;
    ck_assert_uint_ne(id, 0);
    out->id = 0;
    pair->calls->answer(pair->cluster, id, outcome, before, NULL, pair->now_ns);
    pair_run(pair);
}

const char *pair_says(const struct scripted_pair *pair, uint32_t server) {
    return answer_of(pair, server, "");
}

void pair_answer_watch(struct scripted_pair *pair) {
    pair_answer(pair, &pair->watch_out, RP_ANSWERED, pair_says(pair, PAIR_STANDBY));
}

uint64_t pair_counter(const struct scripted_pair *pair, const char *name) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    for (uint32_t i = 0; metric.name == NULL || strcmp(metric.name, name) != 0; i++) {
        ck_assert_int_eq(pair->calls->metrics(pair->cluster, i, &metric), RP_OK);
    }
    return metric.value;
}

uint64_t pair_start_at_within(struct scripted_pair *pair, uint64_t tag, uint64_t floor,
                              uint64_t ms) {
    const struct rp_request request = {.struct_size = sizeof request,
                                       .now_ns = pair->now_ns,
                                       .deadline_ns = pair->now_ns + ms * PAIR_MS,
                                       .entropy = tag * UINT64_C(0x9E3779B97F4A7C15),
                                       .position = floor};
    uint64_t id;
    ck_assert_int_eq(pair->calls->start(pair->cluster, pair->section.policy, &request, tag, &id),
                     RP_OK);
    pair_run(pair);
    return id;
}

uint64_t pair_start(struct scripted_pair *pair, uint64_t tag, uint64_t floor) {
    return pair_start_at_within(pair, tag, floor, 100000);
}

int32_t pair_verdict_on_a_miss(struct scripted_pair *pair, uint64_t tag) {
    pair_start(pair, tag, 0);
    if (pair->reads_out[tag].server == PAIR_STANDBY) {
        pair_answer(pair, &pair->reads_out[tag], RP_MISSING, pair_says(pair, PAIR_STANDBY));
    }
    ck_assert_uint_eq(pair->reads_out[tag].server, PAIR_PRIMARY);
    pair_answer(pair, &pair->reads_out[tag], RP_MISSING, pair_says(pair, PAIR_PRIMARY));
    return pair->verdicts[tag];
}

uint64_t pair_start_within(struct scripted_pair *pair, uint64_t tag, uint64_t ms) {
    return pair_start_at_within(pair, tag, 0, ms);
}

int32_t pair_standbys_role(const struct scripted_pair *pair) {
    struct rp_server_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(pair->calls->server(pair->cluster, PAIR_STANDBY, &info), RP_OK);
    return info.role;
}

void pair_open(struct scripted_pair *pair, const char *keys) {
    *pair = (struct scripted_pair){.now_ns = 1000 * PAIR_MS,
                                   .version = 190000,
                                   .leader = 0xA1,
                                   .follower = 0xB1,
                                   .systems = {PAIR_SYSTEM, PAIR_SYSTEM},
                                   .inserted = 0x5000,
                                   .flushed = 0x4000,
                                   .replayed = 0x3000,
                                   .block = 8192,
                                   .segment = 16u << 20,
                                   .timeline = 1,
                                   .streamed = 1,
                                   .restart_point = 1};
    section_open(&pair->section, "%s", keys);
    pair->calls = pair->section.plugin.table->cluster;
}

void pair_add_cluster(struct scripted_pair *pair, uint32_t flags, int32_t primary,
                      int32_t standby) {
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .flags = flags,
                                               .max_servers = PAIR_MAX_SERVERS,
                                               .max_reads = PAIR_MAX_READS,
                                               .poll_ms = pair->poll_ms,
                                               .now_ns = pair->now_ns,
                                               .seed = 1};
    char err[256];
    ck_assert_int_eq(
        pair->calls->open(pair->section.set, &options, &pair->cluster, err, sizeof err), RP_OK);
    (void)pair->calls->server_set(pair->cluster, PAIR_PRIMARY, "a", primary, RP_SERVER_ON,
                                  pair->now_ns);
    (void)pair->calls->server_set(pair->cluster, PAIR_STANDBY, "b", standby, RP_SERVER_ON,
                                  pair->now_ns);
}

void pair_open_cluster(struct scripted_pair *pair, uint32_t flags) {
    pair_add_cluster(pair, flags, RP_EXPECT_ANY, RP_EXPECT_ANY);
    pair_run(pair);
    pair_time_passes(pair, 5);
    ck_assert_int_eq(pair_standbys_role(pair), RP_ROLE_REPLICA);
}

void pair_open_level(struct scripted_pair *pair, const char *keys, uint32_t flags) {
    pair_open(pair, keys);
    pair->version = 150000;
    pair->replayed = pair->inserted;
    pair_open_cluster(pair, flags);
}

void pair_close(struct scripted_pair *pair) {
    (void)pair->calls->close(pair->cluster);
    section_close(&pair->section);
}
