/*
 * byte_buffer.h - a growing run of bytes, the host's unit of output.
 *
 * [one thread at a time]. A failed allocation sets `failed` and makes every later append a no-op,
 * so that whoever writes many pieces checks once, at the end.
 */
#ifndef BYTE_BUFFER_H
#define BYTE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct byte_buffer {
    char *data;      /* NULL while nothing was ever reserved; not NUL-terminated */
    size_t length;   /* bytes used */
    size_t capacity; /* bytes allocated */
    bool failed;     /* an allocation failed: what is in data is incomplete */
};

#define BYTE_BUFFER_EMPTY ((struct byte_buffer){0})

/* Makes room for `more` bytes after length. False, and `failed`, if memory ran out or the size
 * would overflow. */
bool byte_buffer_reserve(struct byte_buffer *buffer, size_t more);

/* Inline, so that the length of a literal is known where it is copied. */
static inline void byte_buffer_append(struct byte_buffer *buffer, const char *bytes, size_t count) {
    const bool room = !buffer->failed && count <= buffer->capacity - buffer->length;
    if (count > 0 && (room || byte_buffer_reserve(buffer, count))) {
        memcpy(buffer->data + buffer->length, bytes, count);
        buffer->length += count;
    }
}
void byte_buffer_append_text(struct byte_buffer *buffer, const char *text);
void byte_buffer_append_unsigned(struct byte_buffer *buffer, uint64_t value);
void byte_buffer_append_signed(struct byte_buffer *buffer, int64_t value);
void byte_buffer_append_format(struct byte_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A string literal, its length known to the compiler. */
#define BYTE_BUFFER_LITERAL(buffer, literal)                                                       \
    byte_buffer_append((buffer), "" literal "", sizeof(literal) - 1)

/* length = 0 and failed = false; keeps the memory unless it is larger than `keep` bytes. */
void byte_buffer_reset(struct byte_buffer *buffer, size_t keep);
void byte_buffer_free(struct byte_buffer *buffer);

#endif
