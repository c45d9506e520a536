/*
 * json_string.h - text as a JSON string (RFC 8259).
 */
#ifndef JSON_STRING_H
#define JSON_STRING_H

#include "byte_buffer.h"

#define JSON_LONGEST_ESCAPE 6

/* Writes the escape of ", \ or a control character below U+0020; returns its length. */
size_t json_escape(char out[JSON_LONGEST_ESCAPE], unsigned char byte);

/* Appends `"bytes"`: quotes, escapes of ", \ and control characters; UTF-8 unchanged. */
void json_string_append(struct byte_buffer *buffer, const char *bytes, size_t count);

/* The same for text that need not be UTF-8, such as a server's message in another encoding, or one
 * that was cut: what is not becomes U+FFFD, so that the string is JSON. */
void json_string_append_any(struct byte_buffer *buffer, const char *text);

/* Whether it is UTF-8, as JSON must be. ASCII is looked at a block at a time. */
bool json_is_utf8(const char *bytes, size_t length);

#endif
