/*
 * byte_buffer.c - growing, numbers, and the bulk escaping of JSON strings.
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
    /* Doubling keeps the cost of appending constant; a size that cannot double is taken as it is.
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

void byte_buffer_append(struct byte_buffer *buffer, const char *bytes, size_t count) {
    if (count > 0 && byte_buffer_reserve(buffer, count)) {
        memcpy(buffer->data + buffer->length, bytes, count);
        buffer->length += count;
    }
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
        /* vsnprintf also writes a NUL, which is not kept but needs its room. */
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

/* JSON strings. The bytes that need an escape are rare, so they are looked for eight at a time;
 * every eight are copied in the same go, before it is known how many of them are clean. */

#define WORD       sizeof(uint64_t)
#define BLOCK      1024 /* source bytes between two looks at the room that is left */
#define LONGEST    6    /* bytes of the longest escape, \u00XX */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS  EACH(0x80)

/* The high bit of the lowest byte that is zero is set, and no lower bit. */
static uint64_t zero_bytes(uint64_t word) {
    return (word - EACH(1)) & ~word & HIGH_BITS;
}

/* The high bit of the lowest byte that needs an escape is set, and no lower bit; 0 if there is
 * none. Bits above the lowest may be wrong, because a subtraction borrows upwards. */
static uint64_t find_special(uint64_t word) {
    uint64_t control = (word - EACH(0x20)) & ~word & HIGH_BITS;

    return control | zero_bytes(word ^ EACH('"')) | zero_bytes(word ^ EACH('\\'));
}

static bool is_special(unsigned char byte) {
    return byte < 0x20 || byte == '"' || byte == '\\';
}

/* Writes one escape and returns where it ends. */
static char *put_escape(char *out, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (byte < sizeof(letters) && letters[byte] == '\0') {
        memcpy(out, "\\u00", LONGEST - 2);
        out[4] = digits[byte >> 4];
        out[5] = digits[byte & 0xf];
        return out + LONGEST;
    }
    out[0] = '\\';
    out[1] = (char)byte;
    if (byte < sizeof(letters)) {
        out[1] = letters[byte];
    }
    return out + 2;
}

/* Writes `count` bytes, escaped, where there is room for LONGEST times as many; returns the end. */
static char *put_escaped(char *out, const char *bytes, size_t count) {
    const char *end = bytes + count;

    while ((size_t)(end - bytes) >= WORD) {
        uint64_t word, special;

        memcpy(&word, bytes, WORD);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        special = find_special(word);
        memcpy(out, bytes, WORD);
        if (special == 0) {
            bytes += WORD;
            out += WORD;
        } else {
            size_t clean = (size_t)__builtin_ctzll(special) / 8;

            out = put_escape(out + clean, (unsigned char)bytes[clean]);
            bytes += clean + 1;
        }
    }
    for (; bytes < end; bytes++) {
        if (is_special((unsigned char)*bytes)) {
            out = put_escape(out, (unsigned char)*bytes);
        } else {
            *out++ = *bytes;
        }
    }
    return out;
}

void byte_buffer_append_json_string(struct byte_buffer *buffer, const char *bytes, size_t count) {
    BYTE_BUFFER_LITERAL(buffer, "\"");
    while (count > 0) {
        size_t block = count < BLOCK ? count : BLOCK;
        char *out;

        if (!byte_buffer_reserve(buffer, block * LONGEST)) {
            return;
        }
        out = put_escaped(buffer->data + buffer->length, bytes, block);
        buffer->length = (size_t)(out - buffer->data);
        bytes += block;
        count -= block;
    }
    BYTE_BUFFER_LITERAL(buffer, "\"");
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
