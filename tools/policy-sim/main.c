/*
 * main.c - policy-sim: what a policy file will do; `replay`: would have done; `advise`: should say;
 * `record`: what a replica's lag was.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "record") == 0) {
        return record_command(argc - 1, argv + 1);
    }
    if (strcmp(word, "replay") == 0) {
        return simulate_command(COMMAND_REPLAY, argc - 1, argv + 1);
    }
    if (strcmp(word, "advise") == 0) {
        return simulate_command(COMMAND_ADVISE, argc - 1, argv + 1);
    }
    return simulate_command(COMMAND_SIMULATE, argc, argv);
}

int main(int argc, char **argv) {
    const int status = run(argc, argv);
    if (status == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        (void)fprintf(stderr, "policy-sim: cannot write to standard output\n");
        return EXIT_FAILED;
    }
    return status;
}
