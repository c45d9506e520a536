/*
 * main.c - snapshot-host: command line, start, signals, end.
 *
 * The main thread loads everything, starts the workers and then does nothing but wait for signals:
 * it is the one thread that calls the plugin's [control] functions.
 */
#include "connect_test.h"
#include "host-sample/base/log.h"
#include "host-sample/config/load.h"
#include "host-sample/http/front.h"
#include "host-sample/operate/ask_status.h"
#include "host-sample/operate/descriptors.h"
#include "host-sample/operate/notify.h"
#include "host.h"
#include "loader/plugin_loader.h"
#include "reload.h"
#include "say.h"
#include "worker.h"

#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* How long a reader of the log that is stuck may keep the process from its end. */
#define LOG_END_MS 1000u

/* Names that are several servers are looked up so often. */
#define LOOK_UP_S 10

/* Room for so many times max_lookups, and at most for so many if max_lookups are fewer. */
#define ROOM_FACTOR 8u
#define ROOM_MAX    65536u

struct arguments {
    const char *config_path;
    bool test;    /* -t: check and describe only */
    bool connect; /* and ask the servers */
    bool keys;    /* --keys: print the table of keys */
    bool status;  /* ask the host that runs */
};

static void print_usage(FILE *out) {
    (void)fprintf(
        out, "usage: snapshot-host -c FILE       serve\n"
             "       snapshot-host -t -c FILE    check both INI files and the plugin, say what "
             "each section does\n"
             "       snapshot-host -t --connect -c FILE    the same, and ask every server what it "
             "is\n"
             "       snapshot-host status [-c FILE]    what the host that runs with FILE does, and "
             "what is wrong\n"
             "       snapshot-host --keys        list every key of snapshot-host.ini\n"
             "       snapshot-host --help | --version\n"
             "\n"
             "SIGHUP reloads both files; SIGTERM and SIGINT finish what is under way and exit; "
             "SIGUSR1 and\nSIGUSR2 are ignored.\n");
}

/* The packages' file, or that of `make install`. */
static const char *installed_config(void) {
    static const char packaged[] = "/etc/read-policy/snapshot-host.ini";
    return access(packaged, F_OK) == 0 ? packaged : "/usr/local/etc/read-policy/snapshot-host.ini";
}

/* Returns true to go on; otherwise *exit_status is set. */
static bool parse_arguments(int argc, char **argv, struct arguments *arguments, int *exit_status) {
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"connect", no_argument, NULL, 'C'},
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
        case 'C':
            arguments->connect = true;
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
    if (optind + 1 == argc && strcmp(argv[optind], "status") == 0 && !arguments->test) {
        arguments->status = true;
        optind++;
        if (arguments->config_path == NULL) {
            arguments->config_path = installed_config();
        }
    }
    if (arguments->connect && !arguments->test) {
        (void)fprintf(stderr, "snapshot-host: --connect goes with -t\n");
        *exit_status = EXIT_USAGE;
        return false;
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

/* Errors, one a line, that keep the host from starting: for people with -t, else for the log. */
static void say_errors(const struct host *host, char *lines) {
    if (host->service.log == NULL) {
        (void)fprintf(stderr, "%s\n", lines);
    } else {
        say_lines(host->service.log, LOG_LEVEL_ERROR, "cannot start", lines);
    }
}

static void list_sections(const struct host *host, char *text, size_t length) {
    const char *section;
    for (uint32_t i = 0; RP_HAS(host->service.plugin, section) &&
                         (section = host->service.plugin->section(host->set, i)) != NULL;
         i++) {
        (void)strlcat(text, i > 0 ? ", " : " ", length);
        (void)strlcat(text, section, length);
    }
}

static bool load_policies(struct host *host, struct loaded_plugin *plugin) {
    const struct host_config *config = host->config;
    char err[RP_ERROR_BYTES] = "";
    if (!plugin_load_with_cluster(plugin, config->plugin.path, err, sizeof err)) {
        char lines[RP_ERROR_BYTES + PATH_MAX];
        (void)snprintf(lines, sizeof lines, "%s: [plugin] path: %s", host->config_path, err);
        say_errors(host, lines);
        return false;
    }
    host->service.plugin = plugin->table;
    int32_t status = host->service.plugin->open(config->plugin.config,
                                                RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION,
                                                &host->set, err, sizeof err);
    if (status != RP_OK) {
        say_errors(host, err);
        return false;
    }
    host->service.policy = host->service.plugin->policy(host->set, config->plugin.section);
    if (host->service.policy == NULL) {
        (void)snprintf(err, sizeof err,
                       "%s: [plugin] section = %s: %s has no such section; accepted:",
                       host->config_path, config->plugin.section, config->plugin.config);
        list_sections(host, err, sizeof err);
        say_errors(host, err);
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
    const struct host_config *config = host->config;
    (void)printf("%s: good. Listens on %s:%u with %u thread%s; %u server%s.\n", host->config_path,
                 config->listen.address, config->listen.port, config->listen.threads,
                 config->listen.threads == 1 ? "" : "s", config->server_count,
                 config->server_count == 1 ? "" : "s");
    if (config->tables.schema[0] != '\0') {
        (void)printf("Reads the tables of schema \"%s\".\n", config->tables.schema);
    }
    if (config->auth.token[0] == '\0' && config->auth.other_token[0] == '\0') {
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

static uint64_t unix_now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *worker_main(void *context) {
    worker_run(context);
    return NULL;
}

/* Two hosts on one port may be meant: it is how a new one takes over without a gap. */
static void warn_if_taken(const struct host *host) {
    const struct http_front_options place = {.address = host->config->listen.address,
                                             .port = (uint16_t)host->config->listen.port};
    if (host->worker_count < 2 || !http_front_is_taken(&place)) {
        return;
    }
    char port[8];
    (void)snprintf(port, sizeof port, "%u", place.port);
    const struct log_field fields[] = {LOG_TEXT("address", place.address), LOG_NUMBER("port", port),
                                       LOG_END};
    log_write(host->service.log, LOG_LEVEL_WARN,
              "another process listens on this address and port too, and gets a share of the "
              "connections until it ends",
              fields);
}

static void say_listening(const struct host *host, const char *message, const char *address,
                          uint16_t port) {
    char text[8];
    (void)snprintf(text, sizeof text, "%u", port);
    const struct log_field fields[] = {LOG_TEXT("address", address), LOG_NUMBER("port", text),
                                       LOG_END};
    log_write(host->service.log, LOG_LEVEL_INFO, message, fields);
}

static bool init_workers(struct host *host) {
    uint16_t port = (uint16_t)host->config->listen.port;
    char err[512] = "";
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (!worker_init(&host->workers[i], host, i, port, err, sizeof err)) {
            say_errors(host, err);
            return false;
        }
        /* With port = 0 all workers share the one that the first of them was given. */
        port = http_front_port(host->workers[i].front);
    }
    say_listening(host, "listening", host->config->listen.address, port);
    if (host->workers[0].admin_front != NULL) {
        say_listening(host, "listening for operators", host->config->admin.address,
                      http_front_port(host->workers[0].admin_front));
    }
    return true;
}

static bool start_workers(struct host *host) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct worker *worker = &host->workers[i];
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            log_write(host->service.log, LOG_LEVEL_ERROR, "cannot start a thread", NULL);
            return false;
        }
        worker->started = true;
    }
    return true;
}

