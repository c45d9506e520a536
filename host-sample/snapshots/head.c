/*
 * head.c - see head.h.
 */
#include "head.h"

#include <string.h>

enum { NEXT = 1 /* after a line's end */ };

/* The line is this id; moves on to the next one. */
static bool take_line(struct text *text, const struct text *id) {
    if (text->length < id->length + NEXT || text->bytes[id->length] != '\n' ||
        memcmp(text->bytes, id->bytes, id->length) != 0) {
        return false;
    }
    text->bytes += id->length + NEXT;
    text->length -= id->length + NEXT;
    return true;
}

/* One of two letters: whether it is the first. */
static bool take_letter(struct text *text, char first, char second, bool *is_first) {
    if (text->length == 0 || (text->bytes[0] != first && text->bytes[0] != second)) {
        return false;
    }
    *is_first = text->bytes[0] == first;
    text->bytes++;
    text->length--;
    return true;
}

bool head_read(struct snapshot_head *head, const struct text *text,
               const struct snapshot_question *asked) {
    struct text left = *text;
    if (left.bytes == NULL || !take_line(&left, &asked->snapshot) ||
        !take_line(&left, &asked->run) ||
        (asked->environment.bytes != NULL && !take_line(&left, &asked->environment)) ||
        !take_letter(&left, 'r', 'p', &head->recovering) ||
        !take_letter(&left, 'f', 'm', &head->found)) {
        return false;
    }
    head->after = left.bytes;
    return strlen(left.bytes) == left.length;
}
