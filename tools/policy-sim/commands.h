/*
 * commands.h - the program's commands; the arguments of each begin with its own name.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "options.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* policy-sim itself, replay, advise. */
int simulate_command(enum sim_command of, int argc, char **argv);
int record_command(int argc, char **argv);

#endif
