/*
 * servers.c - see servers.h.
 */
#include "servers.h"

#include "host-sample/base/container_of.h"
#include "host-sample/base/entropy.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/snapshots/sql.h"

#include <stdio.h>
#include <string.h>

/* Views are filled at most this often: pages and metrics are read by people and scrapers. */
#define VIEW_NS UINT64_C(20000000)

/* How long a server with a link is waited for at the start: a question, and one more. */
#define KNOWN_NS UINT64_C(2000000000)

/* ---- questions ------------------------------------------------------------------------------- */

int32_t servers_outcome_of_failure(enum pg_failure failure) {
    switch (failure) {
    case PG_SERVER_GONE:
        return RP_SERVER_GONE;
    case PG_NOT_SENT:
        return RP_NOT_SENT;
    default:
        return RP_FAILED;
    }
}

static void asked(struct pg_statement *statement, struct pg_reply *reply) {
    struct server_ask *ask = container_of(statement, struct server_ask, statement);
    struct servers *servers = ask->servers;
    const uint64_t now_ns = monotonic_ns();
    bool good = reply->status == PG_REPLY_ROWS;
    servers->news = true;
    if (good) {
        pg_server_took(ask->links, PG_TOOK_QUESTION, now_ns - ask->asked_ns);
    }
    servers->calls->answer(servers->cluster, ask->id,
                           good ? (int32_t)RP_ANSWERED : servers_outcome_of_failure(reply->failure),
                           reply->before, NULL, now_ns);
}

void servers_prepare_ask(struct servers *servers, struct server_ask *ask) {
    *ask = (struct server_ask){.servers = servers};
    ask->statement.kind = PG_ASK;
    ask->statement.done = asked;
}

/* What is wrong with the server is told by its other links, and only what is wrong with this one
 * here: a role, say, that may have no more of them. */
static void log_wait_link(void *context, const char *level, const char *name, const char *message) {
    const struct server *server = context;
    if (strcmp(level, "info") != 0 && pg_server_is_up(server->links)) {
        const struct log_field fields[] = {LOG_TEXT("server", name), LOG_END};
        char text[512];
        (void)snprintf(text, sizeof text, "no link for waits, positions are asked for: %s",
                       message);
        log_write_limited(server->servers->options.log, LOG_LINKS, log_level_of(level), text,
                          fields);
    }
}

static struct pg_server *link_for_waits(struct servers *servers, struct server *server) {
    const struct waits_dial how = {.base = servers->base,
                                   .wake_ups = &servers->wake_ups,
                                   .server = &server->config,
                                   .random = servers->options.random,
                                   .log = log_wait_link,
                                   .context = server};
    return waits_link(&server->waits, &how);
}

static void ask(struct servers *servers, const struct rp_action *action, uint64_t now_ns) {
    struct server *server = &servers->servers[action->server];
    struct pg_server *links = server->links;
    if (links != NULL && (action->flags & RP_ACTION_BLOCKS) != 0) {
        links = link_for_waits(servers, server);
    }
    for (uint32_t i = 0; i < SERVER_ASKS && links != NULL; i++) {
        struct server_ask *asked = &server->asks[i];
        if (!pg_statement_is_submitted(&asked->statement)) {
            asked->id = action->id;
            asked->statement.question = action->text;
            asked->links = links;
            asked->asked_ns = now_ns;
            pg_server_submit(links, &asked->statement);
            return;
        }
    }
    servers->calls->answer(servers->cluster, action->id, RP_NOT_SENT, NULL, NULL, now_ns);
}

static void drop(struct servers *servers, const struct rp_action *action) {
    struct server *server = &servers->servers[action->server];
    for (uint32_t i = 0; i < SERVER_ASKS; i++) {
        if (server->asks[i].id == action->id) {
            pg_statement_forget(&server->asks[i].statement);
            return;
        }
    }
    servers->options.user.drop(servers->options.user.context, action);
}

/* ---- what the cluster says ------------------------------------------------------------------- */

static void say_notice(struct servers *servers, const struct rp_notice *notice) {
    const bool known =
        notice->server < servers->count && servers->servers[notice->server].links != NULL;
    const char *server = known ? servers->servers[notice->server].config.name : "all";
    const enum log_level level = notice->level == RP_LOG_ERROR  ? LOG_LEVEL_ERROR
                                 : notice->level == RP_LOG_WARN ? LOG_LEVEL_WARN
                                                                : LOG_LEVEL_INFO;
    if (servers->options.say != NULL) {
        servers->options.say(servers->options.say_context, notice->level, server, notice->text);
    } else {
        const struct log_field fields[] = {LOG_TEXT("server", server), LOG_END};
        log_write_limited(servers->options.log, LOG_SERVER, level, notice->text, fields);
    }
}

static void log_notices(struct servers *servers) {
    struct rp_notice notice = {.struct_size = sizeof notice};
    while (servers->calls->notice(servers->cluster, &notice)) {
        say_notice(servers, &notice);
    }
}

