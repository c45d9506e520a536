/*
 * errors.c - a list of errors as text in the caller's memory, and pieces of a file made printable.
 *
 * What must hold: the text is NUL-terminated and within its capacity after every call, one error is
 * one line, and once an error did not fit, the last line (never the first) says how many did not.
 */
#include "error_text.h"
#include "strict_ini.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NOTE_CAPACITY  32 /* "and 4294967295 more errors" */
#define NOTED_CAPACITY 64 /* in less memory a note does not take space from the first error */

static bool is_printable_ascii(unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f;
}

void ini_show(char shown[INI_SHOWN_CAPACITY], const char *bytes, size_t length) {
    static const char digits[] = "0123456789abcdef";
    const size_t taken = length < INI_SHOWN_BYTES ? length : INI_SHOWN_BYTES;
    char *end = shown;
    for (size_t i = 0; i < taken; i++) {
        const unsigned char byte = (unsigned char)bytes[i];
        if (is_printable_ascii(byte)) {
            *end++ = (char)byte;
        } else {
            *end++ = '\\';
            *end++ = 'x';
            *end++ = digits[byte >> 4];
            *end++ = digits[byte & 15];
        }
    }
    memcpy(end, taken < length ? "..." : "", taken < length ? 4 : 1);
}

void ini_show_discreetly(char shown[INI_SHOWN_CAPACITY], const char *name, size_t length) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t taken = 0;
    while (taken < length && taken < INI_MAX_SECTION_BYTES && name[taken] != '\0' &&
           strchr(plain, name[taken]) != NULL) {
        taken++;
    }
    ini_show(shown, name, taken);
    if (taken < length) {
        memcpy(shown + taken, "...", 4);
    }
}

void ini_errors_init(struct ini_errors *errors, char *text, size_t capacity) {
    *errors = (struct ini_errors){.text = text, .capacity = capacity};
    if (capacity > 0) {
        text[0] = '\0';
    }
}

void ini_keep_to_one_line(char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

/* Ends the first `length` bytes with "..." to show that something is cut off there. */
static void mark_as_cut(char *text, size_t length) {
    const size_t dots = length < 3 ? length : 3;
    memset(text + length - dots, '.', dots);
}

/* Writes after the lines that fit how many did not, dropping as many of the last lines as it needs,
 * or cutting the first one short. If there is no space for the note, there is none. */
static void write_note(struct ini_errors *errors, size_t kept) {
    char note[NOTE_CAPACITY];
    size_t note_length = 0;
    for (;;) {
        note_length = (size_t)snprintf(note, sizeof note, "and %u more error%s", errors->unfit,
                                       errors->unfit == 1 ? "" : "s");
        if (kept + 1 + note_length < errors->capacity) {
            break;
        }
        const char *line_end = memrchr(errors->text, '\n', kept);
        if (line_end == NULL) {
            if (errors->capacity < NOTED_CAPACITY) {
                errors->text[kept] = '\0';
                errors->length = kept;
                return;
            }
            kept = errors->capacity - 2 - note_length;
            mark_as_cut(errors->text, kept);
            break;
        }
        kept = (size_t)(line_end - errors->text);
        errors->unfit++;
    }
    errors->text[kept] = '\n';
    memcpy(errors->text + kept + 1, note, note_length + 1);
    errors->length = kept + 1 + note_length;
}

/* Appends one error as a line; the first is cut short rather than left out. Returns whether it was
 * appended. */
static bool append_line(struct ini_errors *errors, bool first, const char *format,
                        va_list arguments) {
    const size_t start = first ? 0 : errors->length + 1;
    if (start >= errors->capacity) {
        return false;
    }
    char *line = errors->text + start;
    const size_t room = errors->capacity - start;
    const int written = vsnprintf(line, room, format, arguments);
    const bool fits = written >= 0 && (size_t)written < room;
    if (!fits && !first) {
        return false;
    }
    if (!fits) {
        line[room - 1] = '\0';
        mark_as_cut(line, strlen(line));
    }
    ini_keep_to_one_line(line);
    errors->length = start + strlen(line);
    if (!first) {
        errors->text[start - 1] = '\n';
    }
    return true;
}

void ini_errors_add(struct ini_errors *errors, const char *format, ...) {
    errors->count++;
    if (errors->capacity == 0) {
        errors->unfit++;
        return;
    }
    size_t kept = errors->length;
    if (errors->unfit == 0) {
        va_list arguments;
        va_start(arguments, format);
        const bool added = append_line(errors, errors->count == 1, format, arguments);
        va_end(arguments);
        if (added) {
            return;
        }
    } else {
        /* The note, if there was space for one, is the last line; it is rewritten. */
        const char *note = memrchr(errors->text, '\n', errors->length);
        kept = note != NULL ? (size_t)(note - errors->text) : errors->length;
    }
    errors->unfit++;
    write_note(errors, kept);
}
