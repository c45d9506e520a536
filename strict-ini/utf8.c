/*
 * utf8.c - whether a text is UTF-8.
 */
#include "error_text.h"

#include <stdint.h>

/* The length of the character at `bytes`, 0 if there is none. */
static size_t character_length(const unsigned char *bytes, size_t left) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char first = bytes[0];
    if (first < 0x80) {
        return 1;
    }
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > left) {
        return 0;
    }
    uint32_t code_point = first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        code_point = code_point << 6 | (bytes[i] & 0x3fu);
    }
    const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
    return code_point < least[length] || code_point > 0x10ffff || surrogate ? 0 : length;
}

bool ini_is_utf8(const char *bytes, size_t length) {
    while (length > 0) {
        const size_t step = character_length((const unsigned char *)bytes, length);
        if (step == 0) {
            return false;
        }
        bytes += step;
        length -= step;
    }
    return true;
}
