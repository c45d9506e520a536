/*
 * utf8.h - UTF-8, one code point at a time.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The code point that begins at text, and how many bytes it takes; 0 bytes if it is not UTF-8
 * (overlong forms, surrogates and what lies over U+10FFFF included). length is at least 1. */
size_t utf8_code_point(const unsigned char *text, size_t length, uint32_t *code_point);

#endif
