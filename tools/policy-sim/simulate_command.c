/*
 * simulate_command.c - loads the plugin, runs each section through the scenario, reports.
 */
#include "commands.h"
#include "loader/find_plugin.h"
#include "loader/plugin_loader.h"
#include "options.h"
#include "tools/policy-sim/engine/simulation.h"
#include "tools/policy-sim/report/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that the command holds; release frees what there is. */
struct command {
    struct sim_options options;
    struct loaded_plugin plugin;
    struct rp_set *set; /* for the sections' names */
    struct section_figures sections[OPTIONS_MAX_SECTIONS];
    size_t section_count;
    char err[RP_ERROR_BYTES];
};

static bool load_plugin(struct command *command) {
    char path[PATH_MAX];
    if (command->options.plugin != NULL) {
        return plugin_load(&command->plugin, command->options.plugin, command->err,
                           sizeof command->err);
    }
    find_plugin(path, sizeof path);
    return plugin_load(&command->plugin, path, command->err, sizeof command->err);
}

static bool add_section(struct command *command, const char *name) {
    if (command->section_count == OPTIONS_MAX_SECTIONS) {
        (void)snprintf(command->err, sizeof command->err,
                       "%s: more than %u sections: choose some with --section",
                       command->options.file, OPTIONS_MAX_SECTIONS);
        return false;
    }
    command->sections[command->section_count++].section = name;
    return true;
}

/* The sections to run: those named, else all of the file. The names live as long as the set. */
static bool list_sections(struct command *command) {
    const struct sim_options *options = &command->options;
    const struct rp_plugin *table = command->plugin.table;
    if (table->open(options->file, RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION, &command->set,
                    command->err, sizeof command->err) != RP_OK) {
        return false;
    }
    for (uint32_t i = 0; i < options->section_count; i++) {
        if (table->policy(command->set, options->sections[i]) == NULL) {
            (void)snprintf(command->err, sizeof command->err, "%s: no section [%s]", options->file,
                           options->sections[i]);
            return false;
        }
        if (!add_section(command, options->sections[i])) {
            return false;
        }
    }
    if (options->section_count == 0 && !RP_HAS(table, section)) {
        (void)snprintf(command->err, sizeof command->err,
                       "this plugin cannot list its sections: name them with --section");
        return false;
    }
    for (uint32_t i = 0; options->section_count == 0; i++) {
        const char *name = table->section(command->set, i);
        if (name == NULL) {
            break;
        }
        if (!add_section(command, name)) {
            return false;
        }
    }
    return true;
}

static bool simulate_sections(struct command *command) {
    const struct sim_options *options = &command->options;
    for (size_t i = 0; i < command->section_count; i++) {
        struct section_figures *section = &command->sections[i];
        section->figures = simulate(command->plugin.table, options->file, section->section,
                                    &options->scenario, command->err, sizeof command->err);
        if (section->figures == NULL) {
            return false;
        }
    }
    return true;
}

static bool report(struct command *command) {
    if (command->options.csv) {
        report_csv(stdout, command->sections, command->section_count);
    } else {
        report_table(stdout, command->sections, command->section_count);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)snprintf(command->err, sizeof command->err, "cannot write to standard output");
        return false;
    }
    return command->options.plot == NULL ||
           plot_png(command->options.plot, command->sections, command->section_count, command->err,
                    sizeof command->err);
}

/* Returns the exit status; if it is not EXIT_DONE, the reason is in err. */
static int run(struct command *command) {
    if (!load_plugin(command)) {
        return EXIT_USAGE;
    }
    bool plot = command->options.plot != NULL;
    bool done = (!plot || plot_possible(command->err, sizeof command->err)) &&
                list_sections(command) && simulate_sections(command) && report(command);
    return done ? EXIT_DONE : EXIT_FAILED;
}

static void release(struct command *command) {
    for (size_t i = 0; i < command->section_count; i++) {
        figures_free(command->sections[i].figures);
    }
    if (command->set != NULL) {
        command->plugin.table->close(command->set);
    }
    plugin_unload(&command->plugin);
    sim_options_free(&command->options);
    free(command);
}

int simulate_command(int argc, char **argv) {
    int status = EXIT_DONE;
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL) {
        (void)fprintf(stderr, "policy-sim: out of memory\n");
        return EXIT_FAILED;
    }
    if (!sim_options_parse(argc, argv, &command->options, command->err, sizeof command->err)) {
        (void)fprintf(stderr, "policy-sim: %s; see policy-sim --help\n", command->err);
        status = EXIT_USAGE;
    } else if (command->options.help) {
        sim_options_help(stdout);
    } else if (command->options.version) {
        (void)printf("policy-sim %s\n", READ_POLICY_VERSION);
    } else {
        status = run(command);
        if (status != EXIT_DONE) {
            size_t length = strlen(command->err);
            bool ended = length > 0 && command->err[length - 1] == '\n';
            (void)fprintf(stderr, "policy-sim: %s%s", command->err, ended ? "" : "\n");
        }
    }
    release(command);
    return status;
}
