/*
 * simulate_command.c - policy-sim: runs each section through the scenario, and reports.
 */
#include "commands.h"
#include "options.h"
#include "runs.h"
#include "tools/policy-sim/report/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that the command holds; release frees what there is. */
struct command {
    struct sim_options options;
    struct runs runs;
};

/* Returns the exit status; if it is not EXIT_DONE, the reason is in err. */
static int run(struct command *command) {
    const struct sim_options *options = &command->options;
    struct runs *runs = &command->runs;
    if (!runs_load_plugin(runs, options->plugin)) {
        return EXIT_USAGE;
    }
    bool plot = options->plot != NULL;
    bool done = (!plot || plot_possible(runs->err, sizeof runs->err)) &&
                runs_read_file(runs, options->file) &&
                runs_choose(runs, options->sections, options->section_count) &&
                runs_simulate(runs, &options->scenario) && runs_report(runs, options);
    return done ? EXIT_DONE : EXIT_FAILED;
}

int simulate_command(int argc, char **argv) {
    int status = EXIT_DONE;
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL) {
        (void)fprintf(stderr, "policy-sim: out of memory\n");
        return EXIT_FAILED;
    }
    char *err = command->runs.err;
    if (!sim_options_parse(argc, argv, &command->options, err, sizeof command->runs.err)) {
        (void)fprintf(stderr, "policy-sim: %s; see policy-sim --help\n", err);
        status = EXIT_USAGE;
    } else if (command->options.help) {
        sim_options_help(stdout);
    } else if (command->options.version) {
        (void)printf("policy-sim %s\n", READ_POLICY_VERSION);
    } else {
        status = run(command);
        if (status != EXIT_DONE) {
            size_t length = strlen(err);
            bool ended = length > 0 && err[length - 1] == '\n';
            (void)fprintf(stderr, "policy-sim: %s%s", err, ended ? "" : "\n");
        }
    }
    runs_release(&command->runs);
    sim_options_free(&command->options);
    free(command);
    return status;
}
