/*
 * utf8.h - UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF.
 *
 * [thread-safe]
 */
#ifndef STRICT_INI_UTF8_H
#define STRICT_INI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point that begins at text, and how many bytes it takes; 0 bytes if it is not UTF-8.
 * length is at least 1. */
size_t utf8_code_point(const unsigned char *text, size_t length, uint32_t *code_point);

/* Of either set, C0 and C1, and DEL: what a terminal obeys. */
static inline bool utf8_is_control(uint32_t code_point) {
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

/* Whether all of it is. */
bool is_utf8(const char *text, size_t length);

#endif
