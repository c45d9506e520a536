/*
 * metrics.h - the page at /metrics, in the Prometheus text exposition format.
 */
#ifndef HOST_METRICS_H
#define HOST_METRICS_H

#include "host-sample/base/byte_buffer.h"

struct worker;

/* Appends the whole page: the plugin's counters, the host's own, summed over all workers. Callable
 * from any worker's thread; what other workers count at the same time may or may not be in it. */
void host_metrics_write(const struct worker *worker, struct byte_buffer *out);

#endif
