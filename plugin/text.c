/*
 * text.c - appends with snprintf.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

void text_add(struct text *text, const char *format, ...) {
    char *at = text->needed < text->len ? text->buf + text->needed : NULL;
    size_t room = at != NULL ? text->len - text->needed : 0;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(at, room, format, arguments);
    va_end(arguments);
    if (written > 0) {
        text->needed += (uint32_t)written;
    }
}
