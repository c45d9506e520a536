/*
 * text_lines.c - see text_lines.h.
 */
#include "text_lines.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define MAX_SHOWN       60

/* No line of a text is so long: what follows is not read. */
#define ENDLESS_BYTES ((size_t)1 << 20)
static const char endless[] = "this is no text: the line does not end within 1 MiB";

/* The next line without its end; false: there is none. In *odd: NULL, or why it is not all of it.
 */
static bool next_line(FILE *file, char *line, size_t max_bytes, const char **odd) {
    size_t length = 0;
    size_t seen = 0;
    int c;
    *odd = NULL;
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (++seen > ENDLESS_BYTES) {
            *odd = endless;
            break;
        }
        if (c == '\0') {
            *odd = "there is a 0 byte in it: expected plain text, neither compressed nor UTF-16";
        } else if (length + 1 < max_bytes) {
            line[length++] = (char)c;
        } else if (*odd == NULL) {
            *odd = "the line is too long";
        }
    }
    const bool there = c != EOF || length > 0 || *odd != NULL;
    length -= length > 0 && line[length - 1] == '\r';
    line[length] = '\0';
    return there;
}

static const char *take(const struct text_lines *lines, const char *line, const char *odd,
                        unsigned long number) {
    if (odd == endless || (odd != NULL && lines->take_odd == NULL)) {
        return odd;
    }
    if (odd != NULL) {
        return lines->take_odd(lines->context, odd, number);
    }
    const size_t mark = strlen(BYTE_ORDER_MARK);
    const bool marked = number == 1 && strncmp(line, BYTE_ORDER_MARK, mark) == 0;
    return lines->take(lines->context, marked ? line + mark : line, number);
}

/* The line, as far as a message has room for it; nothing in it reaches a terminal as a command. */
static const char *shown(char *line) {
    if (strlen(line) > MAX_SHOWN) {
        (void)memcpy(line + MAX_SHOWN - 3, "...", sizeof "...");
    }
    for (char *at = line; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
    return line;
}

bool text_lines_read(const struct text_lines *lines, FILE *file, const char *path, char *err,
                     size_t err_length) {
    char line[TEXT_LINES_MAX_BYTES];
    unsigned long number = 0;
    const char *wrong = NULL;
    const char *odd;
    assert(lines->max_bytes <= sizeof line);
    while (wrong == NULL && next_line(file, line, lines->max_bytes, &odd)) {
        wrong = take(lines, line, odd, ++number);
    }
    if (wrong != NULL) {
        (void)snprintf(err, err_length, "%s:%lu: \"%s\": %s", path, number, shown(line), wrong);
        return false;
    }
    wrong = ferror(file) != 0 ? strerror(errno) : lines->end(lines->context);
    if (wrong != NULL) {
        (void)snprintf(err, err_length, "%s: %s", path, wrong);
    }
    return wrong == NULL;
}
