/*
 * roster.c - see roster.h.
 */
#include "roster.h"

#include "directory.h"
#include "host-sample/base/entropy.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/snapshots/sql.h"

#include <stdio.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 3u

/* How long new servers are waited for: an attempt to connect, and the first answers. */
#define HEARD_NS  ((CONNECT_TIMEOUT_S + 1) * UINT64_C(1000000000))
#define LOOK_NS   UINT64_C(5000000) /* between two looks at those that go */
#define MARGIN_NS UINT64_C(100000000)

/* ---- going ----------------------------------------------------------------------------------- */

/* What is a rate goes on in the heir; what is a state ends. */
static void bequeath(struct server *server) {
    struct pg_server_counters counters;
    if (server->heir == NULL) {
        return;
    }
    pg_server_read_counters(server->links, &counters);
    counters.links_up = counters.in_flight = 0;
    pg_server_counters_add(&server->heir->inherited, &counters);
    pg_server_counters_add(&server->heir->inherited, &server->inherited);
}

/* An heir that goes itself leaves everything to its own. */
static void replace_heir(struct servers *servers, const struct server *gone) {
    for (uint32_t i = 0; i < servers->count; i++) {
        if (servers->servers[i].heir == gone) {
            servers->servers[i].heir = gone->heir;
        }
    }
}

static void take_out(struct servers *servers, struct server *server) {
    (void)servers->calls->server_set(servers->cluster, server->index, server->config.name,
                                     server->config.expect, RP_SERVER_OFF, monotonic_ns());
    servers_run(servers); /* what is still under way is dropped here, and goes elsewhere */
    (void)pthread_mutex_lock(&servers->lock);
    bequeath(server);
    replace_heir(servers, server);
    if (!server->tried) {
        servers->untried--;
    }
    waits_end(&server->waits);
    pg_server_abandon(server->links);
    server->links = NULL;
    snapshot_sql_release(server->sql);
    server->sql = NULL;
    server->going = false;
    explicit_bzero(server->config.conninfo, sizeof server->config.conninfo);
    (void)pthread_mutex_unlock(&servers->lock);
    servers->news = true;
}

static bool are_new_ones_heard(struct roster *roster) {
    return monotonic_ns() >= roster->heard_by_ns || servers_are_heard(roster->servers);
}

/* Nothing is under way there, and no read of before waits to ask it again. */
static bool is_done_with(struct servers *servers, const struct server *server) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    (void)servers->calls->info(servers->cluster, &info);
    return info.reads == 0 && pg_server_is_idle(server->links);
}

/* Returns whether it is still there. */
static bool let_go(struct roster *roster, struct server *server, bool now) {
    struct servers *servers = roster->servers;
    const uint64_t now_ns = monotonic_ns();
    if (!server->drained) {
        server->drained = true;
        server->gone_ns = now_ns + roster->dialled_timeout_ms * UINT64_C(1000000) + MARGIN_NS;
        (void)servers->calls->server_set(servers->cluster, server->index, server->config.name,
                                         server->config.expect, RP_SERVER_DRAIN, now_ns);
        servers_run(servers);
    }
    if (now || is_done_with(servers, server) || now_ns >= server->gone_ns) {
        take_out(servers, server);
    }
    return server->links != NULL;
}

/* What was remembered of the old servers, their system for instance, does not bind the new ones. */
static void forget(struct servers *servers) {
    servers->calls->forget_history(servers->cluster, monotonic_ns());
}

static void go_on(struct roster *roster, bool now) {
    struct servers *servers = roster->servers;
    if (!roster->going || (!now && !are_new_ones_heard(roster))) {
        return;
    }
    bool left = false;
    for (uint32_t i = 0; i < servers->count; i++) {
        struct server *server = &servers->servers[i];
        if (server->going) {
            left = let_go(roster, server, now) || left;
        }
    }
    roster->going = left;
    if (!left && roster->forgets) {
        roster->forgets = false;
        forget(servers);
    }
}

/* ---- adding ---------------------------------------------------------------------------------- */

