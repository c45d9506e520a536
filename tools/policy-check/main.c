/*
 * main.c - policy-check: checks and explains a policy file without any host.
 *
 * It knows nothing about policies: it asks the plugin for everything, through its ABI.
 */
#include "key_table.h"
#include "kind_table.h"
#include "loader/find_plugin.h"
#include "loader/plugin_loader.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_LIMIT (4u << 20) /* bytes of standard input */

enum { EXIT_GOOD = 0, EXIT_ERRORS = 1, EXIT_USAGE = 2 };

enum what { CHECK, DESCRIBE, DOT, KEYS, POLICIES };

struct arguments {
    enum what what;
    enum table_form form;
    uint32_t capabilities;
    const char *file;
    const char *section; /* NULL: all */
    char plugin_path[PATH_MAX];
};

static const char help[] =
    "usage: policy-check [OPTION...] FILE    (FILE may be - for standard input)\n"
    "       policy-check [--plugin PATH] --keys[=FORM] | --policies[=FORM]\n"
    "\n"
    "Checks a read policy INI file as a host would at its start, without a host. All errors go to\n"
    "standard error, one per line, and so do notes on keys that a section's policy does not use.\n"
    "\n"
    "  --describe        say in plain words what each section does\n"
    "  --dot             draw each section's policy, as it is configured, as a state diagram in\n"
    "                    Graphviz's DOT language; dot -Tsvg makes a picture of one section\n"
    "  --section NAME    only this section, which must exist\n"
    "  --keys[=FORM]     list every key with type, bounds, default, unit and help; FORM is text\n"
    "                    (the default), mdoc or markdown\n"
    "  --policies[=FORM] list every policy with its summary, steps, needs and keys\n"
    "  --no-positions    check as for a host that can neither report nor await WAL positions\n"
    "  --plugin PATH     the plugin; without it, read_policy.so beside this program, else\n"
    "                    " READ_POLICY_PLUGIN_DIR "/read_policy.so\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 the file is valid; 1 it has errors, or lacks the section; 2 wrong usage, or "
    "the\n"
    "plugin cannot be used, or standard output cannot be written.\n";

/* ---- the command line ------------------------------------------------------------------------ */

static int usage_error(const char *message, const char *what) {
    (void)fprintf(stderr, "policy-check: %s%s; see policy-check --help\n", message, what);
    return EXIT_USAGE;
}

static bool parse_form(const char *text, enum table_form *form) {
    static const char *const names[] = {"text", "mdoc", "markdown"};
    *form = TABLE_TEXT;
    for (int i = 0; text != NULL && i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *form = (enum table_form)i;
            return true;
        }
    }
    return text == NULL;
}

/* One mode at most. */
static bool set_mode(struct arguments *arguments, enum what what) {
    bool alone = arguments->what == CHECK || arguments->what == what;
    arguments->what = what;
    return alone;
}

enum option_code {
    O_DESCRIBE = 1,
    O_DOT,
    O_SECTION,
    O_KEYS,
    O_POLICIES,
    O_NO_POSITIONS,
    O_PLUGIN,
    O_HELP,
    O_VERSION
};

/* Returns -1 to go on, else the exit status. */
static int take_option(struct arguments *arguments, int code) {
    bool one_mode = true;
    switch (code) {
    case O_DESCRIBE:
        one_mode = set_mode(arguments, DESCRIBE);
        break;
    case O_DOT:
        one_mode = set_mode(arguments, DOT);
        break;
    case O_SECTION:
        arguments->section = optarg;
        break;
    case O_KEYS:
    case O_POLICIES:
        one_mode = set_mode(arguments, code == O_KEYS ? KEYS : POLICIES);
        if (!parse_form(optarg, &arguments->form)) {
            return usage_error("a list is text, mdoc or markdown, not ", optarg);
        }
        break;
    case O_NO_POSITIONS:
        arguments->capabilities = 0;
        break;
    case O_PLUGIN:
        if (strlen(optarg) >= sizeof arguments->plugin_path) {
            return usage_error("the plugin's path is too long", "");
        }
        (void)snprintf(arguments->plugin_path, sizeof arguments->plugin_path, "%s", optarg);
        break;
    case O_HELP:
        (void)fputs(help, stdout);
        return EXIT_GOOD;
    case O_VERSION:
        (void)printf("policy-check %s\n", READ_POLICY_VERSION);
        return EXIT_GOOD;
    default:
        return usage_error("wrong usage", "");
    }
    return one_mode ? -1
                    : usage_error("one of --describe, --dot, --keys and --policies at a time", "");
}

