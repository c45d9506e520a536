/*
 * head.c - see head.h.
 */
#include "head.h"

#include <string.h>

enum { NEXT = 1 /* after a line's end */ };

static bool is_ascii(const struct text *text, size_t at) {
    return at >= text->length || ((unsigned char)text->bytes[at] & 0x80) == 0;
}

static bool are_all_ascii(const struct text *text) {
    size_t at = 0;
    while (at < text->length && is_ascii(text, at)) {
        at++;
    }
    return at == text->length;
}

bool snapshot_question_is_ascii(const struct snapshot_question *question) {
    return are_all_ascii(&question->snapshot) && are_all_ascii(&question->run) &&
           are_all_ascii(&question->environment);
}

static size_t past_others(const struct text *text, size_t at) {
    while (!is_ascii(text, at)) {
        at++;
    }
    return at;
}

/* How much of the text is this id; more than there is: none. Where either has characters that are
 * not ASCII, it is enough that the other one has some. */
static size_t restated_length(const struct text *text, const struct text *id) {
    size_t at = 0;
    for (size_t in_id = 0; in_id < id->length; in_id++, at++) {
        if (!is_ascii(text, at) && !is_ascii(id, in_id)) {
            at = past_others(text, at) - 1;
            in_id = past_others(id, in_id) - 1;
        } else if (at >= text->length || text->bytes[at] != id->bytes[in_id]) {
            return SIZE_MAX;
        }
    }
    return at;
}

/* The line is this id, or the same in other characters; moves on to the next one. */
static bool take_line(struct text *text, const struct text *id, bool *restated) {
    size_t length = id->length;
    if (length > text->length || memcmp(text->bytes, id->bytes, length) != 0) {
        length = restated_length(text, id);
        *restated = true;
    }
    if (length >= text->length || text->bytes[length] != '\n') {
        return false;
    }
    text->bytes += length + NEXT;
    text->length -= length + NEXT;
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
    head->restated = false;
    if (left.bytes == NULL || !take_line(&left, &asked->snapshot, &head->restated) ||
        !take_line(&left, &asked->run, &head->restated) ||
        (asked->environment.bytes != NULL &&
         !take_line(&left, &asked->environment, &head->restated)) ||
        !take_letter(&left, 'r', 'p', &head->recovering) ||
        !take_letter(&left, 'f', 'm', &head->found)) {
        return false;
    }
    head->after = left.bytes;
    return strlen(left.bytes) == left.length;
}
