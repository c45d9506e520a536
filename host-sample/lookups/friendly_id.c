/*
 * friendly_id.c - see friendly_id.h.
 *
 * An id is decoded first and split afterwards, as the clients' own servers do: "%5F" separates.
 */
#include "friendly_id.h"

#include "strict-ini/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* ---- text ---- */

static_assert(FRIENDLY_ID_MAX_BYTES == 128, "the sentence says so");
static const char too_long[] = "it is longer than 128 bytes";

/* -1 if it is not a hexadecimal digit. Not isxdigit(), which depends on the locale. */
static int hexadecimal_digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const char lower = (char)(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool check_text(const char *bytes, size_t length, const char **why) {
    const unsigned char *text = (const unsigned char *)bytes;
    for (size_t at = 0; at < length;) {
        if (text[at] >= ' ' && text[at] < 0x7f) {
            at++; /* nearly all ids hold nothing else */
            continue;
        }
        uint32_t code_point;
        const size_t step = utf8_code_point(text + at, length - at, &code_point);
        if (step == 0) {
            *why = "it is not valid UTF-8";
            return false;
        }
        if (utf8_is_control(code_point)) {
            *why = "it holds a control character";
            return false;
        }
        at += step;
    }
    return true;
}

/* ---- ids ---- */

/* Decodes into id->text, which is not NUL-terminated yet. */
static bool percent_decode(const char *segment, size_t length, struct database_id *id,
                           const char **why) {
    id->length = 0;
    if (length > 0 && length <= FRIENDLY_ID_MAX_BYTES && memchr(segment, '%', length) == NULL) {
        memcpy(id->text, segment, length);
        id->length = length;
        return true;
    }
    for (size_t at = 0; at < length; at++) {
        char character = segment[at];
        if (character == '%') {
            const int high = length - at > 2 ? hexadecimal_digit(segment[at + 1]) : -1;
            const int low = length - at > 2 ? hexadecimal_digit(segment[at + 2]) : -1;
            if (high < 0 || low < 0) {
                *why = "it holds a percent sign that two hexadecimal digits do not follow";
                return false;
            }
            character = (char)(high << 4 | low);
            at += 2;
        }
        if (id->length == FRIENDLY_ID_MAX_BYTES) {
            *why = too_long;
            return false;
        }
        id->text[id->length++] = character;
    }
    return true;
}

bool friendly_id_decode(const char *segment, size_t length, struct database_id *id,
                        const char **why) {
    if (!percent_decode(segment, length, id, why) || !check_text(id->text, id->length, why)) {
        return false;
    }
    const char *separator = memchr(id->text, '_', id->length);
    const size_t prefix = separator == NULL ? 0 : (size_t)(separator - id->text);
    const size_t rest = separator == NULL ? 0 : id->length - prefix - 1;
    if (prefix == 0 || rest == 0 || memchr(separator + 1, '_', rest) != NULL) {
        *why = "expected two non-empty parts with one underscore between them";
        return false;
    }
    memmove(id->text, separator + 1, rest);
    id->text[rest] = '\0';
    id->length = rest;
    return true;
}

bool plain_id_check(const char *bytes, size_t length, struct database_id *id, const char **why) {
    if (length == 0) {
        *why = "it is empty";
        return false;
    }
    if (length > FRIENDLY_ID_MAX_BYTES) {
        *why = too_long;
        return false;
    }
    if (!check_text(bytes, length, why)) {
        return false;
    }
    memcpy(id->text, bytes, length);
    id->text[length] = '\0';
    id->length = length;
    return true;
}
