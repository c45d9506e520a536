/*
 * table_form.c - see table_form.h.
 */
#include "table_form.h"

void table_begin(FILE *out, enum table_form form, const char *markdown_head) {
    if (form == TABLE_MDOC) {
        (void)fputs(".Bl -tag -width Ds\n", out);
    } else if (form == TABLE_MARKDOWN) {
        (void)fputs(markdown_head, out);
    }
}

void table_end(FILE *out, enum table_form form) {
    if (form == TABLE_MDOC) {
        (void)fputs(".El\n", out);
    }
}
