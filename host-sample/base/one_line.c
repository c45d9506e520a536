/*
 * one_line.c - see one_line.h.
 */
#include "one_line.h"

#include "strict-ini/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* And what ends a line in Unicode alone. */
static bool is_space_or_control(uint32_t code_point) {
    return code_point == ' ' || utf8_is_control(code_point) || code_point == 0x2028 ||
           code_point == 0x2029;
}

/* The character that begins there, and how many bytes of the text it takes. A server that does not
 * know yet in which encoding it is to speak does so in its own. */
static size_t next_character(const char *at, size_t left, uint32_t *code_point,
                             const char **character, size_t *length) {
    const size_t step = utf8_code_point((const unsigned char *)at, left, code_point);
    if (step == 0) {
        *code_point = 0xfffd;
        *character = "\xef\xbf\xbd";
        *length = 3;
        return 1;
    }
    *character = at;
    *length = step;
    return step;
}

void one_line(char *out, size_t size, const char *text) {
    size_t length = 0;
    size_t left = text != NULL ? strlen(text) : 0;
    bool gap = false;
    while (left > 0) {
        uint32_t code_point;
        const char *character;
        size_t bytes;
        const size_t step = next_character(text, left, &code_point, &character, &bytes);
        text += step;
        left -= step;
        if (is_space_or_control(code_point)) {
            gap = length > 0;
            continue;
        }
        if (length + (gap ? 1 : 0) + bytes >= size) {
            break;
        }
        if (gap) {
            out[length++] = ' ';
            gap = false;
        }
        memcpy(out + length, character, bytes);
        length += bytes;
    }
    out[length] = '\0';
}
