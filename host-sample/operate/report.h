/*
 * report.h - a status as headings, lines and tables, which a format makes a page or a text of.
 *
 * [one thread at a time] for each buffer.
 */
#ifndef REPORT_H
#define REPORT_H

#include "status.h"

enum { REPORT_MAX_CELLS = 320 }; /* a server a row, of ten columns */

struct report_table {
    const char *const *columns;
    uint32_t column_count;
    struct byte_buffer text; /* of all cells */
    struct {
        size_t offset;
        size_t length;
        enum status_tone tone;
    } cells[REPORT_MAX_CELLS]; /* row by row */
    uint32_t cell_count;
};

/* Everything that is written may hold any text, clients' too: a format escapes it. */
struct report_format {
    void (*begin)(struct byte_buffer *out, enum status_tone tone, const char *title);
    void (*heading)(struct byte_buffer *out, const char *text);
    void (*line)(struct byte_buffer *out, enum status_tone tone, const char *text);
    void (*table)(struct byte_buffer *out, const struct report_table *table);
    void (*steps)(struct byte_buffer *out, const char *dot); /* NULL: are not drawn */
    void (*end)(struct byte_buffer *out);
};

extern const struct report_format report_html;
extern const struct report_format report_text;

void report_write(struct byte_buffer *out, const struct report_format *format,
                  const struct status *status);

#endif