static void log_server(void *context, const char *level, const char *name, const char *message) {
    const struct server *server = context;
    const struct log_field fields[] = {LOG_TEXT("server", name), LOG_END};
    log_write_limited(server->servers->options.log, LOG_LINKS, log_level_of(level), message,
                      fields);
}

static void tried(void *context, struct pg_server *links) {
    struct server *server = context;
    (void)links;
    server->tried = true;
    server->servers->untried--;
}

static void changed(void *context, struct pg_server *links) {
    struct server *server = context;
    (void)links;
    server->servers->calls->prompt(server->servers->cluster, server->index, monotonic_ns());
}

static struct pg_server *dial(const struct roster *roster, struct server *server, char *err,
                              size_t err_length) {
    const struct server_config *config = &server->config;
    const struct pg_server_options options = {
        .name = config->name,
        .conninfo = config->conninfo,
        .application_name = "snapshot-host",
        .min_version = SNAPSHOT_MIN_SERVER_VERSION,
        .links = config->links,
        .use_prepared = config->prepared == HOST_YES,
        .statement_timeout_ms = roster->statement_timeout_ms,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
        .settings = snapshot_settings,
        .setting_count = SNAPSHOT_SETTING_COUNT,
        .variant_sql = server->sql->links_sql,
        .variant_count = SNAPSHOT_LINKS_COUNT,
        .no_variant = server->sql->no_links,
        .prepared = server->sql->statements[0],
        .prepared_count = SNAPSHOT_STATEMENT_COUNT,
        .jitter_seed = entropy_next(server->servers->options.random),
        .log = log_server,
        .tried = tried,
        .changed = changed,
        .context = server,
    };
    return pg_server_new(roster->base, &server->servers->wake_ups, &options, err, err_length);
}

static void prepare_place(struct server *server, struct servers *servers, uint32_t index,
                          const struct server_config *config) {
    server->servers = servers;
    server->index = index;
    server->config = *config;
    server->tried = server->going = server->drained = false;
    server->heir = NULL;
    server->inherited = (struct pg_server_counters){0};
    server_view_reset(&server->view);
    for (uint32_t i = 0; i < SERVER_ASKS; i++) {
        servers_prepare_ask(servers, &server->asks[i]);
    }
}

static struct server *free_place(struct servers *servers) {
    uint32_t index = 0;
    while (index < SERVERS_MAX && servers->servers[index].links != NULL) {
        index++;
    }
    return index < SERVERS_MAX ? &servers->servers[index] : NULL;
}

/* NULL with a sentence in err. */
static struct server *add(struct roster *roster, const struct server_config *config, char *err,
                          size_t err_length) {
    struct servers *servers = roster->servers;
    struct server *server = free_place(servers);
    if (server == NULL) { /* those that go from before are in the way */
        go_on(roster, true);
        server = free_place(servers);
    }
    if (server == NULL) {
        (void)snprintf(err, err_length, "%s: no place left for it", config->name);
        return NULL;
    }
    const uint32_t index = (uint32_t)(server - servers->servers);
    (void)pthread_mutex_lock(&servers->lock);
    prepare_place(server, servers, index, config);
    server->sql = snapshot_sql_hold(roster->sql);
    server->links = dial(roster, server, err, err_length);
    if (server->links != NULL && index >= servers->count) {
        servers->count = index + 1;
    }
    (void)pthread_mutex_unlock(&servers->lock);
    if (server->links == NULL) {
        explicit_bzero(server->config.conninfo, sizeof server->config.conninfo);
        snapshot_sql_release(server->sql);
        server->sql = NULL;
        return NULL;
    }
    servers->untried++;
    (void)servers->calls->server_set(servers->cluster, index, config->name, config->expect,
                                     config->state, monotonic_ns());
    return server;
}

/* ---- a configuration ------------------------------------------------------------------------- */

static bool is_reached_alike(const struct server_config *one, const struct server_config *other) {
    return strcmp(one->conninfo, other->conninfo) == 0 && one->links == other->links &&
           one->prepared == other->prepared;
}

/* One that stays may be expected to be, or be used for, something else. */
static void keep(struct servers *servers, struct server *server,
                 const struct server_config *config) {
    server->config.expect = config->expect;
    server->config.state = config->state;
    (void)servers->calls->server_set(servers->cluster, server->index, config->name, config->expect,
                                     config->state, monotonic_ns());
}

