/*
 * main.c - snapshot-host: command line, start, signals, end.
 *
 * The main thread loads everything, starts the workers and then does nothing but wait for signals:
 * it is the one thread that calls the plugin's [control] functions.
 */
#include "host-sample/base/log.h"
#include "host-sample/http/front.h"
#include "host-sample/operate/notify.h"
#include "host.h"
#include "loader/plugin_loader.h"
#include "worker.h"

#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

struct arguments {
    const char *config_path;
    bool test; /* -t: check and describe only */
    bool keys; /* --keys: print the table of keys */
};

static void print_usage(FILE *out) {
    (void)fprintf(
        out, "usage: snapshot-host -c FILE       serve\n"
             "       snapshot-host -t -c FILE    check both INI files and the plugin, say what "
             "each section does\n"
             "       snapshot-host --keys        list every key of snapshot-host.ini\n"
             "       snapshot-host --version\n"
             "\n"
             "SIGHUP reloads the policy file; SIGTERM and SIGINT finish what is under way and "
             "exit.\n");
}

/* Returns true to go on; otherwise *exit_status is set. */
static bool parse_arguments(int argc, char **argv, struct arguments *arguments, int *exit_status) {
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"keys", no_argument, NULL, 'k'},
                                            {NULL, 0, NULL, 0}};
    int option;
    *arguments = (struct arguments){0};
    *exit_status = EXIT_SUCCESS;
    while ((option = getopt_long(argc, argv, "c:th", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments->config_path = optarg;
            break;
        case 't':
            arguments->test = true;
            break;
        case 'k':
            arguments->keys = true;
            break;
        case 'h':
            print_usage(stdout);
            return false;
        case 'V':
            (void)printf("snapshot-host %s\n", READ_POLICY_VERSION);
            return false;
        default:
            print_usage(stderr);
            *exit_status = EXIT_USAGE;
            return false;
        }
    }
    if (optind < argc || (arguments->config_path == NULL && !arguments->keys)) {
        (void)fprintf(stderr,
                      optind < argc ? "snapshot-host: unexpected argument %s\n"
                                    : "snapshot-host: no configuration file%s\n",
                      optind < argc ? argv[optind] : "");
        print_usage(stderr);
        *exit_status = EXIT_USAGE;
        return false;
    }
    return true;
}

/* ---- loading --------------------------------------------------------------------------------- */

static void list_sections(const struct host *host) {
    const char *section;
    for (uint32_t i = 0; RP_HAS(host->service.plugin, section) &&
                         (section = host->service.plugin->section(host->set, i)) != NULL;
         i++) {
        (void)fprintf(stderr, "%s %s", i > 0 ? "," : "", section);
    }
    (void)fputc('\n', stderr);
}

static bool load_policies(struct host *host, struct loaded_plugin *plugin) {
    const struct host_config *config = host->service.config;
    char err[RP_ERROR_BYTES] = "";
    if (!plugin_load(plugin, config->plugin.path, err, sizeof err)) {
        (void)fprintf(stderr, "%s: [plugin] path: %s\n", host->config_path, err);
        return false;
    }
    host->service.plugin = plugin->table;
    int32_t status = host->service.plugin->open(config->plugin.config,
                                                RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION,
                                                &host->set, err, sizeof err);
    if (status != RP_OK) {
        (void)fprintf(stderr, "%s\n", err);
        return false;
    }
    host->service.policy = host->service.plugin->policy(host->set, config->plugin.section);
    if (host->service.policy == NULL) {
        (void)fprintf(stderr, "%s: [plugin] section = %s: %s has no such section; accepted:",
                      host->config_path, config->plugin.section, config->plugin.config);
        list_sections(host);
        return false;
    }
    return true;
}

static void describe_section(const struct host *host, const char *section) {
    char text[2048];
    const struct rp_policy *policy = host->service.plugin->policy(host->set, section);
    (void)host->service.plugin->describe(policy, text, sizeof text);
    (void)printf("%s\n", text);
}

/* What -t prints, once everything has been loaded without an error. */
static void describe_host(const struct host *host) {
    const struct host_config *config = host->service.config;
    (void)printf("%s: good. Listens on %s:%u with %u thread%s; 1 primary, %u replica%s.\n",
                 host->config_path, config->listen.address, config->listen.port,
                 config->listen.threads, config->listen.threads == 1 ? "" : "s",
                 config->replica_count, config->replica_count == 1 ? "" : "s");
    if (config->auth.token[0] == '\0') {
        (void)printf("Nobody is let in on the worker route: [auth] has neither token nor "
                     "token_file.\n");
    }
    (void)printf("%s: %s %s, ABI %u.%u.\n", config->plugin.path, host->service.plugin->name,
                 host->service.plugin->version, host->service.plugin->abi_major,
                 host->service.plugin->abi_minor);
    (void)printf("%s: good. Lookups follow [%s].\n", config->plugin.config, config->plugin.section);
    if (!RP_HAS(host->service.plugin, section)) {
        describe_section(host, config->plugin.section);
        return;
    }
    const char *section;
    for (uint32_t i = 0; (section = host->service.plugin->section(host->set, i)) != NULL; i++) {
        describe_section(host, section);
    }
}

