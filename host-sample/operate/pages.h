/*
 * pages.h - the pages that are no lookups: health, metrics, status.
 */
#ifndef PAGES_H
#define PAGES_H

#include "host-sample/base/byte_buffer.h"
#include "host-sample/lookups/routes.h"

#include <stdint.h>

/* As requests.h has it; the context is a struct worker, and the thread its own. */
uint32_t host_page_write(void *worker, enum route route, struct byte_buffer *out);

#endif