static void wait_for_signals(struct host *host, const sigset_t *signals) {
    const struct timespec period = {.tv_sec = LOOK_UP_S};
    bool look_up = true;
    int signal_number = 0;
    while (signal_number != SIGTERM && signal_number != SIGINT) {
        signal_number = sigtimedwait(signals, NULL, look_up ? &period : NULL);
        if (signal_number < 0 && errno == EAGAIN) {
            look_up = host_look_up(host);
        }
        if (signal_number == SIGHUP) {
            host_reload(host);
            look_up = true; /* if there is anything */
        } else if (signal_number == SIGUSR1 || signal_number == SIGUSR2) {
            const struct log_field fields[] = {
                LOG_TEXT("signal", signal_number == SIGUSR1 ? "SIGUSR1" : "SIGUSR2"), LOG_END};
            log_write(host->service.log, LOG_LEVEL_INFO, "signal ignored: it means nothing here",
                      fields);
        }
    }
    counter_set(&host->leaving, 1);
    log_write(host->service.log, LOG_LEVEL_INFO, "draining", NULL);
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

/* Before any thread is made, so that all inherit it and only sigwait sees these signals. */
static void block_signals(sigset_t *signals) {
    static const int awaited[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    (void)sigemptyset(signals);
    for (size_t i = 0; i < sizeof awaited / sizeof awaited[0]; i++) {
        (void)sigaddset(signals, awaited[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Memory is taken once, and not touched before it is used; so a reload may allow more lookups. */
static uint32_t room_for_lookups(uint32_t max_lookups) {
    const uint32_t room =
        max_lookups < ROOM_MAX / ROOM_FACTOR ? max_lookups * ROOM_FACTOR : ROOM_MAX;
    return room > max_lookups ? room : max_lookups;
}

/* glibc hands a large buffer back to the system when it is freed, but by default takes the largest
 * that it has seen for what is small from then on, and keeps it: some big answers then cost a few
 * times the host's own memory for good. Where the limit is set, it stays. It is above the buffers
 * of usual big answers: the system clears the pages of each one that it hands out, which costs more
 * than writing the answer does.
 *
 * Links are made in threads of their own, and by default each thread may take an arena of its own,
 * up to eight a processor. What a link has grown to then stays with the arena that it was born in:
 * links that come and go fill one arena after the other. So there are as many as event loops, and
 * one for all others. */
static void give_memory_back(uint32_t threads) {
#ifdef __GLIBC__
    enum { LARGE_BYTES = 1024 * 1024, KEPT_BYTES = 4 * LARGE_BYTES };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_ARENA_MAX, (int)threads + 1);
#else
    (void)threads;
#endif
}

static int serve(struct host *host, const sigset_t *signals) {
    bool served = false;
    host->worker_count = host->config->listen.threads;
    host->most_lookups = room_for_lookups(host->config->limits.max_lookups);
    host->workers = calloc(host->worker_count, sizeof *host->workers);
    if (host->workers == NULL) {
        log_write(host->service.log, LOG_LEVEL_ERROR, "out of memory", NULL);
        return EXIT_FAILURE;
    }
    give_memory_back(host->worker_count);
    warn_if_taken(host);
    if (init_workers(host) && start_workers(host)) {
        service_notify(host->service.log, "READY=1");
        wait_for_signals(host, signals);
        served = true;
    }
    stop_workers(host);
    free(host->workers);
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void write_out(void *context, const char *text) {
    (void)fputs(text, context);
}

/* Whether what was printed has arrived. */
static int end_of_print(int exit_status) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return exit_status;
    }
    (void)fprintf(stderr, "snapshot-host: standard output cannot be written\n");
    return EXIT_FAILURE;
}

/* Loads both files and the plugin, and then serves, or says what would be served. */
static int run(struct host *host, const sigset_t *signals, bool test, bool connect) {
    char err[RP_ERROR_BYTES];
    struct host_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        say_errors(host, "out of memory");
        return EXIT_FAILURE;
    }
    host->config = host->written = config;
    const bool good = host_config_load(config, host->config_path, err, sizeof err);
    if (!good) {
        say_errors(host, err);
    }
    /* With -t the policy file is checked even if this file has errors, as long as it names it. */
    if (!good && (!test || config->plugin.path[0] == '\0' || config->plugin.config[0] == '\0')) {
        host_config_free(config);
        return EXIT_FAILURE;
    }
    struct loaded_plugin plugin = {0};
    int exit_status = EXIT_FAILURE;
    if (load_policies(host, &plugin) && good) {
        exit_status = EXIT_SUCCESS;
        if (test) {
            describe_host(host);
            say_notes(host);
            if (connect && !connect_test(config, plugin.table, host->set)) {
                exit_status = EXIT_FAILURE;
            }
            exit_status = end_of_print(exit_status);
        } else {
            say_notes(host);
            host_keep_facts(host);
            exit_status = host_find_addresses(host) ? serve(host, signals) : EXIT_FAILURE;
        }
    }
    if (host->set != NULL) {
        host->service.plugin->close(host->set);
    }
    plugin_unload(&plugin);
    if (host->config != host->written) {
        host_config_free(host->config);
    }
    host_config_free(host->written);
    return exit_status;
}

/* `snapshot-host status`. A file that has an error by now is no reason not to ask the host that
 * runs. */
static int show_status(const char *config_path) {
    static struct host_config config;
    char err[RP_ERROR_BYTES] = "";
    bool shown = false;
    const bool good = host_config_load(&config, config_path, err, sizeof err);
    const bool known = config.admin.present && config.admin.port != 0;
    if (!good) {
        (void)fprintf(stderr, "%s\n", err);
        err[0] = '\0';
    }
    if (known) {
        shown = ask_status(&config, stdout, err, sizeof err);
    } else if (good) {
        (void)snprintf(err, sizeof err,
                       "%s: [admin] port: the listener to ask is not there, or its port is not "
                       "known; accepted: a section [admin] with a port from 1 to 65535",
                       config_path);
    }
    explicit_bzero(&config, sizeof config);
    if (!shown && err[0] != '\0') {
        (void)fprintf(stderr, "%s\n", err);
    }
    return end_of_print(shown ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(int argc, char **argv) {
    struct arguments arguments;
    int exit_status;
    if (!parse_arguments(argc, argv, &arguments, &exit_status)) {
        return end_of_print(exit_status);
    }
    if (arguments.keys) {
        host_config_describe_keys((struct ini_text_sink){.write = write_out, .context = stdout});
        return end_of_print(EXIT_SUCCESS);
    }
    if (arguments.status) {
        return show_status(arguments.config_path);
    }
    sigset_t signals;
    (void)sigemptyset(&signals);
    struct host host = {.config_path = arguments.config_path,
                        .reload_ok = 1,
                        .started_unix_ms = unix_now_ms(),
                        .facts_lock = PTHREAD_MUTEX_INITIALIZER,
                        .service.misses.lock = PTHREAD_MUTEX_INITIALIZER};
    if (!arguments.test) {
        block_signals(&signals);
        host.service.log = log_start(STDERR_FILENO);
        if (host.service.log == NULL) {
            (void)fprintf(stderr, "snapshot-host: cannot start a thread for the log\n");
            return EXIT_FAILURE;
        }
    }
    descriptors_raise_limit();
    exit_status = run(&host, &signals, arguments.test, arguments.connect);
    if (host.service.log != NULL) {
        log_stop(host.service.log, LOG_END_MS);
    }
    return exit_status;
}
