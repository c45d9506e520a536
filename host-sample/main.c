/*
 * main.c - snapshot-host: command line, and what it asks for: to serve, to check, to show.
 */
#include "connect_test.h"
#include "host-sample/base/log.h"
#include "host-sample/base/unix_time.h"
#include "host-sample/config/load.h"
#include "host-sample/operate/ask_status.h"
#include "host-sample/operate/descriptors.h"
#include "host.h"
#include "loader/plugin_loader.h"
#include "name_search.h"
#include "reload.h"
#include "say.h"
#include "serve.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

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

static bool refuse_usage(const char *why, const char *argument, int *exit_status) {
    (void)fprintf(stderr, "snapshot-host: %s%s\n", why, argument);
    print_usage(stderr);
    *exit_status = EXIT_USAGE;
    return false;
}

/* Returns true to go on; otherwise *exit_status is set. */
static bool take_options(int argc, char **argv, struct arguments *arguments, int *exit_status) {
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
    return true;
}

/* As above. */
static bool parse_arguments(int argc, char **argv, struct arguments *arguments, int *exit_status) {
    if (!take_options(argc, argv, arguments, exit_status)) {
        return false;
    }
    if (optind < argc && strcmp(argv[optind], "status") == 0 && !arguments->test) {
        arguments->status = true;
        optind++;
        if (arguments->config_path == NULL) {
            arguments->config_path = READ_POLICY_CONFIG_DIR "/snapshot-host.ini";
        }
    }
    if (arguments->connect && !arguments->test) {
        return refuse_usage("--connect goes with -t", "", exit_status);
    }
    if (optind < argc) {
        return refuse_usage("unexpected argument ", argv[optind], exit_status);
    }
    if (arguments->config_path == NULL && !arguments->keys) {
        return refuse_usage("no configuration file", "", exit_status);
    }
    return true;
}

/* ---- loading --------------------------------------------------------------------------------- */

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
    host->plugin = plugin;
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

/* ---- the ways in ----------------------------------------------------------------------------- */

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
            exit_status = serve(host, signals) ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (host->set != NULL) {
        host->service.plugin->close(host->set);
    }
    plugin_unload(&plugin);
    name_search_free(host->search);
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
    descriptors_fill_standard();
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
                        .hearsay.lock = PTHREAD_MUTEX_INITIALIZER,
                        .service.misses.lock = PTHREAD_MUTEX_INITIALIZER};
    if (!arguments.test) {
        serve_block_signals(&signals);
        host.service.log = log_start(STDERR_FILENO);
        if (host.service.log == NULL) {
            (void)fprintf(stderr, "snapshot-host: cannot start a thread for the log: %s\n",
                          strerror(errno));
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
