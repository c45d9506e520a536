/*
 * position.c - see position.h.
 */
#include "position.h"

#include "plugin/hot.h"
#include "plugin/read_policy.h"

#include <stdbool.h>
#include <stddef.h>

/* XLogPageHeaderData and XLogLongPageHeaderData (access/xlog_internal.h), with their padding. */
#define PAGE_HEADER_BYTES    24u
#define SEGMENT_HEADER_BYTES 40u

#define HALF_DIGITS 8

/* Up to 8 hexadecimal digits; false if there is none. */
HOT static bool read_half(const char **text, uint64_t *half) {
    int digits = 0;
    *half = 0;
    for (;; (*text)++, digits++) {
        const char c = **text;
        uint64_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint64_t)(c - '0');
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint64_t)(c - 'A') + 10;
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint64_t)(c - 'a') + 10;
        } else {
            return digits > 0;
        }
        if (digits == HALF_DIGITS) {
            return false;
        }
        *half = *half << 4 | digit;
    }
}

HOT uint64_t position_read(const char **text) {
    const char *at = *text;
    uint64_t high;
    uint64_t low;
    if (!read_half(&at, &high) || *at != '/') {
        return 0;
    }
    at++;
    if (!read_half(&at, &low)) {
        return 0;
    }
    *text = at;
    return high << 32 | low;
}

HOT int32_t position_parse(const char *text, uint64_t *position) {
    if (text == NULL || position == NULL) {
        return RP_E_ARGUMENT;
    }
    const char *at = text;
    uint64_t read = position_read(&at);
    if (at == text || *at != '\0') {
        return RP_E_ARGUMENT;
    }
    *position = read;
    return RP_OK;
}

static char *print_half(uint32_t half, char *text) {
    static const char digits[] = "0123456789ABCDEF";
    int shift = 28;
    while (shift > 0 && half >> shift == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *text++ = digits[half >> shift & 0xF];
    }
    return text;
}

void position_print(uint64_t position, char *text) {
    text = print_half((uint32_t)(position >> 32), text);
    *text++ = '/';
    text = print_half((uint32_t)position, text);
    *text = '\0';
}

uint64_t position_without_page_header(uint64_t inserted, uint64_t block, uint64_t segment) {
    uint64_t in_page = inserted & (block - 1);
    bool begins_segment = (inserted & (segment - 1)) == in_page;
    if (in_page == (begins_segment ? SEGMENT_HEADER_BYTES : PAGE_HEADER_BYTES)) {
        return inserted - in_page;
    }
    return inserted;
}
