/*
 * metrics.h - the plugin's counters for Prometheus.
 */
#ifndef METRICS_H
#define METRICS_H

#include "settings.h"

/* The handler of a location with read_policy_metrics: the sums of all workers, in the text
 * exposition format. */
ngx_int_t metrics_handler(ngx_http_request_t *request);

#endif
