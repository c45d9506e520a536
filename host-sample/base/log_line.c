/*
 * log_line.c - one JSON object per line.
 */
#include "log_line.h"

#include "json_string.h"
#include "strict-ini/utf8.h"
#include "unix_time.h"
#include "utc_date.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Space is reserved for the closing brace and the end of the line. */
static void put(struct log_line *line, const char *bytes, size_t count) {
    if (line->full || count > sizeof line->text - 2 - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->length, bytes, count);
    line->length += count;
}

/* What is not UTF-8 (a text cut in the middle of a character, a server's message in another
 * encoding) becomes U+FFFD, so that every line is JSON. */
static void put_string(struct log_line *line, const char *text) {
    char escape[JSON_LONGEST_ESCAPE];
    size_t left = strlen(text);
    put(line, "\"", 1);
    while (left > 0) {
        unsigned char byte = (unsigned char)*text;
        uint32_t code_point;
        size_t step = utf8_code_point((const unsigned char *)text, left, &code_point);
        if (step == 0) {
            put(line, "\\ufffd", 6);
            step = 1;
        } else if (byte == '"' || byte == '\\' || byte < 0x20) {
            const size_t length = json_escape(escape, byte);
            put(line, escape, length);
        } else if (utf8_is_control(code_point)) {
            /* Valid in JSON as it is, but not harmless on terminals. */
            char number[8];
            (void)snprintf(number, sizeof number, "\\u%04" PRIx32, code_point);
            put(line, number, 6);
        } else {
            put(line, text, step);
        }
        text += step;
        left -= step;
    }
    put(line, "\"", 1);
}

static void put_field(struct log_line *line, bool first, const struct log_field *field) {
    const size_t before = line->length;
    put(line, ",", first ? 0 : 1);
    put_string(line, field->name);
    put(line, ":", 1);
    if (field->is_number) {
        put(line, field->value, strlen(field->value));
    } else {
        put_string(line, field->value);
    }
    if (line->full) {
        line->length = before;
    }
}

static void put_time(struct log_line *line) {
    char text[UTC_DATE_LENGTH + 1] = "";
    utc_date_print(unix_now_ms(), text);
    put_field(line, true, &(struct log_field)LOG_TEXT("time", text));
}

void log_line_make(struct log_line *line, bool priority, enum log_level level, const char *message,
                   const struct log_field *fields) {
    static const struct {
        const char *name;
        const char *mark; /* in the form of sd-daemon(3) */
    } levels[] = {{"info", "<6>"}, {"warn", "<4>"}, {"error", "<3>"}};
    line->length = 0;
    line->full = false;
    put(line, levels[level].mark, priority ? strlen(levels[level].mark) : 0);
    put(line, "{", 1);
    put_time(line);
    put_field(line, false, &(struct log_field)LOG_TEXT("level", levels[level].name));
    put_field(line, false, &(struct log_field)LOG_TEXT("message", message));
    for (; fields != NULL && fields->name != NULL; fields++) {
        if (fields->value != NULL) {
            put_field(line, false, fields);
        }
    }
    memcpy(line->text + line->length, "}\n", 2);
    line->length += 2;
}
