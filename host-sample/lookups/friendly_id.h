/*
 * friendly_id.h - ids, as trigger.dev's clients send them.
 *
 * Pure functions on bytes; nothing here allocates, and failures are only in the results.
 */
#ifndef FRIENDLY_ID_H
#define FRIENDLY_ID_H

#include <stdbool.h>
#include <stddef.h>

#define FRIENDLY_ID_MAX_BYTES 128 /* after percent-decoding */

struct database_id {
    char text[FRIENDLY_ID_MAX_BYTES + 1]; /* the part after "_", NUL-terminated */
    size_t length;
};

/* Percent-decodes and checks a friendly id, "prefix_id". On failure returns false with *why set to
 * a static sentence. Refused: over FRIENDLY_ID_MAX_BYTES after decoding, a bad percent escape,
 * invalid UTF-8 (overlong, surrogates, over U+10FFFF), NUL, control characters (C0, DEL, C1), not
 * exactly two non-empty parts split at "_". The prefix word is not checked; nothing is trimmed or
 * case-folded; "+" is itself. */
bool friendly_id_decode(const char *segment, size_t length, struct database_id *id,
                        const char **why);

/* The checks of friendly_id_decode for a header value that is a plain id (no escapes, no prefix):
 * length, UTF-8, control characters. */
bool plain_id_check(const char *bytes, size_t length, struct database_id *id, const char **why);

#endif
