/*
 * one_line.c - see one_line.h.
 */
#include "one_line.h"

#include <stdbool.h>

static bool is_space_or_control(char byte) {
    return (unsigned char)byte <= ' ' || byte == 0x7f;
}

static bool continues_character(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* The length without a last character that was cut before `next`, and without the blank before it.
 */
static size_t whole_characters(const char *out, size_t length, char next) {
    if (!continues_character(next)) {
        return length;
    }
    while (length > 0 && continues_character(out[length - 1])) {
        length--;
    }
    length = length > 0 ? length - 1 : 0;
    return length > 0 && out[length - 1] == ' ' ? length - 1 : length;
}

void one_line(char *out, size_t size, const char *text) {
    size_t length = 0;
    bool gap = false;
    for (const char *at = text != NULL ? text : ""; *at != '\0'; at++) {
        if (is_space_or_control(*at)) {
            gap = length > 0;
            continue;
        }
        if (length + (gap ? 2 : 1) >= size) {
            length = gap ? length : whole_characters(out, length, *at);
            break;
        }
        if (gap) {
            out[length++] = ' ';
            gap = false;
        }
        out[length++] = *at;
    }
    out[length] = '\0';
}