/* ---- serving --------------------------------------------------------------------------------- */

static void log_lines(enum log_level level, const char *message, char *lines) {
    char *rest = lines;
    char *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line != '\0') {
            const struct log_field fields[] = {{"error", line}, {NULL, NULL}};
            log_write(level, message, fields);
        }
    }
}

static void reload(struct host *host) {
    char err[RP_ERROR_BYTES] = "";
    bool good = host->service.plugin->reload(host->set, err, sizeof err) == RP_OK;
    counter_add(&host->reloads, 1);
    counter_set(&host->reload_ok, good);
    if (good) {
        char text[2048];
        (void)host->service.plugin->describe(host->service.policy, text, sizeof text);
        const struct log_field fields[] = {{"policy", text}, {NULL, NULL}};
        log_write(LOG_LEVEL_INFO, "policy file reloaded", fields);
    } else {
        counter_add(&host->reload_failures, 1);
        log_lines(LOG_LEVEL_ERROR, "policy file not reloaded, the previous configuration stays",
                  err);
    }
}

static void *worker_main(void *context) {
    worker_run(context);
    return NULL;
}

/* As many descriptors as the system allows: each connection needs one. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool init_workers(struct host *host) {
    uint16_t port = (uint16_t)host->service.config->listen.port;
    char err[512] = "";
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (!worker_init(&host->workers[i], host, i, port, err, sizeof err)) {
            (void)fprintf(stderr, "snapshot-host: %s\n", err);
            return false;
        }
        /* With port = 0 all workers share the one that the first of them was given. */
        port = http_front_port(host->workers[i].front);
    }
    char text[8];
    (void)snprintf(text, sizeof text, "%u", port);
    const struct log_field fields[] = {
        {"address", host->service.config->listen.address}, {"port", text}, {NULL, NULL}};
    log_write(LOG_LEVEL_INFO, "listening", fields);
    return true;
}

static bool start_workers(struct host *host) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct worker *worker = &host->workers[i];
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            log_write(LOG_LEVEL_ERROR, "cannot start a thread", NULL);
            return false;
        }
        worker->started = true;
    }
    return true;
}

static void wait_for_signals(struct host *host, const sigset_t *signals) {
    int signal_number = 0;
    do {
        if (sigwait(signals, &signal_number) == 0 && signal_number == SIGHUP) {
            reload(host);
        }
    } while (signal_number == SIGHUP);
    log_write(LOG_LEVEL_INFO, "draining", NULL);
}

static void stop_workers(struct host *host) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (host->workers[i].started) {
            worker_drain(&host->workers[i]);
        }
    }
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (host->workers[i].started) {
            (void)pthread_join(host->workers[i].thread, NULL);
        }
    }
    for (uint32_t i = 0; i < host->worker_count; i++) {
        worker_free(&host->workers[i]);
    }
}

static int serve(struct host *host) {
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    /* Before any thread is made, so that all inherit it and only sigwait sees these signals. */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();

    bool served = false;
    host->worker_count = host->service.config->listen.threads;
    host->workers = calloc(host->worker_count, sizeof *host->workers);
    if (host->workers == NULL) {
        (void)fprintf(stderr, "snapshot-host: out of memory\n");
        return EXIT_FAILURE;
    }
    if (init_workers(host) && start_workers(host)) {
        service_notify("READY=1");
        wait_for_signals(host, &signals);
        served = true;
    }
    stop_workers(host);
    free(host->workers);
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void write_out(void *context, const char *text) {
    (void)fputs(text, context);
}

int main(int argc, char **argv) {
    struct arguments arguments;
    int exit_status;
    if (!parse_arguments(argc, argv, &arguments, &exit_status)) {
        return exit_status;
    }
    if (arguments.keys) {
        host_config_describe_keys((struct ini_text_sink){.write = write_out, .context = stdout});
        return EXIT_SUCCESS;
    }
    static struct host_config config;
    char err[RP_ERROR_BYTES];
    bool good = host_config_load(&config, arguments.config_path, err, sizeof err);
    if (!good) {
        (void)fprintf(stderr, "%s\n", err);
    }
    struct loaded_plugin plugin = {0};
    struct host host = {
        .service.config = &config, .config_path = arguments.config_path, .reload_ok = 1};
    exit_status = EXIT_FAILURE;
    /* With -t the policy file is checked even if this file has errors, as long as it names it. */
    if (!good &&
        (!arguments.test || config.plugin.path[0] == '\0' || config.plugin.config[0] == '\0')) {
        return exit_status;
    }
    if (load_policies(&host, &plugin) && good) {
        if (arguments.test) {
            describe_host(&host);
            exit_status = EXIT_SUCCESS;
        } else {
            exit_status = serve(&host);
        }
    }
    if (host.set != NULL) {
        host.service.plugin->close(host.set);
    }
    plugin_unload(&plugin);
    explicit_bzero(&config, sizeof config);
    return exit_status;
}
