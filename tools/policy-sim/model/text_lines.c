/*
 * text_lines.c - see text_lines.h.
 */
#include "text_lines.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *take(const struct text_lines *lines, char *line, unsigned long number) {
    size_t length = strcspn(line, "\r\n");
    bool whole = line[length] != '\0' || length + 1 < lines->max_bytes;
    line[length] = '\0';
    return whole ? lines->take(lines->context, line, number) : "the line is too long";
}

bool text_lines_read(const struct text_lines *lines, FILE *file, const char *path, char *err,
                     size_t err_length) {
    char line[TEXT_LINES_MAX_BYTES];
    unsigned long number = 0;
    const char *wrong = NULL;
    assert(lines->max_bytes <= sizeof line);
    while (wrong == NULL && fgets(line, (int)lines->max_bytes, file) != NULL) {
        wrong = take(lines, line, ++number);
    }
    if (wrong == NULL && ferror(file) != 0) {
        wrong = strerror(errno);
    }
    if (wrong == NULL) {
        wrong = lines->end(lines->context);
    }
    if (wrong != NULL) {
        (void)snprintf(err, err_length, "%s:%lu: %s", path, number, wrong);
    }
    return wrong == NULL;
}
