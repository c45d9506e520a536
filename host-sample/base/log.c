/*
 * log.c - one JSON object per line.
 */
#include "log.h"

#include "utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE_BYTES 8192

struct line {
    char text[MAX_LINE_BYTES];
    size_t length;
    bool full;
};

/* Space is reserved for the closing brace and the end of the line. */
static void put(struct line *line, const char *bytes, size_t count) {
    if (line->full || count > sizeof line->text - 2 - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->length, bytes, count);
    line->length += count;
}

/* What is not UTF-8 (a text cut in the middle of a character, a server's message in another
 * encoding) becomes U+FFFD, so that every line is JSON. */
static void put_string(struct line *line, const char *text) {
    static const char hex[] = "0123456789abcdef";
    size_t left = strlen(text);
    put(line, "\"", 1);
    while (left > 0) {
        unsigned char byte = (unsigned char)*text;
        uint32_t code_point;
        size_t step = utf8_code_point((const unsigned char *)text, left, &code_point);
        if (step == 0) {
            put(line, "\\ufffd", 6);
            step = 1;
        } else if (byte == '"' || byte == '\\') {
            put(line, (const char[]){'\\', (char)byte}, 2);
        } else if (byte < 0x20 || byte == 0x7f) {
            put(line, (const char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
        } else {
            put(line, text, step);
        }
        text += step;
        left -= step;
    }
    put(line, "\"", 1);
}

static void put_field(struct line *line, const char *name, const char *value) {
    size_t before = line->length;
    put(line, before == 1 ? "" : ",", before == 1 ? 0 : 1);
    put_string(line, name);
    put(line, ":", 1);
    put_string(line, value);
    if (line->full) {
        line->length = before;
    }
}

static void put_time(struct line *line) {
    struct timespec now;
    struct tm utc;
    char text[64];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1000000);
    put_field(line, "time", text);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields) {
    static const char *const names[] = {"info", "warn", "error"};
    struct line line;
    line.length = 0;
    line.full = false;
    put(&line, "{", 1);
    put_time(&line);
    put_field(&line, "level", names[level]);
    put_field(&line, "message", message);
    for (; fields != NULL && fields->name != NULL; fields++) {
        if (fields->value != NULL) {
            put_field(&line, fields->name, fields->value);
        }
    }
    memcpy(line.text + line.length, "}\n", 2);
    line.length += 2;
    /* A log that cannot be written is lost; the host goes on. */
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line.text, line.length);
    } while (written < 0 && errno == EINTR);
}

enum log_level log_level_of(const char *name) {
    if (strcmp(name, "info") == 0) {
        return LOG_LEVEL_INFO;
    }
    return strcmp(name, "warn") == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR;
}