/* Asks for a list, which needs no file. */
static bool lists(const struct arguments *arguments) {
    return arguments->what == KEYS || arguments->what == POLICIES;
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {{"describe", no_argument, NULL, O_DESCRIBE},
                                            {"dot", no_argument, NULL, O_DOT},
                                            {"section", required_argument, NULL, O_SECTION},
                                            {"keys", optional_argument, NULL, O_KEYS},
                                            {"policies", optional_argument, NULL, O_POLICIES},
                                            {"no-positions", no_argument, NULL, O_NO_POSITIONS},
                                            {"plugin", required_argument, NULL, O_PLUGIN},
                                            {"help", no_argument, NULL, O_HELP},
                                            {"version", no_argument, NULL, O_VERSION},
                                            {NULL, 0, NULL, 0}};
    int code;
    *arguments =
        (struct arguments){.capabilities = RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION};
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int status = take_option(arguments, code);
        if (status != -1) {
            return status;
        }
    }
    if (arguments->plugin_path[0] == '\0') {
        find_plugin(arguments->plugin_path, sizeof arguments->plugin_path);
    }
    int files = lists(arguments) ? 0 : 1;
    if (argc - optind < files) {
        return usage_error("no FILE to check", "");
    }
    if (argc - optind > files) {
        return usage_error("unexpected argument ", argv[optind + files]);
    }
    arguments->file = files > 0 ? argv[optind] : NULL;
    return -1;
}

static bool is_input(const struct arguments *arguments) {
    return arguments->file != NULL && strcmp(arguments->file, "-") == 0;
}

static const char *shown_name(const struct arguments *arguments) {
    return is_input(arguments) ? "standard input" : arguments->file;
}

/* ---- what the plugin says -------------------------------------------------------------------- */

/* Prints all of the text that describe or diagram returns. */
static bool print_text(uint32_t (*say)(const struct rp_policy *, char *, uint32_t),
                       const struct rp_policy *policy, const char *end) {
    uint32_t length = say(policy, NULL, 0);
    char *text = length < UINT32_MAX ? malloc((size_t)length + 1) : NULL;
    if (text == NULL) {
        (void)fprintf(stderr, "policy-check: out of memory\n");
        return false;
    }
    (void)say(policy, text, length + 1);
    (void)printf("%s%s", text, end);
    free(text);
    return true;
}

static bool print_section(const struct arguments *arguments, const struct rp_plugin *plugin,
                          const struct rp_policy *policy) {
    return arguments->what == DESCRIBE ? print_text(plugin->describe, policy, "\n")
                                       : print_text(plugin->diagram, policy, "");
}

static void list_sections(FILE *out, const struct rp_plugin *plugin, struct rp_set *set) {
    const char *name;
    for (uint32_t i = 0; (name = plugin->section(set, i)) != NULL; i++) {
        (void)fprintf(out, "%s[%s]", i > 0 ? ", " : "", name);
    }
}

/* Prints the requested sections; `count` becomes the number of them that the file has. */
static int print_sections(const struct arguments *arguments, const struct rp_plugin *plugin,
                          struct rp_set *set) {
    uint32_t count = 0;
    for (const char *name; (name = plugin->section(set, count)) != NULL; count++) {
        bool wanted = arguments->section == NULL || strcmp(name, arguments->section) == 0;
        if (wanted && arguments->what != CHECK &&
            !print_section(arguments, plugin, plugin->policy(set, name))) {
            return EXIT_ERRORS;
        }
    }
    if (arguments->what == CHECK) {
        (void)printf("%s: good, %u section%s: ", shown_name(arguments), count,
                     count == 1 ? "" : "s");
        list_sections(stdout, plugin, set);
        (void)putchar('\n');
    }
    return EXIT_GOOD;
}

/* What the file sets without effect: not an error, and not meant for programs. */
static void print_notes(const struct rp_plugin *plugin, struct rp_set *set) {
    char notes[RP_ERROR_BYTES];
    if (RP_HAS(plugin, notes) && plugin->notes(set, notes, sizeof notes) > 0) {
        char *rest = notes;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            (void)fprintf(stderr, "note: %s\n", line);
        }
    }
}