static void fill_view(struct servers *servers, struct server *server) {
    struct rp_server_info info = {.struct_size = sizeof info};
    if (servers->calls->server(servers->cluster, server->index, &info) == RP_OK) {
        server_view_fill(&server->view, &info);
    }
}

static void fill_views(struct servers *servers, uint64_t now_ns) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    struct rp_metric metric = {.struct_size = sizeof metric};
    servers->news = false;
    servers->viewed_ns = now_ns;
    for (uint32_t i = 0; i < servers->count; i++) {
        fill_view(servers, &servers->servers[i]); /* of one that is gone: nothing known */
    }
    (void)servers->calls->info(servers->cluster, &info);
    counter_set(&servers->split, info.split);
    counter_set(&servers->settled, info.settled);
    counter_set(&servers->primary_answers, info.primary_answers);
    counter_set(&servers->replicas_out, info.replicas_out);
    for (uint32_t i = 0; i < servers->counter_count; i++) {
        (void)servers->calls->metrics(servers->cluster, i, &metric);
        counter_set(&servers->counters[i], metric.value);
    }
}

void servers_show(struct servers *servers) {
    if (servers->news) {
        fill_views(servers, monotonic_ns());
    }
}

/* What was heard is shown soon, whether or not anything follows. */
static void show_news(struct servers *servers) {
    if (!servers->news) {
        return;
    }
    const uint64_t now_ns = monotonic_ns();
    if (now_ns - servers->viewed_ns >= VIEW_NS) {
        fill_views(servers, now_ns);
    } else if (servers->view_wake_up.owner == NULL) {
        wake_up_set(&servers->wake_ups, &servers->view_wake_up, servers->viewed_ns + VIEW_NS);
    }
}

static void carry_out(struct servers *servers, const struct rp_action *action, uint64_t now_ns) {
    struct servers_user *user = &servers->options.user;
    switch (action->kind) {
    case RP_ACTION_ASK:
        ask(servers, action, now_ns);
        break;
    case RP_ACTION_READ:
        user->read(user->context, action, servers->servers[action->server].links, now_ns);
        break;
    case RP_ACTION_DROP:
        drop(servers, action);
        break;
    case RP_ACTION_DONE:
        user->done(user->context, action);
        break;
    case RP_ACTION_REDIAL:
        if (servers->servers[action->server].links != NULL) {
            pg_server_redial(servers->servers[action->server].links);
            waits_redial(&servers->servers[action->server].waits);
        }
        break;
    default:
        break;
    }
}

/* False: there is nothing before *wake_ns. */
static bool step(struct servers *servers, uint64_t now_ns, uint64_t *wake_ns) {
    struct rp_action action;
    action.struct_size = sizeof action; /* next fills in the rest */
    if (!servers->calls->next(servers->cluster, now_ns, &action, wake_ns)) {
        return false;
    }
    carry_out(servers, &action, now_ns);
    return true;
}

bool servers_step(struct servers *servers, uint64_t now_ns) {
    uint64_t wake_ns;
    return step(servers, now_ns, &wake_ns);
}

void servers_run(struct servers *servers) {
    const uint64_t now_ns = monotonic_ns();
    uint64_t wake_ns;
    while (step(servers, now_ns, &wake_ns)) {
    }
    if (wake_ns == UINT64_MAX) {
        wake_up_clear(&servers->wake_up);
    } else if (servers->wake_up.owner == NULL || servers->wake_up.at_ns != wake_ns) {
        wake_up_set(&servers->wake_ups, &servers->wake_up, wake_ns);
    }
}

/* It has said who it is, or there was no way to ask it. */
static bool is_heard(const struct servers *servers, const struct server *server) {
    struct rp_server_info info = {.struct_size = sizeof info};
    (void)servers->calls->server(servers->cluster, server->index, &info);
    return server->tried && (info.answers || !pg_server_is_up(server->links));
}

bool servers_are_heard(const struct servers *servers) {
    for (uint32_t i = 0; i < servers->count; i++) {
        const struct server *server = &servers->servers[i];
        if (server->links != NULL && !server->going && !is_heard(servers, server)) {
            return false;
        }
    }
    return true;
}

/* Since every link has been tried. */
static bool have_waited_long(struct servers *servers) {
    const uint64_t now_ns = monotonic_ns();
    if (servers->known_by_ns == 0) {
        servers->known_by_ns = now_ns + KNOWN_NS;
        wake_up_set(&servers->wake_ups, &servers->known_wake_up, servers->known_by_ns);
    }
    return now_ns >= servers->known_by_ns;
}

/* Once every link has been tried, and every server was heard or failed. A server to which links
 * come up slowly has failed for the first question, which had no link in all its time; the next one
 * is on its way then, and without its answer the server could not be asked. */
static bool announce(struct servers *servers) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    if (counter_value(&servers->announced) != 0 || servers->untried > 0) {
        return false;
    }
    (void)servers->calls->info(servers->cluster, &info);
    if (!info.settled || (!servers_are_heard(servers) && !have_waited_long(servers))) {
        return false;
    }
    counter_set(&servers->announced, 1);
    wake_up_clear(&servers->known_wake_up);
    fill_views(servers, monotonic_ns());
    servers->options.known(servers->options.known_context);
    return true;
}

