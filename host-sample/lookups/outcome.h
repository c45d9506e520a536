/*
 * outcome.h - what a server's reply to a read is in the plugin's words, and why in people's.
 *
 * Pure functions. [thread-safe]
 */
#ifndef LOOKUP_OUTCOME_H
#define LOOKUP_OUTCOME_H

#include "host-sample/postgres/statement.h"
#include "host-sample/snapshots/read.h"

#include <stddef.h>
#include <stdint.h>

/* Both return an enum rp_outcome, and of any but found, partial and missing write the reason to
 * `error`, cut to `length` bytes; else they leave it alone. */
int32_t outcome_of_failure(const struct pg_reply *reply, char *error, size_t length);
int32_t outcome_of_rows(enum snapshot_outcome found, const struct snapshot_result *result,
                        char *error, size_t length);

#endif
