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

/* A hexadecimal digit's value and 1; 0 is none. Comparisons would be guessed wrong as digits
 * change. */
static const uint8_t digit_and_1[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* Reads 1 to 8 digits. Where they end; NULL if there are none, or more. */
static inline const char *read_half(const char *at, uint64_t *half) {
    const char *const first = at;
    *half = 0;
    for (uint64_t digit; (digit = digit_and_1[(unsigned char)*at]) != 0; at++) {
        *half = (*half << 4) + digit - 1;
    }
    return at != first && at - first <= HALF_DIGITS ? at : NULL;
}

HOT struct position_text position_read(const char *text) {
    uint64_t high;
    uint64_t low = 0;
    const char *const slash = read_half(text, &high);
    const char *const end = slash != NULL && *slash == '/' ? read_half(slash + 1, &low) : NULL;
    return (struct position_text){.position = high << 32 | low, .end = end};
}

int32_t position_parse(const char *text, uint64_t *position) {
    if (text == NULL || position == NULL) {
        return RP_E_ARGUMENT;
    }
    const struct position_text read = position_read(text);
    if (read.end == NULL || *read.end != '\0') {
        return RP_E_ARGUMENT;
    }
    *position = read.position;
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
