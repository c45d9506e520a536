/*
 * json_string.h - text as a JSON string (RFC 8259).
 */
#ifndef JSON_STRING_H
#define JSON_STRING_H

#include "byte_buffer.h"

/* Appends `"bytes"`: quotes, escapes of ", \ and control characters; UTF-8 unchanged. */
void json_string_append(struct byte_buffer *buffer, const char *bytes, size_t count);

#endif
