/*
 * exposition.h - pieces of the Prometheus text exposition format, version 0.0.4.
 *
 * [one thread at a time] for each buffer.
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "host-sample/base/byte_buffer.h"

#include <stdint.h>

/* HELP and TYPE: once for each metric, before all of its series. */
void put_header(struct byte_buffer *out, const char *name, const char *type, const char *help);

/* `separator`, "{" or ",", then the label with its value escaped. */
void put_label(struct byte_buffer *out, const char *separator, const char *name, const char *value);

/* One series with one label. */
void put_labelled(struct byte_buffer *out, const char *name, const char *label,
                  const char *label_value, uint64_t value);

/* A metric of one series without labels. */
void put_single(struct byte_buffer *out, const char *name, const char *type, const char *help,
                uint64_t value);

#endif
