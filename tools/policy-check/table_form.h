/*
 * table_form.h - what stands around the rows of a table, in each of its forms.
 */
#ifndef TABLE_FORM_H
#define TABLE_FORM_H

#include <stdio.h>

enum table_form { TABLE_TEXT, TABLE_MDOC, TABLE_MARKDOWN };

/* markdown_head: the columns, and the line below them. */
void table_begin(FILE *out, enum table_form form, const char *markdown_head);
void table_end(FILE *out, enum table_form form);

#endif
