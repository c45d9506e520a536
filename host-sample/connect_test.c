/*
 * connect_test.c - the servers of a thread that serves nobody.
 */
#include "connect_test.h"

#include "host-sample/base/entropy.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/servers/roster.h"
#include "trial_read.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

/* Until every server has answered or failed once; and then for two more rounds of questions: lag,
 * and who is a primary beside whom, take two answers each. */
#define LIMIT_NS UINT64_C(10000000000)
#define MORE_NS  UINT64_C(2500000000)

/* A link that comes up in the last moment gets so long for its trial. */
#define LATE_NS UINT64_C(1000000000)
#define TICK_US 20000

struct connect_test {
    struct event_base *base;
    struct servers servers;
    struct roster roster;
    struct trial_read trials[SERVERS_MAX];
    uint64_t random;
    uint64_t ends_ns;
    bool known;
};

static void say(void *context, int32_t level, const char *server, const char *text) {
    static const char *const words[] = {"", "Warning: ", "Error: "};
    (void)context;
    (void)server; /* the text names it */
    (void)printf("  %s%s.\n", words[level == RP_LOG_ERROR ? 2 : level == RP_LOG_WARN], text);
}

static void servers_known(void *context) {
    struct connect_test *test = context;
    test->known = true;
    test->ends_ns = monotonic_ns() + MORE_NS;
}

/* On each link that has come up, be it late. */
static void begin_trials(struct connect_test *test) {
    const uint64_t now_ns = monotonic_ns();
    for (uint32_t i = 0; i < test->servers.count; i++) {
        struct pg_server *links = test->servers.servers[i].links;
        if (links == NULL || test->trials[i].begun || !pg_server_is_up(links)) {
            continue;
        }
        trial_read_begin(&test->trials[i], links);
        if (test->ends_ns < now_ns + LATE_NS) {
            test->ends_ns = now_ns + LATE_NS;
        }
    }
}

/* No read is ever begun here. */
static void read_nothing(void *context, const struct rp_action *action, struct pg_server *links,
                         uint64_t now_ns) {
    (void)context;
    (void)action;
    (void)links;
    (void)now_ns;
}

static void do_nothing(void *context, const struct rp_action *action) {
    (void)context;
    (void)action;
}

static bool begin(struct connect_test *test, const struct host_config *config,
                  const struct rp_plugin *plugin, struct rp_set *set, char *err,
                  size_t err_length) {
    const struct servers_options options = {
        .max_reads = 1,
        .timeout_ms = config->limits.lookup_timeout_ms,
        .plugin = plugin,
        .set = set,
        .user = {.read = read_nothing, .drop = do_nothing, .done = do_nothing},
        .known = servers_known,
        .known_context = test,
        .say = say,
        .random = &test->random,
    };
    test->base = event_base_new();
    test->ends_ns = monotonic_ns() + LIMIT_NS;
    if (test->base == NULL || !entropy_seed(&test->random)) {
        (void)snprintf(err, err_length, "cannot make an event loop");
        return false;
    }
    test->roster = (struct roster){.servers = &test->servers, .base = test->base};
    return servers_init(&test->servers, &options, test->base, err, err_length) &&
           roster_apply(&test->roster, config, err, err_length);
}

static void run(struct connect_test *test) {
    const struct timeval tick = {.tv_usec = TICK_US};
    roster_flush(&test->roster);
    while (monotonic_ns() < test->ends_ns) {
        (void)event_base_loopexit(test->base, &tick);
        (void)event_base_loop(test->base, EVLOOP_ONCE);
        roster_flush(&test->roster);
        begin_trials(test);
    }
}

static void print_place(const struct connect_test *test, const struct rp_server_info *info) {
    char position[RP_POSITION_BYTES];
    if (info->timeline != 0) {
        (void)printf(", timeline %u", info->timeline);
    } else {
        (void)printf(", timeline unknown");
    }
    if (info->position != 0) {
        test->servers.calls->position_print(info->position, position);
        (void)printf(", at %s", position);
    }
    if (info->role == RP_ROLE_REPLICA && info->lag_ns != RP_UNKNOWN) {
        (void)printf(", %.1f s behind the primary", (double)info->lag_ns / 1e9);
    } else if (info->role == RP_ROLE_REPLICA) {
        (void)printf(", lag unknown");
    }
    if (info->version != 0) {
        (void)printf(", PostgreSQL %u.%u", info->version / 10000, info->version % 10000);
    }
}