/* All of standard input; what is over any plugin's limit is not read. NULL with errno set: it
 * cannot be read, or memory ran out. */
static char *read_input(uint32_t *length) {
    char *text = malloc(INPUT_LIMIT);
    if (text == NULL) {
        return NULL;
    }
    *length = (uint32_t)fread(text, 1, INPUT_LIMIT, stdin);
    if (ferror(stdin) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int32_t open_set(const struct arguments *arguments, const struct rp_plugin *plugin,
                        struct rp_set **set, char *errors, uint32_t errors_length) {
    if (!is_input(arguments)) {
        return plugin->open(arguments->file, arguments->capabilities, set, errors, errors_length);
    }
    uint32_t length = 0;
    char *text = read_input(&length);
    if (text == NULL) {
        (void)snprintf(errors, errors_length, "%s: %s", shown_name(arguments), strerror(errno));
        return RP_E_CONFIG;
    }
    const int32_t status = plugin->open_text(text, length, shown_name(arguments),
                                             arguments->capabilities, set, errors, errors_length);
    free(text);
    return status;
}

static int check_file(const struct arguments *arguments, const struct rp_plugin *plugin) {
    char errors[RP_ERROR_BYTES] = "";
    struct rp_set *set = NULL;
    const int32_t status = open_set(arguments, plugin, &set, errors, sizeof errors);
    if (status != RP_OK) {
        size_t length = strlen(errors);
        if (length == 0) {
            (void)fprintf(stderr, "%s: refused by the plugin, status %d\n", shown_name(arguments),
                          status);
        } else {
            (void)fprintf(stderr, "%s%s", errors, errors[length - 1] == '\n' ? "" : "\n");
        }
        return EXIT_ERRORS;
    }
    int exit_status = EXIT_ERRORS;
    if (arguments->section != NULL && plugin->policy(set, arguments->section) == NULL) {
        (void)fprintf(stderr,
                      "%s: no section [%s]: a host that looks for it does not start, or keeps its "
                      "previous configuration; there is ",
                      shown_name(arguments), arguments->section);
        list_sections(stderr, plugin, set);
        (void)fputc('\n', stderr);
    } else {
        print_notes(plugin, set);
        exit_status = print_sections(arguments, plugin, set);
    }
    plugin->close(set);
    return exit_status;
}

static int print_list(const struct arguments *arguments, const struct rp_plugin *plugin) {
    const bool keys = arguments->what == KEYS;
    if (!(keys ? key_table_print : kind_table_print)(stdout, plugin, arguments->form)) {
        (void)fprintf(stderr, "policy-check: %s: its table of %s has no end\n",
                      arguments->plugin_path, keys ? "keys" : "policies");
        return EXIT_USAGE;
    }
    return EXIT_GOOD;
}

/* Members newer than RP_PLUGIN_MIN_SIZE that are needed here. */
static bool has_members(const struct arguments *arguments, const struct rp_plugin *plugin) {
    bool all = RP_HAS(plugin, section) && RP_HAS(plugin, key) && RP_HAS(plugin, diagram) &&
               (arguments->what != POLICIES || RP_HAS(plugin, kind)) &&
               (!is_input(arguments) || RP_HAS(plugin, open_text));
    if (!all) {
        (void)fprintf(stderr,
                      "policy-check: %s: version %s is too old: its table lacks section, key, "
                      "diagram, kind or open_text\n",
                      arguments->plugin_path, plugin->version);
    }
    return all;
}

static int run(struct arguments *arguments) {
    struct loaded_plugin plugin;
    char err[RP_ERROR_BYTES] = "";
    int status = EXIT_USAGE;
    if (!plugin_load(&plugin, arguments->plugin_path, err, sizeof err)) {
        (void)fprintf(stderr, "policy-check: %s\n", err);
        return EXIT_USAGE;
    }
    if (has_members(arguments, plugin.table)) {
        status = lists(arguments) ? print_list(arguments, plugin.table)
                                  : check_file(arguments, plugin.table);
    }
    plugin_unload(&plugin);
    return status;
}

int main(int argc, char **argv) {
    struct arguments arguments;
    int status = parse_arguments(argc, argv, &arguments);
    if (status == -1) {
        status = run(&arguments);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        perror("policy-check: cannot write");
        return EXIT_USAGE;
    }
    return status;
}
