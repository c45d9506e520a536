/*
 * simulate_command.c - policy-sim, replay and advise: runs sections through a scenario, and
 * reports.
 */
#include "advise.h"
#include "commands.h"
#include "replayed.h"
#include "runs.h"
#include "tools/policy-sim/report/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that the command holds; release frees what there is. */
struct command {
    struct sim_options options;
    struct runs runs;
    struct replayed replayed;
    char candidates[ADVISE_TEXT_BYTES];
};

static bool run_sections(struct command *command) {
    const struct sim_options *options = &command->options;
    struct runs *runs = &command->runs;
    return runs_read_file(runs, options->file) &&
           runs_choose(runs, options->sections, options->section_count) &&
           runs_simulate(runs, &options->scenario) && runs_report(runs, options);
}

static bool replay(struct command *command) {
    if (!replayed_load(&command->replayed, &command->options, command->runs.err,
                       sizeof command->runs.err)) {
        return false;
    }
    if (!command->options.csv) {
        replayed_tell(&command->replayed, stdout);
    }
    return run_sections(command);
}

static bool advise(struct command *command) {
    const struct sim_options *options = &command->options;
    struct runs *runs = &command->runs;
    if (!replayed_load(&command->replayed, &command->options, runs->err, sizeof runs->err)) {
        return false;
    }
    runs->policies =
        (struct policy_text){"candidates", command->candidates,
                             advise_candidates(runs->plugin.table, options, command->candidates)};
    if (!runs_choose(runs, NULL, 0) || !runs_simulate(runs, &options->scenario)) {
        return false;
    }
    const size_t candidates = runs->section_count;
    const bool met = advise_choose(runs, options);
    replayed_tell(&command->replayed, stdout);
    (void)printf("the best of %zu candidates%s:\n\n", candidates,
                 runs->section_count > 1 ? ", and the runner-up" : "");
    if (!runs_report(runs, options)) {
        return false;
    }
    (void)fputc('\n', stdout);
    advise_print_lines(stdout, command->candidates, runs->sections[0].section);
    if (!met) {
        (void)snprintf(runs->err, sizeof runs->err,
                       "no candidate meets all goals; [%s] comes nearest",
                       runs->sections[0].section);
    }
    return met;
}

/* Returns the exit status; if it is not EXIT_DONE, the reason is in err. */
static int run(struct command *command) {
    const struct sim_options *options = &command->options;
    struct runs *runs = &command->runs;
    if (!runs_load_plugin(runs, options->plugin)) {
        return EXIT_USAGE;
    }
    bool done = options->plot == NULL || plot_possible(options->plot, runs->err, sizeof runs->err);
    switch (options->command) {
    case COMMAND_REPLAY:
        done = done && replay(command);
        break;
    case COMMAND_ADVISE:
        done = done && advise(command);
        break;
    default:
        done = done && run_sections(command);
        break;
    }
    return done ? EXIT_DONE : EXIT_FAILED;
}

static const char *help_of(enum sim_command of) {
    return of == COMMAND_REPLAY   ? "policy-sim replay --help"
           : of == COMMAND_ADVISE ? "policy-sim advise --help"
                                  : "policy-sim --help";
}

int simulate_command(enum sim_command of, int argc, char **argv) {
    int status = EXIT_DONE;
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL) {
        (void)fprintf(stderr, "policy-sim: out of memory\n");
        return EXIT_FAILED;
    }
    char *err = command->runs.err;
    if (!sim_options_parse(of, argc, argv, &command->options, err, sizeof command->runs.err)) {
        (void)fprintf(stderr, "policy-sim: %s; see %s\n", err, help_of(of));
        status = EXIT_USAGE;
    } else if (command->options.help) {
        sim_options_help(of, stdout);
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
    replayed_free(&command->replayed);
    sim_options_free(&command->options);
    free(command);
    return status;
}
