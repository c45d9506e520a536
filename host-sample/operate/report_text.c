/*
 * report_text.c - for terminals.
 */
#include "report.h"

#include "strict-ini/utf8.h"

#include <string.h>

enum { MAX_COLUMNS = 12 };

static void begin(struct byte_buffer *out, enum status_tone tone, const char *title) {
    (void)tone;
    byte_buffer_append_format(out, "%s\n", title);
}

static void heading(struct byte_buffer *out, const char *text) {
    byte_buffer_append_format(out, "\n%s\n", text);
}

/* A terminal obeys control characters: a database's text may hold some. What is not UTF-8 it may
 * take for them. */
static void put_text(struct byte_buffer *out, const char *text, size_t length) {
    while (length > 0) {
        uint32_t code_point;
        const size_t bytes = utf8_code_point((const unsigned char *)text, length, &code_point);
        const size_t step = bytes > 0 ? bytes : 1;
        const bool is_shown = bytes > 0 && !utf8_is_control(code_point);
        byte_buffer_append(out, is_shown ? text : " ", is_shown ? bytes : 1);
        text += step;
        length -= step;
    }
}

static void line(struct byte_buffer *out, enum status_tone tone, const char *text) {
    byte_buffer_append_text(out, tone == TONE_BAD ? "  !! " : tone == TONE_WARN ? "  ! " : "  ");
    put_text(out, text, strlen(text));
    BYTE_BUFFER_LITERAL(out, "\n");
}

/* In characters, not in bytes. */
static size_t width_of(const char *text, size_t length) {
    size_t width = 0;
    for (size_t i = 0; i < length; i++) {
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return width;
}

static void put_cell(struct byte_buffer *out, const char *text, size_t length, size_t width,
                     bool last) {
    put_text(out, text, length);
    for (size_t i = width_of(text, length); !last && i < width + 2; i++) {
        BYTE_BUFFER_LITERAL(out, " ");
    }
}

static void table(struct byte_buffer *out, const struct report_table *table) {
    const uint32_t columns = table->column_count < MAX_COLUMNS ? table->column_count : MAX_COLUMNS;
    size_t widths[MAX_COLUMNS] = {0};
    if (columns == 0) {
        return;
    }
    for (uint32_t i = 0; i < columns; i++) {
        widths[i] = width_of(table->columns[i], strlen(table->columns[i]));
    }
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const char *text = table->text.data + table->cells[i].offset;
        const size_t width = width_of(text, table->cells[i].length);
        if (width > widths[i % columns]) {
            widths[i % columns] = width;
        }
    }
    BYTE_BUFFER_LITERAL(out, "  ");
    for (uint32_t i = 0; i < columns; i++) {
        put_cell(out, table->columns[i], strlen(table->columns[i]), widths[i], i + 1 == columns);
    }
    for (uint32_t i = 0; i < table->cell_count; i++) {
        byte_buffer_append_text(out, i % columns == 0 ? "\n  " : "");
        put_cell(out, table->text.data + table->cells[i].offset, table->cells[i].length,
                 widths[i % columns], i % columns + 1 == columns);
    }
    BYTE_BUFFER_LITERAL(out, "\n");
}

static void end(struct byte_buffer *out) {
    (void)out;
}

const struct report_format report_text = {
    .begin = begin, .heading = heading, .line = line, .table = table, .end = end};
