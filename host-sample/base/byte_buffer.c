/*
 * byte_buffer.c - growing, numbers and formatted text.
 */
#include "byte_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 256

/* What must hold between any two calls. */
static bool is_consistent(const struct byte_buffer *buffer) {
    return buffer->length <= buffer->capacity && (buffer->data != NULL || buffer->capacity == 0);
}

bool byte_buffer_reserve(struct byte_buffer *buffer, size_t more) {
    size_t needed, capacity;
    char *data;

    if (buffer->failed || !is_consistent(buffer)) {
        buffer->failed = true;
        return false;
    }
    if (more <= buffer->capacity - buffer->length) {
        return true;
    }
    if (__builtin_add_overflow(buffer->length, more, &needed)) {
        buffer->failed = true;
        return false;
    }
    /* Doubling keeps the cost of appending constant; a size that cannot double is used as it is.
     */
    if (__builtin_mul_overflow(buffer->capacity, (size_t)2, &capacity) || capacity < needed) {
        capacity = needed;
    }
    if (capacity < SMALLEST_CAPACITY) {
        capacity = SMALLEST_CAPACITY;
    }
    data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void byte_buffer_append_text(struct byte_buffer *buffer, const char *text) {
    byte_buffer_append(buffer, text, strlen(text));
}

void byte_buffer_append_unsigned(struct byte_buffer *buffer, uint64_t value) {
    char digits[20]; /* 2^64 - 1 has 20 */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    byte_buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void byte_buffer_append_signed(struct byte_buffer *buffer, int64_t value) {
    if (value < 0) {
        BYTE_BUFFER_LITERAL(buffer, "-");
        /* Negated as unsigned: the smallest number has no positive counterpart. */
        byte_buffer_append_unsigned(buffer, 0 - (uint64_t)value);
    } else {
        byte_buffer_append_unsigned(buffer, (uint64_t)value);
    }
}

void byte_buffer_append_format(struct byte_buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    int count;

    if (!byte_buffer_reserve(buffer, 1)) {
        return;
    }
    va_start(arguments, format);
    va_copy(again, arguments);
    count = vsnprintf(buffer->data + buffer->length, buffer->capacity - buffer->length, format,
                      arguments);
    if (count < 0) {
        buffer->failed = true;
    } else if ((size_t)count >= buffer->capacity - buffer->length) {
        /* vsnprintf also writes a NUL, which is not kept but needs space. */
        if (byte_buffer_reserve(buffer, (size_t)count + 1)) {
            (void)vsnprintf(buffer->data + buffer->length, (size_t)count + 1, format, again);
            buffer->length += (size_t)count;
        }
    } else {
        buffer->length += (size_t)count;
    }
    va_end(again);
    va_end(arguments);
}

void byte_buffer_reset(struct byte_buffer *buffer, size_t keep) {
    if (buffer->capacity > keep) {
        byte_buffer_free(buffer);
    }
    buffer->length = 0;
    buffer->failed = false;
}

void byte_buffer_free(struct byte_buffer *buffer) {
    free(buffer->data);
    *buffer = BYTE_BUFFER_EMPTY;
}