static void review(struct roster *roster, const struct host_config *config, bool others) {
    struct servers *servers = roster->servers;
    for (uint32_t i = 0; i < servers->count; i++) {
        struct server *server = &servers->servers[i];
        if (server->links == NULL || server->going) {
            continue;
        }
        const struct server_config *wanted = config_find_server(config, server->config.name);
        if (wanted != NULL && wanted->state != HOST_SERVER_OFF && !others &&
            is_reached_alike(wanted, &server->config)) {
            keep(servers, server, wanted);
        } else {
            (void)pthread_mutex_lock(&servers->lock);
            server->going = true;
            (void)pthread_mutex_unlock(&servers->lock);
            roster->going = true;
        }
    }
}

static void become_heir(struct servers *servers, struct server *heir) {
    for (uint32_t i = 0; i < servers->count; i++) {
        struct server *server = &servers->servers[i];
        if (server->going && server->heir == NULL &&
            strcmp(server->config.name, heir->config.name) == 0) {
            server->heir = heir;
        }
    }
}

/* Lookups have a limit of their own, however short; the server's holds for what links ask for
 * themselves, too, and with less time than this none would come up. */
static uint32_t statement_timeout_of(const struct host_config *config) {
    enum { MIN_MS = 250 };
    return config->limits.lookup_timeout_ms > MIN_MS ? config->limits.lookup_timeout_ms : MIN_MS;
}

/* The texts that new links say, held once more; NULL: out of memory. */
static struct snapshot_sql *sql_for(const struct roster *roster, const char *schema) {
    return roster->sql != NULL && strcmp(roster->sql->schema, schema) == 0
               ? snapshot_sql_hold(roster->sql)
               : snapshot_sql_new(schema);
}

bool roster_apply(struct roster *roster, const struct host_config *config, char *err,
                  size_t err_length) {
    struct servers *servers = roster->servers;
    const uint32_t timeout_ms = statement_timeout_of(config);
    struct snapshot_sql *sql = sql_for(roster, config->tables.schema);
    if (sql == NULL) {
        (void)snprintf(err, err_length, "out of memory");
        return false;
    }
    const bool others = roster->sql != sql || roster->statement_timeout_ms != timeout_ms;
    const bool reloaded = config->history != roster->history;
    bool good = true;
    snapshot_sql_release(roster->sql);
    roster->sql = sql;
    if (!roster->going || roster->statement_timeout_ms > roster->dialled_timeout_ms) {
        roster->dialled_timeout_ms = roster->statement_timeout_ms;
    }
    roster->statement_timeout_ms = timeout_ms;
    roster->heard_by_ns = monotonic_ns() + HEARD_NS;
    roster->history = config->history;
    if (reloaded && servers->count > 0) {
        forget(servers);
    }
    review(roster, config, others);
    roster->forgets = roster->going && (reloaded || roster->forgets);
    for (uint32_t i = 0; i < config->server_count; i++) {
        const struct server_config *wanted = &config->servers[i];
        if (wanted->state == HOST_SERVER_OFF || servers_find(servers, wanted->name) != NULL) {
            continue;
        }
        struct server *added = add(roster, wanted, err, err_length);
        if (added == NULL) {
            good = false;
        } else {
            become_heir(servers, added);
        }
    }
    return good;
}

/* The end of the turn looks. */
static void woken(struct wake_up *wake_up) {
    (void)wake_up;
}

void roster_flush(struct roster *roster) {
    struct servers *servers = roster->servers;
    if (roster->going) {
        go_on(roster, false);
    }
    servers->history = roster->forgets ? 0 : roster->history;
    servers_flush(servers);
    if (roster->going && roster->wake_up.owner == NULL) {
        roster->wake_up.woken = woken;
        wake_up_set(&servers->wake_ups, &roster->wake_up, monotonic_ns() + LOOK_NS);
    }
}

void roster_free(struct roster *roster) {
    snapshot_sql_release(roster->sql);
    roster->sql = NULL;
}
