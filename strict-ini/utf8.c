/*
 * utf8.c - see utf8.h.
 */
#include "utf8.h"

size_t utf8_code_point(const unsigned char *text, size_t length, uint32_t *code_point) {
    /* The least code point that needs as many bytes: a lesser one is overlong. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char first = text[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    const size_t bytes = first >= 0xf8 || first < 0xc0 ? 0
                         : first >= 0xf0               ? 4
                         : first >= 0xe0               ? 3
                                                       : 2;
    if (bytes == 0 || bytes > length) {
        return 0;
    }
    uint32_t value = first & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (text[i] & 0x3fu);
    }
    *code_point = value;
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < least[bytes] || value > 0x10ffff || surrogate ? 0 : bytes;
}

bool is_utf8(const char *text, size_t length) {
    uint32_t code_point;
    while (length > 0) {
        const size_t step = utf8_code_point((const unsigned char *)text, length, &code_point);
        if (step == 0) {
            return false;
        }
        text += step;
        length -= step;
    }
    return true;
}
