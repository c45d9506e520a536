/*
 * ask_status.h - `snapshot-host status`: asks the host that runs.
 */
#ifndef ASK_STATUS_H
#define ASK_STATUS_H

#include "host-sample/config/config.h"

#include <stdbool.h>
#include <stdio.h>

/* Gets /status.txt from the listener for operators and prints it. Waits for some seconds at most.
 * False with a sentence in err. */
bool ask_status(const struct host_config *config, FILE *out, char *err, size_t err_length);

#endif