/* Whether it went well, if there was one. */
static bool print_trial(const struct trial_read *trial) {
    if (!trial->over) {
        (void)printf("  A lookup there was not answered in time.\n");
    } else if (trial->error[0] != '\0') {
        (void)printf("  A lookup there fails: %s\n", trial->error);
    }
    return trial->over && trial->error[0] == '\0';
}

/* Whether all is well with it. */
static bool print_server(const struct connect_test *test, const struct server *server) {
    static const char *const roles[] = {"of unknown role", "primary", "replica", "out"};
    const char *error = pg_server_last_error(server->links);
    const bool up = pg_server_is_up(server->links);
    struct rp_server_info info = {.struct_size = sizeof info};
    (void)test->servers.calls->server(test->servers.cluster, server->index, &info);
    (void)printf("%s: ", pg_server_name(server->links));
    if (!up) {
        (void)printf("no link%s%s\n", error[0] != '\0' ? ": " : "", error);
    } else if (info.answers == 0) {
        (void)printf("it does not answer%s%s\n", info.why[0] != '\0' ? ": " : "", info.why);
    } else {
        (void)printf("%s", roles[info.role]);
        print_place(test, &info);
        (void)printf(".\n");
        if (info.why[0] != '\0') {
            (void)printf("  Why it is so: %s\n", info.why);
        }
    }
    if (info.grants[0] != '\0') {
        (void)printf("  What its role may not see: %s\n", info.grants);
    }
    const bool tried = up && info.answers != 0;
    const bool reads = !tried || print_trial(&test->trials[server->index]);
    return reads && tried && info.role != RP_ROLE_OUT && info.role != RP_ROLE_UNKNOWN &&
           info.why[0] == '\0';
}

/* Two names of one server make no two replicas. */
static void print_twins(const struct servers *servers) {
    struct rp_server_info one = {.struct_size = sizeof one};
    struct rp_server_info other = {.struct_size = sizeof other};
    for (uint32_t i = 0; i < servers->count; i++) {
        (void)servers->calls->server(servers->cluster, i, &one);
        for (uint32_t k = i + 1; k < servers->count && one.instance != 0; k++) {
            (void)servers->calls->server(servers->cluster, k, &other);
            if (other.instance == one.instance) {
                (void)printf("%s and %s are one server: they started at the same microsecond.\n",
                             pg_server_name(servers->servers[i].links),
                             pg_server_name(servers->servers[k].links));
            }
        }
    }
}

static bool print_all(const struct connect_test *test) {
    const struct servers *servers = &test->servers;
    struct rp_cluster_info info = {.struct_size = sizeof info};
    bool good = true;
    for (uint32_t i = 0; i < servers->count; i++) {
        good = print_server(test, &servers->servers[i]) && good;
    }
    print_twins(servers);
    (void)servers->calls->info(servers->cluster, &info);
    if (info.split != 0) {
        (void)printf("There is a split: two servers, or lineages, claim to be the primary.\n");
    } else if (info.primary_answers == 0) {
        (void)printf("No primary answers.\n");
    }
    if (!test->known) {
        (void)printf("Not every server has been heard, or has failed, within %u s.\n",
                     (unsigned)(LIMIT_NS / 1000000000));
    }
    return good && info.split == 0 && info.primary_answers != 0 && test->known;
}

bool connect_test(const struct host_config *config, const struct rp_plugin *plugin,
                  struct rp_set *set) {
    struct connect_test *test = calloc(1, sizeof *test);
    char err[512] = "out of memory";
    bool good = false;
    if (test == NULL || !begin(test, config, plugin, set, err, sizeof err)) {
        (void)fprintf(stderr, "%s\n", err);
    } else {
        (void)printf("Asking the servers:\n");
        run(test);
        good = print_all(test);
    }
    if (test != NULL) {
        for (uint32_t i = 0; i < SERVERS_MAX; i++) {
            trial_read_forget(&test->trials[i]);
        }
        servers_free(&test->servers);
        roster_free(&test->roster);
        if (test->base != NULL) {
            event_base_free(test->base);
        }
        free(test);
    }
    return good;
}
