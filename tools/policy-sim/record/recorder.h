/*
 * recorder.h - samples the lag of a live replica.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct recording {
    const char *primary; /* conninfo */
    const char *replica;
    uint64_t length_ns;
    uint64_t interval_ns; /* 0: as fast as the servers answer */
    uint64_t samples;     /* result: written */
    uint64_t unknown;     /* not written, before the replica had reached any commit; a result too */
};

/* Writes a lag trace, see lag_trace.h, line by line, in Unix time. Blocks for the recording's
 * length. False with one line in err if a server cannot be asked or a line not be written. */
bool record_lag(struct recording *recording, FILE *out, char *err, size_t err_length);

#endif
