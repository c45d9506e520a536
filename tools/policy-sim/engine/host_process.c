/*
 * host_process.c - opens, dispatches events, and does what the cluster says.
 */
#include "host_process.h"

#include "lookups.h"
#include "questions.h"

#include <stdio.h>
#include <string.h>

#define PROCESS_STREAM 2000000u
#define CLUSTER_STREAM 4000000u

/* ---- doing what the cluster says ------------------------------------------------------------- */

/* The one event that will wake the process at that time, in place of any other. */
static void wake_at(struct host_process *process, uint64_t at_ns) {
    if (at_ns == process->wakes_ns) {
        return;
    }
    const struct sim_event event = {.at_ns = at_ns, .kind = EVENT_WAKE, .process = process->index};
    process->wakes_ns = at_ns;
    event_queue_put(&process->world->events, &event);
}

static void do_as_told(struct host_process *process, const struct rp_action *action) {
    switch (action->kind) {
    case RP_ACTION_READ:
        lookup_read(process, action);
        break;
    case RP_ACTION_ASK:
        question_ask(process, action);
        break;
    case RP_ACTION_DROP:
        if (action->read_id != 0) {
            lookup_drop(process, action);
        } else {
            question_drop(process, action);
        }
        break;
    case RP_ACTION_DONE:
        lookup_done(process, action);
        break;
    default: /* links of the model need no redial */
        break;
    }
}

static void proceed(struct host_process *process) {
    struct world *world = process->world;
    struct rp_action action;
    uint64_t wake_ns;
    action.struct_size = sizeof action;
    while (process->calls->next(process->cluster, world->now_ns, &action, &wake_ns) != 0) {
        do_as_told(process, &action);
    }
    if (wake_ns != UINT64_MAX) {
        wake_at(process, world_timer(world, wake_ns));
    }
}

/* ---- opening and closing --------------------------------------------------------------------- */

static bool open_set(struct host_process *process, const struct policy_text *policies,
                     const char *section, char *err, uint32_t err_length) {
    const struct rp_plugin *plugin = process->world->plugin;
    const uint32_t capabilities = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION;
    if (plugin->open_text(policies->text, policies->length, policies->name, capabilities,
                          &process->set, err, err_length) != RP_OK) {
        return false;
    }
    process->policy = plugin->policy(process->set, section);
    if (process->policy == NULL) {
        (void)snprintf(err, err_length, "%s: no section [%s]", policies->name, section);
    }
    return process->policy != NULL;
}

static bool open_cluster(struct host_process *process, char *err, uint32_t err_length) {
    const struct world *world = process->world;
    const struct scenario *scenario = world->scenario;
    struct random_stream random = random_begin(scenario->seed, CLUSTER_STREAM + process->index);
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .max_servers = 1 + scenario->replica_count,
                                               .max_reads = scenario->max_lookups,
                                               .now_ns = world->now_ns,
                                               .seed = random_next(&random)};
    bool good =
        process->calls->open(process->set, &options, &process->cluster, err, err_length) == RP_OK;
    for (uint32_t server = 0; good && server <= scenario->replica_count; server++) {
        char name[32];
        (void)snprintf(name, sizeof name, server == 0 ? "primary" : "replica %u", server);
        good = process->calls->server_set(process->cluster, server, name,
                                          server == 0 ? RP_EXPECT_PRIMARY : RP_EXPECT_REPLICA,
                                          RP_SERVER_ON, world->now_ns) == RP_OK;
    }
    return good;
}

/* Before the first lookup every server is asked who it is, which takes no time. */
static void link_up(struct host_process *process) {
    struct world *world = process->world;
    struct rp_action action = {.struct_size = sizeof action};
    char words[SERVER_WORDS_BYTES];
    uint64_t wake_ns;
    while (process->calls->next(process->cluster, world->now_ns, &action, &wake_ns) != 0) {
        if (action.kind == RP_ACTION_ASK) {
            const uint16_t server = (uint16_t)action.server;
            server_answer(process->calls, world, server, server_question_form(action.text),
                          world_position(world, server), words);
            process->calls->answer(process->cluster, action.id, RP_ANSWERED, words, NULL,
                                   world->now_ns);
        }
    }
    wake_at(process, world_timer(world, wake_ns));
}

bool host_process_open(struct host_process *process, struct world *world, uint32_t index,
                       const struct policy_text *policies, const char *section, char *err,
                       uint32_t err_length) {
    const struct scenario *scenario = world->scenario;
    *process =
        (struct host_process){.world = world, .index = index, .calls = world->plugin->cluster};
    process->random = random_begin(scenario->seed, PROCESS_STREAM + index);
    for (uint32_t server = 0; server <= scenario->replica_count; server++) {
        struct station *station = &process->stations[server];
        station_init(station, &world->events, world->figures);
        station->process = index;
        station->server = (uint16_t)server;
        station->links = scenario->links;
    }
    questions_init(process);
    if (!open_set(process, policies, section, err, err_length) ||
        !open_cluster(process, err, err_length)) {
        return false;
    }
    link_up(process);
    return true;
}

void host_process_count(const struct host_process *process) {
    struct figures *figures = process->world->figures;
    struct rp_metric metric = {.struct_size = sizeof metric};
    const struct {
        const char *name;
        uint64_t *figure;
    } counted[] = {{"cluster.locates", &figures->locates},
                   {"cluster.watches", &figures->watches},
                   {"cluster.polls", &figures->polls}};
    for (uint32_t i = 0; process->calls->metrics(process->cluster, i, &metric) == RP_OK; i++) {
        for (size_t k = 0; k < sizeof counted / sizeof counted[0]; k++) {
            *counted[k].figure += strcmp(metric.name, counted[k].name) == 0 ? metric.value : 0;
        }
    }
}

void host_process_close(struct host_process *process) {
    if (process->cluster != NULL) {
        (void)process->calls->close(process->cluster);
        process->cluster = NULL;
    }
    if (process->set != NULL) {
        process->world->plugin->close(process->set);
        process->set = NULL;
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

void host_process_arrival(struct host_process *process, const struct arrival *arrival) {
    lookup_arrives(process, arrival);
    proceed(process);
}

static void repeated(struct host_process *process, const struct sim_event *event) {
    struct lookup *lookup =
        lookup_pool_find(&process->world->lookups, event->asker, event->generation);
    if (lookup != NULL) {
        lookup_arrives_again(process, lookup);
    }
}

static void answered(struct host_process *process, const struct sim_event *event) {
    station_answered(&process->stations[event->server], process->world->now_ns);
    if (event->statement == STATEMENT_READ) {
        lookup_answered(process, event);
    } else {
        question_answered(process, event);
    }
}

void host_process_event(struct host_process *process, const struct sim_event *event) {
    switch (event->kind) {
    case EVENT_SNAPSHOT:
        if (event->statement == STATEMENT_READ) {
            lookup_snapshot(process, event);
        } else {
            question_snapshot(process, event);
        }
        return;
    case EVENT_ANSWER:
        answered(process, event);
        break;
    case EVENT_REPEAT:
        repeated(process, event);
        break;
    default:
        if (event->at_ns != process->wakes_ns) {
            return; /* another one counts */
        }
        process->wakes_ns = 0;
        break;
    }
    proceed(process);
}
