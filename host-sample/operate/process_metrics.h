/*
 * process_metrics.h - what the process is and takes: build, configuration, limits, memory.
 */
#ifndef PROCESS_METRICS_H
#define PROCESS_METRICS_H

#include "host-sample/base/byte_buffer.h"

struct host;
struct host_config;

/* [thread-safe] */
void process_metrics_write(struct host *host, const struct host_config *config,
                           struct byte_buffer *out);

#endif
