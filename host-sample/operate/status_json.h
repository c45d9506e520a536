/*
 * status_json.h - a status for programs.
 */
#ifndef STATUS_JSON_H
#define STATUS_JSON_H

#include "status.h"

/* Appends one JSON object. What is not known is null. */
void status_write_json(struct byte_buffer *out, const struct status *status);

#endif