/* Says what is known here, and takes over what others know. Nothing while history is being
 * forgotten, or servers go that it is forgotten with: what is remembered does not count any more.
 */
static void tell_other_threads(struct servers *servers) {
    struct hearsay *hearsay = servers->options.hearsay;
    struct rp_cluster_info info = {.struct_size = sizeof info};
    if (hearsay == NULL || servers->history == 0 ||
        (!servers->news && atomic_load(&hearsay->changes) == servers->hearsay_seen)) {
        return;
    }
    (void)servers->calls->info(servers->cluster, &info);
    if (info.forgetting) {
        return;
    }
    const uint32_t newer =
        hearsay_exchange(hearsay, servers->history, &info, &servers->hearsay_seen);
    if (newer != 0) {
        servers->calls->heard_of(servers->cluster, info.system, newer, monotonic_ns());
    }
}

static void flush_links(struct servers *servers) {
    bool again;
    do {
        servers_run(servers);
        again = false;
        for (uint32_t i = 0; i < servers->count; i++) {
            struct pg_server *links = servers->servers[i].links;
            again = (links != NULL && pg_server_flush(links)) || again;
            again = waits_flush(&servers->servers[i].waits) || again;
        }
    } while (again);
}

void servers_flush(struct servers *servers) {
    tell_other_threads(servers);
    flush_links(servers);
    log_notices(servers);
    show_news(servers);
    if (announce(servers)) {
        flush_links(servers); /* what has waited for it */
    }
}

/* The end of the turn does what is due. */
static void woken(struct wake_up *wake_up) {
    (void)wake_up;
}

/* ---- reads ----------------------------------------------------------------------------------- */

int32_t servers_start(struct servers *servers, const struct rp_policy *policy,
                      const struct rp_request *request, uint64_t tag, uint64_t *read_id) {
    return servers->calls->start(servers->cluster, policy, request, tag, read_id);
}

void servers_forget(struct servers *servers, uint64_t read_id) {
    servers->calls->forget(servers->cluster, read_id);
}

void servers_answer(struct servers *servers, uint64_t id, int32_t outcome, const char *before,
                    const char *after, uint64_t now_ns) {
    servers->calls->answer(servers->cluster, id, outcome, before, after, now_ns);
}

void servers_last_error(const struct servers *servers, char *text, size_t length) {
    text[0] = '\0';
    for (uint32_t i = 0; i < servers->count && text[0] == '\0'; i++) {
        const struct pg_server *links = servers->servers[i].links;
        if (links != NULL && !pg_server_is_up(links) && pg_server_last_error(links)[0] != '\0') {
            (void)snprintf(text, length, "%s: %s", pg_server_name(links),
                           pg_server_last_error(links));
        }
    }
}

/* ---- beginning and ending -------------------------------------------------------------------- */

static void name_counters(struct servers *servers) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    while (servers->counter_count < SERVERS_MAX_COUNTERS &&
           servers->calls->metrics(servers->cluster, servers->counter_count, &metric) == RP_OK) {
        servers->counter_names[servers->counter_count++] = metric;
    }
}

bool servers_init(struct servers *servers, const struct servers_options *options,
                  struct event_base *base, char *err, size_t err_length) {
    const struct rp_cluster_options cluster = {
        .struct_size = sizeof cluster,
        .flags = RP_CLUSTER_CAN_BLOCK | RP_CLUSTER_KEEPS_ANSWERS,
        .max_servers = SERVERS_MAX,
        .max_reads = options->max_reads,
        .timeout_ms = options->timeout_ms,
        .poll_ms = options->poll_ms,
        .now_ns = monotonic_ns(),
        .seed = entropy_next(options->random),
    };
    servers->options = *options;
    servers->base = base;
    if (pthread_mutex_init(&servers->lock, NULL) != 0) {
        (void)snprintf(err, err_length, "cannot make a lock");
        return false;
    }
    servers->calls = options->plugin->cluster;
    servers->wake_up.woken = woken;
    servers->view_wake_up.woken = woken;
    servers->known_wake_up.woken = woken;
    if (!wake_ups_init(&servers->wake_ups, base)) {
        (void)snprintf(err, err_length, "cannot make a timer");
        return false;
    }
    if (servers->calls->open(options->set, &cluster, &servers->cluster, err,
                             (uint32_t)err_length) != RP_OK) {
        return false;
    }
    name_counters(servers);
    return true;
}

void servers_free(struct servers *servers) {
    if (servers->calls == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        if (servers->servers[i].links != NULL) {
            waits_end(&servers->servers[i].waits);
            pg_server_free(servers->servers[i].links);
            snapshot_sql_release(servers->servers[i].sql);
        }
    }
    (void)servers->calls->close(servers->cluster);
    wake_ups_free(&servers->wake_ups);
    (void)pthread_mutex_destroy(&servers->lock);
}
