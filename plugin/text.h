/*
 * text.h - text for people, written into a caller's buffer of any size.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

struct text {
    char *buf;       /* NULL if len is 0 */
    uint32_t len;    /* bytes at buf */
    uint32_t needed; /* bytes of the whole text so far, without its NUL; may exceed len */
};

/* Appends, printf-like; what does not fit is counted, and the buffer stays NUL-terminated. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
