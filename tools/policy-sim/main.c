/*
 * main.c - policy-sim: what a policy file will do, and `record`: what a replica's lag was.
 */
#include "commands.h"

#include <string.h>

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "record") == 0) {
        return record_command(argc - 1, argv + 1);
    }
    return simulate_command(argc, argv);
}
